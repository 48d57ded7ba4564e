# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Works for many users at the same time, so that one who takes long delays nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

TOGETHER = 4
"""For so many users work begins at the same time: builds take memory and processors."""
TURN_SECONDS = 60.0
"""Work that takes longer goes on, but no longer keeps others from beginning."""

Result = TypeVar("Result")


def for_each(
    users: Iterable[str], work: Callable[[str], Result], *, together: int = TOGETHER, seconds: float = TURN_SECONDS
) -> dict[str, Result]:
    """User → the result of `work` for the user. Returns when all is done; raises what one of them has raised."""
    users = list(users)
    free = threading.Semaphore(together)

    def take_turn(user: str) -> Result:
        # removed by the first who gives the turn back: the timer, or the work's end
        turn = [free]

        def give_back() -> None:
            while turn:
                turn.pop().release()

        timer = threading.Timer(seconds, give_back)
        timer.daemon = True
        timer.start()
        try:
            return work(user)
        finally:
            timer.cancel()
            give_back()

    with ThreadPoolExecutor(max(1, len(users))) as threads:
        running = {}
        for user in users:
            free.acquire()
            running[user] = threads.submit(take_turn, user)
        return {user: future.result() for user, future in running.items()}
