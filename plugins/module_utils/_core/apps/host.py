# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apps need of the host they run on: steps as their owner, systemd, logs, and whether a release answers."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import stat
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from .. import fs
from ..errors import CommandFailed, Exceeded
from ..net import bounded
from ..net.http_client import ask
from ..text import printable

NGINX = "www-data"
UNITS = "/etc/systemd/system"
TAIL_LINES, TAIL_BYTES, JOURNAL_LINES = 15, 8192, 5
HEALTH_SECONDS = 5.0
"""How long one answer may take, from the connection to the end of its head."""
OUTPUT_BYTES, JOURNAL_BYTES = 2**24, 2**16
"""How much of what a step prints, or of what the journal has, is taken."""
CONTROL_SECONDS = 180.0
"""How long systemd, the journal and PostgreSQL may take for one answer; what stops takes up to 90 s."""


@contextlib.contextmanager
def _as_nginx() -> Iterator[None]:
    """Opens files and sockets with the rights of nginx's workers, where this process is root's: what root reaches they may not.

    That is so for the thread at hand alone; the others go on as root.
    """
    if os.geteuid() != 0:
        yield
        return
    account = pwd.getpwnam(NGINX)
    libc = ctypes.CDLL(None)
    try:
        libc.setfsgid(account.pw_gid)
        libc.setfsuid(account.pw_uid)
        # neither call tells whether it has worked; one with a number that nobody has tells what holds
        if libc.setfsuid(-1) != account.pw_uid:
            raise OSError(f"cannot switch to the uid and gid of {NGINX}")
        yield
    finally:
        libc.setfsuid(0)
        libc.setfsgid(0)


def _called(*words: str, asked: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            input=asked,
            cwd="/",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=CONTROL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, -1, "", f"not done after {CONTROL_SECONDS:g} s")


def _as_postgres(*words: str, asked: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a client of PostgreSQL's as its own account; no user's function is called, and no user's lock is waited for."""
    options = "PGOPTIONS=-c search_path=pg_catalog -c lc_messages=C -c lock_timeout=10s -c statement_timeout=120s"
    return _called("runuser", "-u", "postgres", "--", "env", options, *words, asked=asked)


class Host:
    """The host itself; tests put something else in its place."""

    @staticmethod
    def account(user: str) -> tuple[int, int, str] | None:
        """The account's uid, gid and home."""
        try:
            found = pwd.getpwnam(user)
        except KeyError:
            return None
        return found.pw_uid, found.pw_gid, found.pw_dir

    @staticmethod
    def home_problem(user: str, home: str) -> str | None:
        """Why PID 1 may not bind a home: somebody else than root could replace it while PID 1 does."""
        start = f"user '{user}': for apps, only root may own or write to the folders above the home:"
        for above in [*PurePath(home).parents, *PurePath(os.path.realpath(home)).parents]:
            try:
                found = os.stat(above)
            except OSError as error:
                return f"{start} {above}: {error.strerror}; create it"
            if found.st_uid != 0:
                return f"{start} {above} belongs to uid {found.st_uid}; chown it to root, or move the home"
            if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid != 0):
                return f"{start} others may write to {above}; chmod go-w {above}, or move the home"
        return None

    @staticmethod
    def run(command: Iterable[str], seconds: float) -> tuple[int, str, list[str]]:
        """The exit code of a command, why it was given up where it was, and the last lines of its output, for a terminal."""
        kept, problem = bytearray(), ""

        def keep(data: bytes) -> None:
            kept.extend(data)
            del kept[:-TAIL_BYTES]

        try:
            code = bounded.run(command, seconds, OUTPUT_BYTES, keep)
        except Exceeded as error:
            code, problem = -1, str(error)
        lines = [printable(line) for line in kept.decode(errors="replace").splitlines() if line.strip()]
        return code, problem, lines[-TAIL_LINES:]

    @staticmethod
    def systemctl(*words: str, check: bool = True) -> str:
        """What systemctl says; raises CommandFailed unless it may fail."""
        done = _called("systemctl", *words)
        if check and done.returncode != 0:
            raise CommandFailed(f"systemctl {' '.join(words)}: {done.stderr.strip() or done.returncode}")
        return done.stdout.strip()

    def state(self, unit: str) -> tuple[str, int]:
        """How a unit is (active, activating, failed, …), and how often it was restarted."""
        said = self.systemctl("show", "--property=ActiveState,NRestarts", unit)
        found = dict(line.partition("=")[::2] for line in said.splitlines())
        return found.get("ActiveState", ""), int(found.get("NRestarts", "0") or 0)

    @staticmethod
    def units(prefix: str) -> list[str]:
        """The units whose names begin so."""
        return sorted(name for name in os.listdir(UNITS) if name.startswith(prefix) and name.endswith(".service"))

    @staticmethod
    def write_unit(unit: str, text: str) -> None:
        """Writes a unit file, which everybody may read."""
        path = f"{UNITS}/{unit}"
        fs.write(path, text)
        os.chmod(path, 0o644)

    def remove_unit(self, unit: str) -> None:
        """Stops a unit, and removes its file, if it is there."""
        if os.path.exists(f"{UNITS}/{unit}"):
            self.systemctl("disable", "--now", "--quiet", unit, check=False)
            os.unlink(f"{UNITS}/{unit}")
        # one that has failed would be listed for ever
        self.systemctl("reset-failed", unit, check=False)

    @staticmethod
    def is_enabled(unit: str) -> bool:
        """Whether a unit starts at boot."""
        return os.path.islink(f"{UNITS}/multi-user.target.wants/{unit}")

    @staticmethod
    def journal(unit: str) -> list[str]:
        """The last that systemd has said about a unit."""
        words = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={JOURNAL_LINES}", f"--unit={unit}"]
        found: list[bytes] = []
        with contextlib.suppress(Exceeded):  # what has come will do; a line of an app's may be very long
            bounded.run(words, CONTROL_SECONDS, JOURNAL_BYTES, found.append)
        return [printable(line) for line in b"".join(found).decode(errors="replace").splitlines()]

    @staticmethod
    def database_owner(name: str) -> str:
        """Who owns a database of PostgreSQL's; empty if it is not there. Raises CommandFailed if PostgreSQL does not answer."""
        question = "select pg_get_userbyid(datdba) from pg_database where datname = :'name'"
        variables = (f"--set=name={name}", "--set=ON_ERROR_STOP=1")  # otherwise psql ends well after an error
        words = ("psql", "--no-psqlrc", "--dbname=postgres", "-A", "-t", *variables, "--file=-")
        done = _as_postgres(*words, asked=question)
        if done.returncode != 0:
            raise CommandFailed(f"PostgreSQL does not say who owns database {name}: {printable(done.stderr.strip())}")
        return done.stdout.strip()

    @staticmethod
    def drop_database(name: str) -> None:
        """Drops a database of PostgreSQL's, if it is there, also from under whoever has it open; raises CommandFailed."""
        done = _as_postgres("dropdb", "--maintenance-db=postgres", "--if-exists", "--force", "--", name)
        if done.returncode != 0:
            raise CommandFailed(f"database {name} was not dropped: {printable(done.stderr.strip())}")

    @staticmethod
    def ask(path: str, url: str, headers: dict[str, str]) -> int | str:
        """The status of the answer to a request by a socket, or why there is none."""
        with _as_nginx():
            reply = ask(path, url, headers, seconds=HEALTH_SECONDS)
        return reply.problem or reply.status

    @staticmethod
    def sleep(seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)

    @staticmethod
    def now() -> float:
        """Seconds of a clock that nobody sets."""
        return time.monotonic()
