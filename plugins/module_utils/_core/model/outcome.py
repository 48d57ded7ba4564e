# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run changed, or in check mode would change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

PlanStep: TypeAlias = "dict[str, str]"
"""One change of a plan: `{action, url, target, user}`. A changed link also has `was` and `now`; a link with a host name of
its own has `prefix`. Actions: add, change, remove, take over (by inventory from self), give back, repair (of an include
file), close (of a history), unresolved (a host without an address); for logins add login, change login, …"""

FileDiff: TypeAlias = "dict[str, str]"
"""One of Ansible's pairs: `{before_header, after_header, before, after}`."""


class Outcome:
    """What a run changed, or in check mode would change."""

    __slots__ = ("changed", "diff", "plan", "reload", "warnings")

    def __init__(self, plan: Iterable[PlanStep] = ()) -> None:
        self.changed = False
        self.plan: list[PlanStep] = list(plan)
        self.diff: list[FileDiff] = []
        """URLs first, then include files, never a secret."""
        self.reload = False
        """The change is on disk, but nginx has to be reloaded (or started) to serve it."""
        self.warnings: list[str] = []
        """What went wrong for one user only. Every run tries it again."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and all(getattr(self, key) == getattr(other, key) for key in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # it is mutable

    def __repr__(self) -> str:
        return f"Outcome({', '.join(f'{key}={getattr(self, key)!r}' for key in self.__slots__)})"

    @property
    def unsettled(self) -> bool:
        """Whether the same run, repeated, might end with another outcome."""
        return self.reload or any(step["action"] == "unresolved" for step in self.plan)
