# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit logs: a line for each change, in files of limited size of which no user can push a recent one out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..errors import InvalidData
from ..paths import Paths

AUDIT_BYTES, OWN_AUDIT_BYTES = 2**20, 2**18
"""What would make the audit log, or that of one user's own changes, longer begins another file. A change writes its log as a
whole, so a user's own has to be quick."""
OLDER, OWN_OLDER = 1, 7
"""How many files are kept beside the newest."""
KEPT_DAYS = 30
"""No user's own changes make the last file of their log go while a line in it is younger."""

CLOSE = "close"
"""The action of the line with which a user's history ends: what follows is that of somebody else of that name."""

Line = dict[str, str]


class Log(NamedTuple):
    """One audit log: the newest file, `path`; the one before, `path.1`; and so on."""

    path: str
    limit: int
    older: int

    def parts(self) -> list[str]:
        """The files that are there, the oldest first."""
        found = [self.path]
        while os.path.exists(f"{self.path}.{len(found)}"):
            found.insert(0, f"{self.path}.{len(found)}")
        return found

    def lines(self, word: str = "") -> Iterator[Line]:
        """The lines, the oldest first; only those with `word` in them are looked at."""
        for part in self.parts():
            if os.path.exists(part):
                with open(part, encoding="utf-8", errors="replace") as file:
                    yield from (_line(text) for text in file if word in text)

    def extended(self, text: str, needs_room: bool) -> dict[str, str]:
        """The files as they are with `text` at the end.

        Where a line of the last file is too young to go, what `needs_room` raises InvalidData, and everything else makes
        the newest file longer than it should be.
        """
        present = _read(self.path)
        if not present or len(present) + len(text) <= self.limit:
            return {self.path: present + text}
        last = f"{self.path}.{self.older}"
        if self.older > 1 and os.path.exists(last):
            end = _line(_read(last).rstrip().rpartition("\n")[2]).get("at", "")
            if end > _days_ago(KEPT_DAYS):
                if needs_room:
                    raise InvalidData([_no_room(last)])
                return {self.path: present + text}
        moved = {f"{self.path}.{number + 1}": f"{self.path}.{number}" for number in range(1, self.older)}
        older = {new: _read(old) for new, old in moved.items() if os.path.exists(old)}
        return {**older, f"{self.path}.1": present, self.path: text}


def shared(paths: Paths) -> Log:
    """The log of what administrators change, for whomever."""
    return Log(paths.audit(), AUDIT_BYTES, OLDER)


def own(paths: Paths, user: str) -> Log:
    """The log of what a user changes."""
    return Log(paths.audit(user), OWN_AUDIT_BYTES, OWN_OLDER)


def extended(paths: Paths, header: Line, steps: Iterable[Line], user: str = "") -> dict[str, str]:
    """The files of the audit logs with a line of `header` and step for each step, except for those that change nothing.

    The lines go to the log of the `user`, so that nobody floods another's, or to the shared one. The end of a history is
    in the closed user's own log, too, as either may lose its oldest lines before the other does. Raises InvalidData where
    the user's own log has no room.
    """
    log = own(paths, user) if user else shared(paths)
    # lists, as a text that grows by each of many thousand steps would be copied as often
    lines: dict[Log, list[str]] = {}
    needs_room = False
    for step in steps:
        if step["action"] == "unresolved":
            continue
        needs_room = needs_room or (bool(user) and _adds(step))
        line = json.dumps({**header, **step}) + "\n"
        lines.setdefault(log, []).append(line)
        if step["action"] == CLOSE and not user and os.path.exists(own(paths, step["user"]).path):
            lines.setdefault(own(paths, step["user"]), []).append(line)
    files: dict[str, str] = {}
    for found, texts in lines.items():
        files.update(found.extended("".join(texts), needs_room))
    return files


def _adds(step: Line) -> bool:
    """Whether a step makes or changes something. What takes away always finds room: there is never more of it than of this."""
    return step["action"].partition(" ")[0] in ("add", "change")


def _no_room(last: str) -> str:
    return (
        f"history: the log of your own changes is full, and changes of the last {KEPT_DAYS} days must be kept; you can remove links"
        f" and logins, but you cannot add or change them; wait, or ask the administrator to move {last} to another folder"
    )


def _days_ago(days: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86400))


def _line(text: str) -> Line:
    """One line of an audit log; nothing where it is damaged, which must not hide the others."""
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) and isinstance(line.get("at"), str) else {}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
