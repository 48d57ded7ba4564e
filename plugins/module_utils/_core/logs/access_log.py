# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One user's lines of the access log. Whatever the log has of others, and however much, is looked at within bounds."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator
from typing import Any

EXAMINED_BYTES = 64 << 20
"""So much of the log is looked at for one request, from its end."""
ANSWER_BYTES = 4 << 20
"""So much of it is handed out."""
CONCERNING = 100
"""So many requests that got no link, but concern one, are handed out."""
UNMARKED = "outside unmarked"
CONCERNING_FIELDS = ("time", "method", "path", "problem")
BLOCK = 1 << 20

Line = dict[str, Any]


class Part:
    """One file of the log, open for reading; the one before the last rotation is a part of its own."""

    def __init__(self, path: str) -> None:
        """Raises OSError, also where a link stands in the file's place."""
        self.file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        found = os.fstat(self.file)
        if not stat.S_ISREG(found.st_mode):
            os.close(self.file)
            raise FileNotFoundError(path)
        self.inode, self.size = found.st_ino, found.st_size

    def read(self, start: int, end: int) -> bytes:
        """The bytes in between; fewer where somebody shortens the file."""
        return os.pread(self.file, end - start, start)


@contextlib.contextmanager
def opened(path: str) -> Iterator[list[Part]]:
    """What there is of a log, the newest first."""
    found = []
    try:
        for name in (path, path + ".1"):
            try:
                found.append(Part(name))
            except FileNotFoundError:
                pass  # nothing was rotated yet, or nobody has asked for anything
        yield found
    finally:
        for part in found:
            os.close(part.file)


class Lines:
    """Collects the lines of `user`, and of one `link` of theirs if it is given, none before `since` (seconds).

    `concerning` are the latest requests that got no link, but concern this one, as nginx's request logic says; of other users' addresses
    it says so of nothing that is looked up there, and only what the link's own page has asked for is handed out of them.
    """

    def __init__(self, user: str, link: str, since: float, limit: int) -> None:
        # names need no escapes, and a quote inside a value never stands there bare: this is found in the field alone
        self._needle = f',"user":"{user}",' + (f'"link":"{link}",' if link else '"link":"')
        self._bytes, self._user, self._since, self.limit = self._needle.encode(), user, since, limit
        self._concerns = f'"concerns":"{user}/{link}"'.encode()
        self.found: list[Line] = []
        self.concerning: list[Line] = []
        self.bytes = 0

    def add(self, text: bytes) -> None:
        """Takes one line of the log if it is one of the user's."""
        concerns = self._concerns in text and len(self.concerning) < CONCERNING
        if self._bytes not in text and not concerns:
            return
        try:
            line = json.loads(text.decode(errors="replace"))
        except ValueError:
            return  # cut short by a full disk, or by a cursor in its middle
        if not isinstance(line, dict) or seconds(line.get("time")) < self._since:
            return
        if concerns:
            self.concerning.append(_concerning(line))
        if self._bytes in text and line.get("user") == self._user:
            self.found.append(line)
            self.bytes += len(text)

    @property
    def full(self) -> bool:
        """Whether nothing more is wanted."""
        return len(self.found) >= self.limit or self.bytes >= ANSWER_BYTES


def _concerning(line: Line) -> Line:
    """What a link's owner learns of a request that got no link. If the browser does not mark whether another site has led there, which
    could have put something of its own into the address, that is its first part alone."""
    known = {field: str(line.get(field)) for field in CONCERNING_FIELDS}
    if known["problem"] == UNMARKED:
        first, slash, rest = known["path"][1:].partition("/")
        known["path"] = f"/{first}{slash}{'…' if rest else ''}"
    return known


def backwards(log: list[Part], lines: Lines) -> bool:
    """Collects from the end of the log on, the newest first; whether it was looked at as far as was wanted."""
    left = EXAMINED_BYTES
    for part in log:
        end, rest = part.size, b""
        while end > 0:
            if left <= 0:
                return False
            start = max(0, end - BLOCK)
            first, *others = (part.read(start, end) + rest).split(b"\n")
            left -= end - start
            for text in reversed(others):
                lines.add(text)
                if lines.full:
                    return True
            # a line that began before this block; nobody's is as long as two blocks
            end, rest = start, first if len(first) <= BLOCK else b""
        lines.add(rest)
        if lines.full:
            return True
    return True


def forwards(log: list[Part], cursor: str, lines: Lines, limit: int | None = None) -> tuple[str, bool]:
    """Collects what has come since `cursor`, the oldest first, of its last `limit` bytes (EXAMINED_BYTES where not given). Returns
    the next cursor, and whether nothing was left out.

    A cursor is the caller's, and nothing of it is believed: what begins in the middle of a line is no JSON, whatever stands there.
    """
    known = re.fullmatch(r"([0-9]{1,20}):([0-9]{1,20})", cursor)
    inode, offset = (int(known[1]), int(known[2])) if known else (-1, 0)
    now = next((number for number, part in enumerate(log) if part.inode == inode), 0)
    complete, left, place = True, EXAMINED_BYTES if limit is None else limit, ""
    for part in reversed(log[: now + 1]):
        start = offset if part.inode == inode and offset <= part.size else 0
        if part.size - start > left:
            complete, start = False, part.size - left
        left -= part.size - start
        while start < part.size and not lines.full:
            *texts, rest = part.read(start, min(start + BLOCK, part.size)).split(b"\n")
            if not texts:
                # the last line is being written; or it is longer than any of nginx's, and skipped
                start += len(rest) if len(rest) >= BLOCK else 0
                break
            for text in texts:
                lines.add(text)
                start += len(text) + 1
                if lines.full:
                    break
        place = f"{part.inode}:{start}"
        if lines.full:
            break
    return place, complete


def end(log: list[Part]) -> str:
    """The cursor of the log's end."""
    return f"{log[0].inode}:{log[0].size}" if log else ""


_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:Z|([+-])(\d\d):(\d\d))")


def seconds(text: object) -> float:
    """Seconds since 1970 of a time as nginx and the audit logs write it; 0 for anything else."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if not found:
        return 0
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    # the day's number, with years that begin in March: the module datetime would take longer to import than all this
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719469
    offset = (int(found[8]) * 60 + int(found[9])) * (-60 if found[7] == "-" else 60) if found[7] else 0
    return days * 86400 + hour * 3600 + minute * 60 + second - offset
