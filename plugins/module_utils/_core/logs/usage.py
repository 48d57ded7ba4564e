# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages about the use of users' links: each user's lines of the access log are put aside, and goaccess makes a page of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable

from ..model.names import name_problem
from . import access_log

SPOOL_BYTES = 16 << 20
"""So much is kept of each user's lines: some fifty thousand requests."""
BATCH_LINES, BATCH_BYTES = 200_000, 32 << 20
"""So much of the log is taken at once."""
SECONDS = 120
EMPTY_PANELS = ("OS", "BROWSERS", "REFERRERS", "REFERRING_SITES", "KEYPHRASES", "REQUESTS_STATIC")
"""What goaccess would look for in vain: the log has no names of browsers, and no pages that requests came from."""
SHIM = (
    "<script>Object.defineProperty(window, 'localStorage', {value: {getItem: () => null, setItem: () => {}}})</script>"
)
"""The page is given no origin, and a page without has no storage; goaccess's script would stop where it asks for that."""
FORMAT = (
    '{"time":"%dT%t+%^","address":"%h","user":"%^","link":"%v","login":"%e","method":"%m","path":"%U","status":"%s",'
    '"bytes":"%b","seconds":"%T"}'
)
"""A line of the access log, in goaccess's words. A link stands for a virtual host, of which it tells hits, visitors, bytes and times."""


class Collector(access_log.Lines):
    """Sorts lines of the access log by whose links they are about. Others have no user who could look at them."""

    def __init__(self) -> None:
        super().__init__("", "", 0, BATCH_LINES)
        self.lines: dict[str, list[bytes]] = {}
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether it is time to put what there is aside."""
        return self.count >= self.limit or self.bytes >= BATCH_BYTES

    def add(self, text: bytes) -> None:
        """Takes one line of the log."""
        try:
            line = json.loads(text.decode(errors="replace"))
        except ValueError:
            return  # cut short by a full disk
        if not isinstance(line, dict) or not line.get("link") or name_problem("user", line.get("user")):
            return
        self.count += 1
        self.bytes += len(text)
        # the time zone's offset stands behind a sign, of which goaccess is told one
        line["time"] = str(line.get("time"))[:19] + "+00:00"
        self.lines.setdefault(line["user"], []).append(json.dumps(line).encode() + b"\n")


class Pages:
    """The folder with users' lines (`lines/<user>.jsonl`) and pages (`pages/<user>.html`)."""

    def __init__(self, folder: str, log: str, goaccess: str = "goaccess") -> None:
        self.folder, self.log, self.goaccess = folder, log, goaccess

    def refresh(self) -> list[str]:
        """Takes what is new in the log, and makes the pages of those for whom there is something. Returns what went wrong."""
        users: set[str] = set()
        for part in ("lines", "pages"):
            os.makedirs(os.path.join(self.folder, part), exist_ok=True)
        while True:
            collector, cursor = Collector(), self._cursor()
            with access_log.opened(self.log) as parts:
                # all of it: a user whose links are asked for very often must not hide others' lines
                cursor, _complete = access_log.forwards(parts, cursor, collector, sys.maxsize)
            for user, lines in collector.lines.items():
                self._append(user, lines)
            # a run that is killed here counts some lines twice, which is better than not at all
            self._write("cursor", cursor.encode())
            users |= collector.lines.keys()
            if not collector.full:
                break
        return [problem for problem in map(self._make_page, sorted(users)) if problem]

    def _cursor(self) -> str:
        try:
            with open(os.path.join(self.folder, "cursor"), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def _lines(self, user: str) -> str:
        return os.path.join(self.folder, "lines", user + ".jsonl")

    def _append(self, user: str, lines: Iterable[bytes]) -> None:
        path = self._lines(user)
        with open(path, "ab") as file:
            file.writelines(lines)
            size = file.tell()
        if size > SPOOL_BYTES:
            with open(path, "rb") as file:
                file.seek(size - SPOOL_BYTES // 2)
                file.readline()
                rest = file.read()
            self._write(os.path.join("lines", user + ".jsonl"), rest)

    def _write(self, name: str, data: bytes) -> None:
        path = os.path.join(self.folder, name)
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.rename(path + ".new", path)

    def _make_page(self, user: str) -> str:
        page = os.path.join(self.folder, "pages", user + ".html")
        command = [self.goaccess, self._lines(user), "--no-global-config", f"--log-format={FORMAT}"]
        command += ["--date-format=%Y-%m-%d", "--time-format=%H:%M:%S", f"--html-report-title=Links of {user}"]
        command += [f"--ignore-panel={panel}" for panel in EMPTY_PANELS]
        command += ["--no-ip-validation", "--all-static-files", "--output", page + ".new.html"]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"page of {user}: {error}"
        if done.returncode != 0 or not os.path.exists(page + ".new.html"):
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            return f"page of {user}: goaccess: {said[0] if said else done.returncode}"
        with open(page + ".new.html", encoding="utf-8", errors="replace") as file:
            text = file.read()
        os.unlink(page + ".new.html")
        self._write(os.path.join("pages", user + ".html"), text.replace("<head>", "<head>" + SHIM, 1).encode())
        return ""
