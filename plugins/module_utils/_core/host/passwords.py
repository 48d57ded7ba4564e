# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashes and checks clear passwords with Apache's htpasswd, which every gateway host has."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..errors import HashingFailed
from ..model.entities import Login

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

COST = 10
SECONDS = 60

Hashes = dict[tuple[str, str], str]
"""A clear password and the hash that its login has had → the hash that it gets."""


def _htpasswd(password: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    import subprocess  # most changes have no password, and could do without

    command = ["htpasswd", "-i", *arguments]
    pipe = subprocess.PIPE
    try:
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8") as process:
            # hashing is made to take long, and nobody else should notice
            os.setpriority(os.PRIO_PROCESS, process.pid, 10)
            try:
                printed, said = process.communicate(password, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise HashingFailed(
                    f"htpasswd is not done after {SECONDS} s; the machine is too busy, try again"
                ) from None
    except OSError as error:
        raise HashingFailed(f"htpasswd cannot be run ({error.strerror}); install apache2-utils") from None
    return subprocess.CompletedProcess(command, process.returncode, printed, said)


def hash_password(password: str) -> str:
    """The bcrypt hash (`$2y$10$…`, cost 10) of a clear password of at most 72 bytes."""
    done = _htpasswd(password, "-n", "-B", "-C", str(COST), "login")
    if done.returncode != 0:
        raise HashingFailed(f"htpasswd: {done.stderr.strip()}")
    return done.stdout.strip().partition(":")[2]


def verify_password(password: str, password_hash: str) -> bool:
    """Whether a clear password has the hash."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", prefix="vizgate-", encoding="utf-8") as file:
        file.write(f"login:{password_hash}\n")
        file.flush()
        return _htpasswd(password, "-v", file.name, "login").returncode == 0


def hashed(logins: Iterable[Login], known: Iterable[Login], hashes: Hashes, check: bool) -> tuple[Login, ...]:
    """The logins with clear passwords hashed. A hash among the `known` logins stays if it is right for the password.

    `hashes` remembers what has been found out. In check mode nothing is hashed: the host may not have htpasswd yet.
    Raises HashingFailed.
    """
    former = {login.name: login.password_hash for login in known}
    found = []
    for login in logins:
        if login.password:
            old = former.get(login.name, "")
            pair = login.password, old
            if pair not in hashes:
                right = old and verify_password(login.password, old)
                hashes[pair] = old if right else "" if check else hash_password(login.password)
            login = Login(login.name, hashes[pair])
        found.append(login)
    return tuple(found)
