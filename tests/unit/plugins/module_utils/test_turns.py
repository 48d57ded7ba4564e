# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work for many users: only so many at a time, and nobody waits for one who does not come to an end."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.turns import for_each


def test_so_many_at_a_time() -> None:
    working: set[str] = set()
    most: list[int] = []

    def work(user: str) -> str:
        working.add(user)
        most.append(len(working))
        time.sleep(0.02)
        working.discard(user)
        return user.upper()

    users = [f"u{number}" for number in range(20)]
    assert for_each(users, work, together=3) == {user: user.upper() for user in users}
    assert max(most) == 3


def test_who_takes_long_delays_nobody() -> None:
    done: set[str] = set()
    all_others = threading.Event()

    def work(user: str) -> bool:
        if user.startswith("slow"):
            return all_others.wait(20)
        done.add(user)
        if len(done) == 5:
            all_others.set()
        return True

    users = ["slow1", "slow2", *(f"u{number}" for number in range(5))]
    assert all(for_each(users, work, together=2, seconds=0.1).values())


def test_who_took_long_frees_no_second_place() -> None:
    working: set[str] = set()
    most: list[int] = []

    def work(user: str) -> None:
        if user == "slow":
            time.sleep(0.2)  # its turn is over meanwhile, and is not given back once more at its end
            return
        working.add(user)
        most.append(len(working))
        time.sleep(0.05)
        working.discard(user)

    for_each(["slow", *(f"u{number}" for number in range(10))], work, together=1, seconds=0.1)
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
