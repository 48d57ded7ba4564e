# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reloads nginx: those who ask at the same time share one reload, reloads keep their distance, old workers do not pile up."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TextIO

from ..errors import NotReloaded

LONGEST_PAUSE = 40.0
"""Seconds; with what a reload may take itself this stays under the 90 that systemd gives one."""

TAKE_UP_SECONDS = 20.0
DRAIN_SECONDS = 1.0
POLL_SECONDS = 0.01

# nginx starts the workers of a configuration in a row, then waits for 0.1 s before it does anything else
_GAP = os.sysconf("SC_CLK_TCK") // 10


class Worker(NamedTuple):
    """A worker of nginx: when it `started`, in clock ticks since boot, and whether it is `leaving`, for its last connections."""

    started: int
    pid: int
    leaving: bool


def workers(master: int) -> list[Worker]:
    """The workers of a master process, oldest first; none where it is gone."""
    found = []
    for pid in _read(f"/proc/{master}/task/{master}/children").split():
        title, fields = _read(f"/proc/{pid}/cmdline"), _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if title.startswith("nginx: worker process") and fields:
            found.append(Worker(int(fields[19]), int(pid), "shutting down" in title))
    return sorted(found)


def old_generations(found: Iterable[Worker]) -> list[list[Worker]]:
    """The workers that are leaving, oldest first, by the configuration that they were started with."""
    generations: list[list[Worker]] = []
    for worker in sorted(worker for worker in found if worker.leaving):
        if not generations or worker.started - generations[-1][-1].started >= _GAP:
            generations.append([])
        generations[-1].append(worker)
    return generations


def pause(interval: float, old: int) -> float:
    """Seconds between two reloads; twice as many for each old generation, as the next reload may cost one its place."""
    return min(interval * 2.0 ** min(old, 9), LONGEST_PAUSE)


class Reloader:
    """The reloads of one nginx, which `test`, a command, lets check its configuration; `unit` is its systemd unit, if any.

    In `folder`, which belongs to nobody else, a locked file notes the last reload.
    """

    # one parameter for each option of the program vizgate-reload, which passes them on by name
    def __init__(
        self, folder: str, pid_file: str, test: Sequence[str], interval: float, generations: int, unit: str = ""
    ) -> None:
        self.pid_file, self.test, self.unit = pid_file, test, unit
        self.interval, self.generations = interval, generations
        self.note = os.path.join(folder, "reload")

    def reload(self) -> None:
        """Returns when only workers take requests that read the configuration after this call. Raises NotReloaded."""
        asked = time.monotonic()
        # whoever can open the file can lock it
        with open(os.open(self.note, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            tried, done, job = (*file.read().split(), "0", "0", "-")[:3]
            if asked < float(done) <= time.monotonic():
                return
            old = min(len(old_generations(workers(self._master()))), self.generations)
            passed = time.monotonic() - float(tried)
            # a note from before the last boot may be of a time to come
            if 0 <= passed < pause(self.interval, old) and self._wait(pause(self.interval, old) - passed):
                return
            began = str(time.monotonic())
            _write(file, began, done, job)
            self._take_up()
            self._end_oldest()
            number, more = self._job()
            _write(file, began, began, number)
        if more and number == job:
            self._let_go(job)

    def _master(self) -> int:
        pid = _read(self.pid_file).strip()
        if not pid.isdigit() or _read(f"/proc/{pid}/comm") != "nginx\n":
            raise NotReloaded(f"nginx does not run: {self.pid_file} names no process of nginx; start it")
        return int(pid)

    def _wait(self, seconds: float) -> bool:
        """Lets the time pass; True if systemd runs this again after it, for all who have asked by then.

        A job of systemd that waits can be joined. One that runs is run again for those who come later, and answers nobody
        before; and a unit that is "reloading" is not "active" to those who look, Ansible among them.
        """
        unit = ["--unit=vizgate-pause", "--property=Type=oneshot", f"--property=Before={self.unit}"]
        if (
            self.unit
            and _call("systemd-run", "--quiet", "--no-block", "--collect", *unit, "sleep", str(seconds)).returncode == 0
            and _call("systemctl", "--no-block", "reload", self.unit).returncode == 0
        ):
            return True
        time.sleep(seconds)
        return False

    def _take_up(self) -> None:
        """Makes nginx read its configuration, and waits for the workers that serve it."""
        tested = _call(*self.test)
        if tested.returncode:
            words = " ".join(tested.stderr.split())
            raise NotReloaded(f"nginx rejects the new configuration and keeps the old one: {words}")
        master = self._master()
        _until(lambda: _serving(master))  # nginx may have been started in this moment
        before = _serving(master)
        os.kill(master, signal.SIGHUP)
        _until(lambda: (now := _serving(master)) and not now & before)

    def _end_oldest(self) -> None:
        """Ends generations that are too many; the newest has a moment to finish, which it does where no websocket is open."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while len(old := old_generations(workers(self._master()))) > self.generations:
            if time.monotonic() > deadline:
                for pid in [worker.pid for workers in old[: len(old) - self.generations] for worker in workers]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
                return
            time.sleep(POLL_SECONDS)

    def _job(self) -> tuple[str, bool]:
        """The number of systemd's job that this runs for, and whether others have asked since, so that it will run again."""
        listed = _call("systemctl", "list-jobs", "--no-legend", self.unit).stdout.split() if self.unit else []
        return (listed[0], listed[3] == "waiting") if len(listed) == 4 else ("-", False)

    def _let_go(self, job: str) -> None:
        """Makes systemd's next runs end at once until it answers, which it never would while somebody asks in every run.

        The unit's ExecReload looks for the folder that is there meanwhile. Who asked since nginx began to read its
        configuration gets the reload that follows.
        """
        folder = "--property=RuntimeDirectory=vizgate-served"
        wait = (
            f"for _ in $(seq 50); do systemctl list-jobs --no-legend {self.unit} | grep -q '^ *{job} ' || break; done"
        )
        then = f"{wait}; rmdir /run/vizgate-served; exec systemctl --no-block reload {self.unit}"
        _call("systemd-run", "--quiet", "--collect", "--unit=vizgate-served", folder, "sh", "-c", then)


def _serving(master: int) -> set[int]:
    return {worker.pid for worker in workers(master) if not worker.leaving}


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + TAKE_UP_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise NotReloaded(f"nginx has not replaced its workers in {TAKE_UP_SECONDS:g} s; its error log says why")
        time.sleep(POLL_SECONDS)


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TAKE_UP_SECONDS)


def _read(path: str) -> str:
    """A file's text, "" where there is none: processes come and go."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _write(file: TextIO, *words: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(" ".join(words))
    file.flush()
