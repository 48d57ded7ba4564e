# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing by halves, whatever fails: a change that is killed, that fails, or that meets others."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core import fs
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control as control_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.sources import effective_data
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import ALICE, BOB, MAP, changes, declare, files
from ansible_collections.vizgate.gateway.tests.unit.support import (
    OTHER_HASH,
    Control,
    Faulty,
    Killed,
    data,
    make_gateway,
)


def states(gateway: Gateway) -> dict[str, bytes]:
    """What is declared and rendered: all files that somebody reads."""
    skip = ("audit.jsonl", "journal.json", ".new")
    return {name: content for name, content in files(gateway).items() if not name.endswith(skip)}


Both = tuple[Callable[[str], Gateway], dict[str, bytes], dict[str, bytes]]


@pytest.fixture
def both(root: str, no_nginx: None, monkeypatch: pytest.MonkeyPatch) -> Both:
    """Makes gateways as they are before a certain change, and tells what they look like before and after it."""

    # nothing here loses power, and flushing takes most of the time
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    sample = make_gateway(os.path.join(root, "sample"))
    declare(sample, {"alice": ALICE, "bob": BOB})
    shutil.copytree(sample.paths.root, os.path.join(root, "before"), symlinks=True)

    def make(name: str) -> Gateway:
        shutil.copytree(os.path.join(root, "before"), os.path.join(root, name), symlinks=True)
        return Gateway(Paths(os.path.join(root, name)))

    before = states(sample)
    change(sample)
    return make, before, states(sample)


def change(gateway: Gateway) -> None:
    """Changes alice, removes bob, adds carol."""
    changed = data({"name": "training", "port": 9000}, logins=[{"name": "alice", "password_hash": OTHER_HASH}])
    declare(gateway, {"alice": changed, "carol": BOB}, prune=True)


def test_killed_at_every_step_the_next_start_serves_before_or_after(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, before, after = both
    seen = []
    for at in itertools.count(1):
        gateway = make(str(at))
        with monkeypatch.context() as patch:
            faulty = Faulty(patch, fs, at, Killed())
            with contextlib.suppress(Killed):
                change(gateway)
        if not faulty.happened:
            break
        with gateway.registry.locked(1):
            gateway.recover()
        found = states(gateway)
        assert found in (before, after)
        assert not os.path.exists(gateway.paths.journal)
        seen.append(found == after)
        change(gateway)
        assert states(gateway) == after
    assert set(seen) == {False, True}
    assert seen == sorted(seen)


def test_failing_at_every_step_leaves_before_or_after(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    make, before, after = both
    seen = []
    for at in itertools.count(1):
        gateway = make(str(at))
        untouched = files(gateway)
        with monkeypatch.context() as patch:
            faulty = Faulty(patch, fs, at, OSError(errno.ENOSPC, "No space left on device"))
            with contextlib.suppress(OSError):
                change(gateway)
        if not faulty.happened:
            break
        if not os.path.exists(gateway.paths.journal) and states(gateway) == before:
            assert files(gateway) == untouched
            assert set(gateway.registry.everything()) == {"alice", "bob"}
        with gateway.registry.locked(1):
            gateway.recover()
        found = states(gateway)
        assert found in (before, after)
        seen.append(found == after)
    assert set(seen) == {False, True}
    assert seen == sorted(seen)


def killed(*arguments: object) -> None:
    """Stands for a function in which the process dies."""
    raise Killed


def test_recovery_publishes_what_had_been_decided(
    gateway: Gateway, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(gateway, {"alice": ALICE})
    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(control_module, "publish", killed)
        declare(gateway, {"alice": data({"name": "training", "port": 9000})})
    assert control.entries["alice/training"] == "keep 127.0.0.1:8097"
    outcome = declare(gateway, {"bob": BOB})
    assert changes(outcome.plan)[0] == ("add", "/bob/lab/", "127.0.0.1:8888")
    assert control.entries["alice/training"] == "strip 127.0.0.1:9000"
    assert control.entries["alice/notes"] == ""
    assert control.entries["alice/"] == ""


def test_a_refresh_recovers_first(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(fs, "_carry_out", killed)
        declare(gateway, {"alice": ALICE})
    assert MAP.format("alice") not in files(gateway)
    gateway.refresh()
    assert b"training" in files(gateway)[MAP.format("alice")]
    assert not os.path.exists(gateway.paths.journal)


def test_changes_at_the_same_time_are_all_there_in_the_end(gateway: Gateway, no_nginx: None) -> None:
    def work(number: int) -> None:
        for round_ in range(3):
            link = {"name": f"link{number}", "port": 9000 + round_}
            declare(Gateway(gateway.paths), {"alice": data(link)}, source=f"source{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    declared = effective_data(gateway.registry.sources("alice")).links
    assert {(link.name, link.port) for link in declared} == {(f"link{number}", 9002) for number in range(6)}
    assert files(gateway)[MAP.format("alice")].count(b":9002") == 6
