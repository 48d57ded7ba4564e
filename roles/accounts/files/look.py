# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what there is of an account, as JSON, and changes nothing: `look.py USER SOCKETS HOME`.

SOCKETS is the folder of all users' folders of sockets; HOME is what is to become of the home: archive, keep or remove.
take_away.py takes away what is found here.
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
"""The first number that Debian gives to people."""
FIRST_SUBORDINATE = 65536
"""The first number that is nobody's by any rule of systemd's."""
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
"""What else the host keeps for a name or a uid, beside what roles database and apps look after."""


def look(user: str, sockets: str, home: str) -> dict[str, Any]:
    """Everything that would go with the user; `problems` are reasons, one line each, why it must not."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        account = None
    found: dict[str, Any] = {
        "user": user,
        "account": account is not None,
        "uid": account.pw_uid if account else None,
        "uids": [],
        "group": bool(account and _own_group(account)),
        "homes": [],
        "sessions": 0,
        "processes": 0,
        "crontab": _there(os.path.join(CRONTABS, user)),
        "at_jobs": [],
        "linger": _there(os.path.join(LINGER, user)),
        "sockets": "".join(_there(os.path.join(sockets, user))),
        "units": [],
        "traces": [],
    }
    uid = account.pw_uid if account else user
    found["traces"] = [path for name in TRACES for path in _there(name.format(user=user, uid=uid))]
    if account:
        found["uids"] = [[account.pw_uid, account.pw_uid], *_subordinate(account)]
        found["homes"] = _homes(account)
        found["sessions"] = sum(_is_session(text, account.pw_uid) for text in _texts(SESSIONS))
        found["processes"] = sum(_is_process(text, found["uids"]) for text in _texts(PROC, "status"))
        found["at_jobs"] = [path for path in _paths(AT_JOBS) if _owner(path) == account.pw_uid]
        found["units"] = _units(account)
    found["anything"] = any(value for name, value in found.items() if name != "user")
    found["traces"] += _there(found["sockets"])
    found["usage"] = os.path.exists(USAGE)
    found["starters"] = {
        "crontab": os.path.join(CRONTABS, user),
        "linger": os.path.join(LINGER, user),
        "at": AT_JOBS,
    }
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
    return [
        path for path, is_kind in kinds if _is_hidden(path, account.pw_uid) or _is_own(path, account.pw_uid, is_kind)
    ]


def _is_own(path: str, uid: int, is_kind: Callable[[int], bool]) -> bool:
    return _owner(path) == uid and is_kind(os.lstat(path).st_mode)


def _is_hidden(path: str, uid: int) -> bool:
    """Whether the user has mounted a FUSE file system over it, which does not let root look, or never answers."""
    try:
        with open(os.path.join(PROC, "self/mountinfo"), encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(" ") for line in file]
    except FileNotFoundError:
        return False
    options = [words[-1] for words in lines if words[4] == path and " - fuse" in " ".join(words)]
    return any(re.search(rf"(?:^|,)user_id={uid}(?:,|$)", text) for text in options)


def _is_session(text: str, uid: int) -> bool:
    """Whether a file of logind's describes a session of a person's, and not the service manager's own."""
    return bool(re.search(rf"^UID={uid}$", text, re.M) and re.search(r"^CLASS=user", text, re.M))


def _is_process(text: str, uids: list[list[int]]) -> bool:
    """Whether a process is the user's, by any of its uids. The dead that nobody has buried do not count."""
    owners = re.search(r"^Uid:\s+(.+)$", text, re.M)
    dead = re.search(r"^State:\s+[ZX]", text, re.M)
    among = (first <= int(uid) <= last for uid in (owners[1].split() if owners else ()) for first, last in uids)
    return any(among) and not dead


def _subordinate(account: pwd.struct_passwd) -> list[list[int]]:
    """The ranges of subordinate uids, as of rootless containers, without what is somebody else's as well."""
    own, taken = [], [[other.pw_uid, other.pw_uid] for other in pwd.getpwall()]
    for path in SUBORDINATE:
        for name, first, count in _ranges(path):
            (own if name in (account.pw_name, str(account.pw_uid)) else taken).append([first, first + count - 1])
    own += _named_elsewhere(account.pw_name)
    found = [(max(first, FIRST_SUBORDINATE), last) for first, last in own]
    for first, last in taken:
        found = [part for start, end in found for part in ((start, min(end, first - 1)), (max(start, last + 1), end))]
        found = [(start, end) for start, end in found if start <= end]
    return [list(part) for part in sorted(set(found))]


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


def _named_elsewhere(user: str) -> list[list[int]]:
    """The ranges that the name service knows, where another than files is asked."""
    try:
        done = subprocess.run(["getsubids", user], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []  # package uidmap is not there, or nobody answers: /etc/subuid was read
    found = re.findall(r"^\d+: \S+ (\d+) (\d+)$", done.stdout, re.M)
    return [[int(first), int(first) + int(count) - 1] for first, count in found]


def _units(account: pwd.struct_passwd) -> list[str]:
    """The system's units that run as the user, and what triggers them."""
    names = (account.pw_name, str(account.pw_uid))
    words = ["systemctl", "show", "--property=Id,User,TriggeredBy", "*.service"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []  # no systemd here, or one that is too busy: processes are ended by their uid
    found = set()
    for block in done.stdout.split("\n\n"):
        unit = dict(line.partition("=")[::2] for line in block.splitlines())
        named = unit.get("Id") == f"vizgate-sockets@{account.pw_name}.service"
        # the user's own service manager ends with the sessions
        manager = unit.get("Id", "").startswith("user@")
        if named or (unit.get("User") in names and not manager):
            found |= {unit["Id"], *unit.get("TriggeredBy", "").split()}
    return sorted(found)


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
    return [path] if path and os.path.lexists(path) else []


def _owner(path: str) -> int | None:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return None  # it is not there, or below something that does not let root look


if __name__ == "__main__":
    print(json.dumps(look(*sys.argv[1:])))
