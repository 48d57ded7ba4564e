# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generations of workers, pauses, and what is asked of systemd; tests/http/test_reloads.py has the real reloads."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import NotReloaded
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import reload
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.reload import (
    Reloader,
    Worker,
    old_generations,
    pause,
    workers,
)
from ansible_collections.vizgate.gateway.tests.unit.support import NGINX, configure, serving

SECOND = os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ([], []),
        ([0], [1]),
        ([0, 0, 0, 0], [4]),
        ([0, 0.03, 0.05, 0.14], [4]),
        # 0.1 s is what nginx rests between two configurations at least
        ([0, 0.09, 0.19], [2, 1]),
        ([0, 0.1, 0.2], [1, 1, 1]),
        ([0, 2, 2.01, 7, 900], [1, 2, 1, 1]),
    ],
)
def test_workers_that_were_started_in_a_row_are_a_generation(started: list[float], expected: list[int]) -> None:
    leaving = [Worker(round(moment * SECOND), 100 + number, True) for number, moment in enumerate(started)]
    current = [Worker(round(moment * SECOND), 200 + number, False) for number, moment in enumerate(started)]
    found = old_generations(current + leaving[::-1])
    assert [len(generation) for generation in found] == expected
    assert [worker for generation in found for worker in generation] == leaving


@pytest.mark.parametrize(
    ("interval", "old", "seconds"),
    [(2, 0, 2), (2, 1, 4), (2, 3, 16), (2, 5, 40), (60, 0, 40), (0, 9, 0), (9, 5000, 40)],
)
def test_each_old_generation_doubles_the_pause(interval: float, old: int, seconds: float) -> None:
    assert pause(interval, old) == seconds


class Systemd:
    """Stands for the programs of systemd, which runs nowhere near these tests; everything else is really called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.job, self.state, self.refuses, self.calls = 7, "running", "", [""]
        self.calls.clear()
        self.call = reload._call
        monkeypatch.setattr(reload, "_call", self._answer)

    def _answer(self, *command: str) -> object:
        if command[0] not in ("systemctl", "systemd-run"):
            return self.call(*command)
        if command[1] == "list-jobs":
            line = f"{self.job} nginx.service reload {self.state}"
            return self.call("echo", line if self.job else "")
        self.calls.append(" ".join(command))
        return self.call("false" if self.refuses and self.refuses in command else "true")


class Site:
    """A real nginx with a reloader."""

    def __init__(self, gateway: Gateway, configuration: str) -> None:
        self.run = Path(gateway.paths.root, "run/vizgate")
        assert NGINX
        self.test = [NGINX, "-t", "-q", "-e", "stderr", "-c", configuration]
        self.note = self.run / "reload"

    def reloader(self, interval: float = 0, unit: str = "nginx.service") -> Reloader:
        return Reloader(str(self.run), str(self.run / "nginx.pid"), self.test, interval, 3, unit)

    def workers(self) -> list[int]:
        return [worker.pid for worker in self._workers() if not worker.leaving]

    def _workers(self) -> list[Worker]:
        return workers(int((self.run / "nginx.pid").read_text()))


def test_without_nginx_nothing_is_reloaded(root: str) -> None:
    with pytest.raises(NotReloaded) as refused:
        Reloader(root, root + "/nginx.pid", ["true"], 0, 3).reload()
    assert str(refused.value) == (f"nginx does not run: {root}/nginx.pid names no process of nginx; start it")


def test_nobody_else_can_lock_the_note(gateway: Gateway) -> None:
    configuration = configure(gateway)
    site = Site(gateway, configuration)
    with serving(gateway, configuration):
        site.reloader(unit="").reload()
        assert stat.S_IMODE(site.note.stat().st_mode) == 0o600
        # a shorter note leaves nothing of a longer one
        assert len(site.note.read_text().split()) == 3


def test_systemd_lets_the_pause_pass(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that comes too early asks for itself again after a pause, and reloads nothing."""
    systemd, configuration = Systemd(monkeypatch), configure(gateway)
    site = Site(gateway, configuration)
    with serving(gateway, configuration):
        site.reloader(interval=reload.LONGEST_PAUSE).reload()
        assert systemd.calls == []
        before, last, started = site.workers(), float(site.note.read_text().split()[0]), time.monotonic()
        site.reloader(interval=reload.LONGEST_PAUSE).reload()
        ended = time.monotonic()
        assert ended - started < reload.LONGEST_PAUSE / 2
        assert site.workers() == before
    started_pause, asked_again = systemd.calls
    command, seconds = started_pause.rsplit(" ", 1)
    assert command == (
        "systemd-run --quiet --no-block --collect --unit=vizgate-pause --property=Type=oneshot"
        " --property=Before=nginx.service sleep"
    )
    assert last + reload.LONGEST_PAUSE - ended <= float(seconds) <= last + reload.LONGEST_PAUSE - started
    assert asked_again == "systemctl --no-block reload nginx.service"


@pytest.mark.parametrize("program", ["systemd-run", "systemctl"])
def test_where_systemd_does_not_help_the_program_waits(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    systemd, configuration = Systemd(monkeypatch), configure(gateway)
    systemd.refuses, sleep = program, time.sleep
    site = Site(gateway, configuration)
    with serving(gateway, configuration):
        site.reloader().reload()
        before, last, slept = site.workers(), float(site.note.read_text().split()[0]), list[float]()

        def hurry(seconds: float) -> None:
            slept.append(seconds)
            sleep(min(seconds, reload.POLL_SECONDS))

        monkeypatch.setattr(time, "sleep", hurry)
        started = time.monotonic()
        site.reloader(interval=reload.LONGEST_PAUSE).reload()
        ended = time.monotonic()
        assert last + reload.LONGEST_PAUSE - ended <= max(slept) <= last + reload.LONGEST_PAUSE - started
        assert not set(site.workers()) & set(before)


@pytest.mark.parametrize(
    ("jobs", "states", "lets_go"),
    [
        # others asked during the first and the second reload that were made for a job
        ((7, 7), ("waiting", "waiting"), True),
        # during the second of them nobody did: systemd answers
        ((7, 7), ("waiting", "running"), False),
        # a job of its own
        ((7, 8), ("waiting", "waiting"), False),
        # nobody waits for this
        ((0, 0), ("", ""), False),
    ],
)
def test_callers_are_let_go_when_others_ask_in_every_reload(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, jobs: tuple[int, ...], states: tuple[str, ...], lets_go: bool
) -> None:
    systemd, configuration = Systemd(monkeypatch), configure(gateway)
    site = Site(gateway, configuration)
    with serving(gateway, configuration):
        for systemd.job, systemd.state in zip(jobs, states, strict=True):
            assert systemd.calls == []
            before = site.workers()
            site.reloader().reload()
            assert not set(site.workers()) & set(before)
    assert systemd.calls == lets_go * [
        "systemd-run --quiet --collect --unit=vizgate-served --property=RuntimeDirectory=vizgate-served sh -c"
        " for _ in $(seq 50); do systemctl list-jobs --no-legend nginx.service | grep -q '^ *7 ' || break; done;"
        " rmdir /run/vizgate-served; exec systemctl --no-block reload nginx.service"
    ]
