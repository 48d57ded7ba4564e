# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work for many users: only so many at a time, and nobody waits for one who does not come to an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps import turns
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.turns import for_each


def test_so_many_at_a_time() -> None:
    working: set[str] = set()
    most: list[int] = []
    three = threading.Barrier(3)  # nobody goes on before so many work

    def work(user: str) -> str:
        working.add(user)
        most.append(len(working))
        three.wait(60)
        time.sleep(0.02)  # in which a fourth would begin
        working.discard(user)
        return user.upper()

    users = [f"u{number}" for number in range(21)]
    assert for_each(users, work, together=3) == {user: user.upper() for user in users}
    assert max(most) == 3


def test_who_takes_long_delays_nobody() -> None:
    done: set[str] = set()
    all_others = threading.Event()

    def work(user: str) -> bool:
        if user.startswith("slow"):
            return all_others.wait(60)
        done.add(user)
        if len(done) == 5:
            all_others.set()
        return True

    users = ["slow1", "slow2", *(f"u{number}" for number in range(5))]
    assert all(for_each(users, work, together=2, seconds=0.1).values())


def test_who_took_long_frees_no_second_place(monkeypatch: pytest.MonkeyPatch) -> None:
    working: set[str] = set()
    most: list[int] = []
    began = threading.Event()
    over: list[Callable[[], None]] = []

    class Timer:
        """No turn is over before the test says so."""

        def __init__(self, seconds: float, give_back: Callable[[], None]) -> None:
            over.append(give_back)

        def start(self) -> None:
            pass

        cancel = start

    def work(user: str) -> None:
        if user == "slow":
            over[0]()  # its turn, which is not given back once more at its end
            assert began.wait(60)
            return
        working.add(user)
        most.append(len(working))
        began.set()
        time.sleep(0.05)  # in which another would begin
        working.discard(user)

    monkeypatch.setattr(turns.threading, "Timer", Timer)
    for_each(["slow", *(f"u{number}" for number in range(10))], work, together=1)
    assert max(most) == 1


def test_what_is_raised_is_raised_when_all_is_done() -> None:
    done: list[str] = []

    def work(user: str) -> None:
        if user == "a":
            raise KeyError(user)
        done.append(user)

    with pytest.raises(KeyError):
        for_each(["a", "b"], work)
    assert done == ["b"]


def test_nobody_is_no_work() -> None:
    assert for_each([], lambda user: user) == {}
