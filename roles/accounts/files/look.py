# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what there is of an account, as JSON, and changes nothing: `look.py USER SOCKETS HOME`.

SOCKETS is the folder of all users' folders of sockets; HOME is what is to become of the home: archive, keep or remove.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import stat
import sys
import time
from collections.abc import Iterator
from typing import Any

PROC = "/proc"
SESSIONS = "/run/systemd/sessions"
LINGER = "/var/lib/systemd/linger"
CRONTABS = "/var/spool/cron/crontabs"
AT_JOBS = "/var/spool/cron/atjobs"
MAIL = "/var/mail"
NGINX = "/run/nginx.pid"
FIRST_UID = 1000
"""The first number that Debian gives to people."""


def look(user: str, sockets: str, home: str) -> dict[str, Any]:
    """Everything that would go with the user; `problems` are reasons, one line each, why it must not."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        account = None
    found: dict[str, Any] = {
        "account": account is not None,
        "uid": account.pw_uid if account else None,
        "group": bool(account and _own_group(account)),
        "homes": [],
        "sessions": 0,
        "processes": 0,
        "crontab": _there(os.path.join(CRONTABS, user)),
        "at_jobs": [],
        "linger": _there(os.path.join(LINGER, user)),
        "sockets": "".join(_there(os.path.join(sockets, user))),
    }
    if account:
        found["homes"] = _homes(account)
        found["sessions"] = sum(_is_session(text, account.pw_uid) for text in _texts(SESSIONS))
        found["processes"] = sum(_is_process(text, account.pw_uid) for text in _texts(PROC, "status"))
        found["at_jobs"] = [path for path in _paths(AT_JOBS) if _owner(path) == account.pw_uid]
    found["anything"] = any(found.values())
    found["problems"] = _problems(account, found["homes"], home) if account else []
    found["nginx"] = os.path.exists(NGINX)
    found["at"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return found


def _problems(account: pwd.struct_passwd, homes: list[str], home: str) -> list[str]:
    others = [other for other in pwd.getpwall() if other.pw_name != account.pw_name]
    problems = []
    if account.pw_uid < FIRST_UID:
        problems.append(f"{account.pw_name} is an account of the system's, uid {account.pw_uid}")
    if str(account.pw_uid) == os.environ.get("SUDO_UID"):
        problems.append(f"{account.pw_name} is who runs this; log in as somebody else")
    for other in others:
        if other.pw_uid == account.pw_uid:
            problems.append(f"{other.pw_name} has the same uid {account.pw_uid}; give it another")
        path = os.path.realpath(other.pw_dir) + "/"
        if homes and home != "keep" and path.startswith(homes[0] + "/"):
            problems.append(f"{homes[0]} has the home of {other.pw_name} in it; move that, or keep this home")
    return problems


def _own_group(account: pwd.struct_passwd) -> bool:
    """Whether there is a group of the account's name that nobody else is in."""
    try:
        group = grp.getgrnam(account.pw_name)
    except KeyError:
        return False
    users = {other.pw_name for other in pwd.getpwall() if other.pw_gid == group.gr_gid} | set(group.gr_mem)
    return group.gr_gid == account.pw_gid and users == {account.pw_name}


def _homes(account: pwd.struct_passwd) -> list[str]:
    """Home and mailbox, where they are the user's."""
    home, mail = os.path.realpath(account.pw_dir), os.path.join(MAIL, account.pw_name)
    kinds = ((home, stat.S_ISDIR), (mail, stat.S_ISREG))
    return [path for path, is_kind in kinds if _owner(path) == account.pw_uid and is_kind(os.lstat(path).st_mode)]


def _is_session(text: str, uid: int) -> bool:
    """Whether a file of logind's describes a session of a person's, and not the service manager's own."""
    return bool(re.search(rf"^UID={uid}$", text, re.M) and re.search(r"^CLASS=user", text, re.M))


def _is_process(text: str, uid: int) -> bool:
    """Whether a process is the user's, by any of its uids. The dead that nobody has buried do not count."""
    owners = re.search(r"^Uid:\s+(.+)$", text, re.M)
    dead = re.search(r"^State:\s+[ZX]", text, re.M)
    return bool(owners and str(uid) in owners[1].split() and not dead)


def _texts(folder: str, name: str = "") -> Iterator[str]:
    """The texts of the files in a folder, or of those of that `name` in its folders, as far as they stay there."""
    for path in _paths(folder):
        path = os.path.join(path, name) if name else path
        try:
            # logind has a pipe beside every session, on which one would wait for ever
            if stat.S_ISREG(os.stat(path).st_mode):
                with open(path, encoding="utf-8", errors="replace") as file:
                    yield file.read()
        except OSError:
            pass  # ended meanwhile, or no process at all


def _paths(folder: str) -> list[str]:
    try:
        return sorted(os.path.join(folder, name) for name in os.listdir(folder))
    except FileNotFoundError:
        return []


def _there(path: str) -> list[str]:
    return [path] if os.path.lexists(path) else []


def _owner(path: str) -> int | None:
    try:
        return os.lstat(path).st_uid
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    print(json.dumps(look(*sys.argv[1:])))
