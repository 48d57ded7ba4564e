# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints as JSON what the host has of an account, and changes nothing: `account_facts.py USER SOCKETS HOME`.

SOCKETS is the folder that holds each user's folder of sockets. HOME is the planned action for the home: archive, keep or remove.
offboard.py reads this JSON and removes what it lists.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

PROC = "/proc"
SESSIONS = "/run/systemd/sessions"
LINGER = "/var/lib/systemd/linger"
CRONTABS = "/var/spool/cron/crontabs"
AT_JOBS = "/var/spool/cron/atjobs"
MAIL = "/var/mail"
NGINX = "/run/nginx.pid"
SUBORDINATE = ("/etc/subuid",)
USAGE = "/etc/systemd/system/vizgate-usage.service"
FIRST_UID = 1000
"""The first uid that Debian assigns to people."""
FIRST_SUBORDINATE = 65536
"""The first uid outside of the ranges that systemd reserves below 65536."""
COMMAND_SECONDS = 60
TRACES = (
    "/var/lib/vizgate/turns/{user}",
    "/var/lib/vizgate-usage/lines/{user}.jsonl",
    "/var/lib/vizgate-usage/pages/{user}.html",
    "/var/lib/AccountsService/users/{user}",
    "/var/lib/AccountsService/icons/{user}",
    "/var/lib/sudo/lectured/{user}",
    "/var/lib/sudo/lectured/{uid}",
    "/run/sudo/ts/{user}",
    "/run/sudo/ts/{uid}",
    "/run/faillock/{user}",
    "/run/user/{uid}",
    *(
        f"/{top}/systemd/{kind}/{unit}"
        for top in ("etc", "run")
        for kind in ("system", "system.control")
        for unit in ("user-{uid}.slice.d", "user@{uid}.service.d")
    ),
)
"""Other files that the host keeps for a name or a uid. Roles database and apps remove their own."""


def account_facts(user: str, sockets: str, home: str) -> dict[str, Any]:
    """What off-boarding removes for the user; `problems` lists the reasons, one line each, why the account must stay."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        account = None
    facts: dict[str, Any] = {
        "user": user,
        "account": account is not None,
        "uid": account.pw_uid if account else None,
        "uids": [],
        "group": bool(account and _own_group(account)),
        "homes": [],
        "sessions": 0,
        "processes": 0,
        "crontab": _if_exists(os.path.join(CRONTABS, user)),
        "at_jobs": [],
        "linger": _if_exists(os.path.join(LINGER, user)),
        "sockets": "".join(_if_exists(os.path.join(sockets, user))),
        "units": [],
        "traces": [],
    }
    uid = account.pw_uid if account else user
    facts["traces"] = [path for name in TRACES for path in _if_exists(name.format(user=user, uid=uid))]
    if account:
        facts["uids"] = [[account.pw_uid, account.pw_uid], *_subordinate(account)]
        facts["homes"] = _homes(account)
        facts["sessions"] = sum(_is_session(text, account.pw_uid) for text in _texts(SESSIONS))
        facts["processes"] = sum(_is_process(text, facts["uids"]) for text in _texts(PROC, "status"))
        facts["at_jobs"] = [path for path in _paths(AT_JOBS) if _owner(path) == account.pw_uid]
        facts["units"] = _units(account)
    facts["anything"] = any(value for name, value in facts.items() if name != "user")
    facts["traces"] += _if_exists(facts["sockets"])
    facts["usage"] = os.path.exists(USAGE)
    facts["starters"] = {
        "crontab": os.path.join(CRONTABS, user),
        "linger": os.path.join(LINGER, user),
        "at": AT_JOBS,
    }
    facts["problems"] = _problems(account, facts["homes"], home) if account else []
    facts["nginx"] = os.path.exists(NGINX)
    facts["at"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return facts


def _problems(account: pwd.struct_passwd, homes: list[str], home: str) -> list[str]:
    others = [other for other in pwd.getpwall() if other.pw_name != account.pw_name]
    problems = []
    if account.pw_uid < FIRST_UID:
        problems.append(
            f"{account.pw_name} is a system account (uid {account.pw_uid} is below {FIRST_UID}); off-boarding refuses those"
        )
    if str(account.pw_uid) == os.environ.get("SUDO_UID"):
        problems.append(f"{account.pw_name} is the account that runs this; log in as another user")
    for other in others:
        if other.pw_uid == account.pw_uid:
            problems.append(f"{other.pw_name} has the same uid {account.pw_uid}; give it another uid")
        path = os.path.realpath(other.pw_dir) + "/"
        if homes and home != "keep" and path.startswith(homes[0] + "/"):
            problems.append(
                f"{homes[0]} contains the home of {other.pw_name}; move that home, or set the home action to keep"
            )
    return problems


def _own_group(account: pwd.struct_passwd) -> bool:
    """Whether a group has the account's name and no other members."""
    try:
        group = grp.getgrnam(account.pw_name)
    except KeyError:
        return False
    users = {other.pw_name for other in pwd.getpwall() if other.pw_gid == group.gr_gid} | set(group.gr_mem)
    return group.gr_gid == account.pw_gid and users == {account.pw_name}


def _homes(account: pwd.struct_passwd) -> list[str]:
    """The paths of home and mailbox, if the user owns them."""
    home, mail = os.path.realpath(account.pw_dir), os.path.join(MAIL, account.pw_name)
    kinds = ((home, stat.S_ISDIR), (mail, stat.S_ISREG))
    return [
        path for path, is_kind in kinds if _is_hidden(path, account.pw_uid) or _is_own(path, account.pw_uid, is_kind)
    ]


def _is_own(path: str, uid: int, is_kind: Callable[[int], bool]) -> bool:
    return _owner(path) == uid and is_kind(os.lstat(path).st_mode)


def _is_hidden(path: str, uid: int) -> bool:
    """Whether the user has mounted a FUSE file system there: root may have no access to it, or may block on it."""
    try:
        with open(os.path.join(PROC, "self/mountinfo"), encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(" ") for line in file]
    except FileNotFoundError:
        return False
    options = [words[-1] for words in lines if words[4] == path and " - fuse" in " ".join(words)]
    return any(re.search(rf"(?:^|,)user_id={uid}(?:,|$)", text) for text in options)


def _is_session(text: str, uid: int) -> bool:
    """Whether a session file of logind describes a login session, not the one of the user's service manager."""
    return bool(re.search(rf"^UID={uid}$", text, re.M) and re.search(r"^CLASS=user", text, re.M))


def _is_process(text: str, uids: list[list[int]]) -> bool:
    """Whether a process has one of the uids, as any of its own. Zombies do not count."""
    owners = re.search(r"^Uid:\s+(.+)$", text, re.M)
    dead = re.search(r"^State:\s+[ZX]", text, re.M)
    among = (first <= int(uid) <= last for uid in (owners[1].split() if owners else ()) for first, last in uids)
    return any(among) and not dead


def _subordinate(account: pwd.struct_passwd) -> list[list[int]]:
    """The ranges of subordinate uids, as rootless containers use them, without uids that belong to other accounts too."""
    own, taken = [], [[other.pw_uid, other.pw_uid] for other in pwd.getpwall()]
    for path in SUBORDINATE:
        for name, first, count in _ranges(path):
            (own if name in (account.pw_name, str(account.pw_uid)) else taken).append([first, first + count - 1])
    own += _name_service_subuids(account.pw_name)
    ranges = [(max(first, FIRST_SUBORDINATE), last) for first, last in own]
    for first, last in taken:
        ranges = [part for start, end in ranges for part in ((start, min(end, first - 1)), (max(start, last + 1), end))]
        ranges = [(start, end) for start, end in ranges if start <= end]
    return [list(part) for part in sorted(set(ranges))]


def _ranges(path: str) -> Iterator[tuple[str, int, int]]:
    """Name, first uid and count of every line of a file like /etc/subuid."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip().split(":") for line in file]
    except FileNotFoundError:
        return
    for words in lines:
        if len(words) == 3 and words[1].isdigit() and words[2].isdigit():
            yield words[0], int(words[1]), int(words[2])


def _name_service_subuids(user: str) -> list[list[int]]:
    """The ranges that the name service has, if /etc/nsswitch.conf names a source for subid."""
    try:
        done = subprocess.run(["getsubids", user], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []  # package uidmap is not installed, or the service does not respond; /etc/subuid has been read
    ranges = re.findall(r"^\d+: \S+ (\d+) (\d+)$", done.stdout, re.M)
    return [[int(first), int(first) + int(count) - 1] for first, count in ranges]


def _units(account: pwd.struct_passwd) -> list[str]:
    """The system units that run as the user, and the units that trigger them."""
    names = (account.pw_name, str(account.pw_uid))
    words = ["systemctl", "show", "--property=Id,User,TriggeredBy", "*.service"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []  # no systemd, or it does not respond in time; offboard.py ends processes by uid
    units = set()
    for block in done.stdout.split("\n\n"):
        unit = dict(line.partition("=")[::2] for line in block.splitlines())
        named = unit.get("Id") == f"vizgate-sockets@{account.pw_name}.service"
        # the user's service manager ends with the sessions
        manager = unit.get("Id", "").startswith("user@")
        if named or (unit.get("User") in names and not manager):
            units |= {unit["Id"], *unit.get("TriggeredBy", "").split()}
    return sorted(units)


def _texts(folder: str, name: str = "") -> Iterator[str]:
    """The texts of the files in a folder, or of the files called `name` in its subfolders. Files that vanish are skipped."""
    for path in _paths(folder):
        path = os.path.join(path, name) if name else path
        try:
            # logind has a FIFO beside every session file; opening one would block
            if stat.S_ISREG(os.stat(path).st_mode):
                with open(path, encoding="utf-8", errors="replace") as file:
                    yield file.read()
        except OSError:
            pass  # the process has ended, or the entry is no process


def _paths(folder: str) -> list[str]:
    try:
        return sorted(os.path.join(folder, name) for name in os.listdir(folder))
    except FileNotFoundError:
        return []


def _if_exists(path: str) -> list[str]:
    return [path] if path and os.path.lexists(path) else []


def _owner(path: str) -> int | None:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return None  # it does not exist, or root has no access


if __name__ == "__main__":
    print(json.dumps(account_facts(*sys.argv[1:])))
