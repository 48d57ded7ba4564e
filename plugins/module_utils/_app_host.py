# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apps need of the host they run on: steps as their owner, systemd, logs, and whether a release answers."""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator

from . import _files
from ._model import printable

NGINX = "www-data"
UNITS = "/etc/systemd/system"
TAIL_LINES, TAIL_BYTES, JOURNAL_LINES = 15, 8192, 5
HEALTH_SECONDS = 5.0
"""How long one answer may take."""


class CommandFailed(RuntimeError):
    """A program of the host's did not do what it does."""


@contextlib.contextmanager
def _as_nginx() -> Iterator[None]:
    """Has the rights of nginx's workers for a while, where this process is root's: what root reaches they may not."""
    if os.geteuid() != 0:
        yield
        return
    account = pwd.getpwnam(NGINX)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=HEALTH_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(HEALTH_SECONDS)
        with _as_nginx():
            self.sock.connect(self.path)


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
    def run(command: Iterable[str], log: str) -> int:
        """The exit code of a command whose output goes behind what is in a log."""
        with open(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), "ab") as file:
            return subprocess.run(
                list(command), stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False
            ).returncode

    @staticmethod
    def systemctl(*words: str, check: bool = True) -> str:
        """What systemctl says; raises CommandFailed unless it may fail."""
        done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
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
        _files.write(path, text)
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
    def log(path: str, uid: int, gid: int) -> int:
        """Makes a log that its user reads, in a folder of root's, and tells how long it is."""
        folder = os.path.dirname(path)
        os.makedirs(folder, mode=0o711, exist_ok=True)
        # whatever the umask: users enter the folders, and nobody lists them
        for path_above in (os.path.dirname(folder), folder):
            os.chmod(path_above, 0o711)  # noqa: S103  # what is in them is its user's alone
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.fchown(file, uid, gid)
            return os.fstat(file).st_size
        finally:
            os.close(file)

    @staticmethod
    def tail(path: str, since: int, lines: int = TAIL_LINES) -> list[str]:
        """The last lines of what a log has got since it was so long, as a terminal may show them."""
        most = TAIL_BYTES * (lines // TAIL_LINES + 1)
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(since, size - most))
                text = file.read(most).decode(errors="replace")
        except FileNotFoundError:
            return []
        return [printable(line) for line in text.splitlines() if line.strip()][-lines:]

    @staticmethod
    def journal(unit: str) -> list[str]:
        """The last that systemd has said about a unit."""
        words = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={JOURNAL_LINES}", f"--unit={unit}"]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        return [printable(line) for line in done.stdout.splitlines()]

    @staticmethod
    def drop_database(name: str) -> None:
        """Drops a database of PostgreSQL's, if it is there, also from under whoever has it open; raises CommandFailed."""
        words = ["runuser", "-u", "postgres", "--", "dropdb", "--if-exists", "--force", "--", name]
        done = subprocess.run(words, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandFailed(f"database {name} was not dropped: {printable(done.stderr.strip())}")

    @staticmethod
    def ask(path: str, url: str, headers: dict[str, str]) -> int | str:
        """The status of the answer to a request by a socket, or why there is none."""
        connection = _UnixConnection(path)
        try:
            connection.request("GET", url, headers=headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        finally:
            connection.close()

    @staticmethod
    def sleep(seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)

    @staticmethod
    def now() -> float:
        """Seconds of a clock that nobody sets."""
        return time.monotonic()
