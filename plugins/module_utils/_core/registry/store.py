# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: what every source declares for every user, as files that only root can write."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import InvalidData, Locked
from ..model.entities import UserData
from ..model.names import name_problem
from ..model.parse import parse_user
from ..model.policy import PATH, Policy
from ..model.targets import parse_address
from ..paths import Paths
from ..ports.ranges import Ports
from . import audit

LOCK_SECONDS = 30.0
FLOCK = "/usr/bin/flock"
SESSIONS = "/run/systemd/sessions"
"""Where systemd notes who has logged in, and from where."""


class Registry:
    """Reads a gateway's registry. Writing is the business of package `apply`, in transactions."""

    def __init__(self, paths: Paths, actor: str = "", remote_host: str | None = None) -> None:
        """`actor` and `remote_host`: who changes the registry, and from which machine. The defaults are the user of this
        process, and where that user has logged in from."""
        self.paths = paths
        self.actor = actor or os.environ.get("SUDO_USER") or me()
        self.remote_host = remote_host

    def file(self, user: str, source: str) -> str:
        """Where a source's declaration for a user stands."""
        return os.path.join(self.paths.users, user, source + ".json")

    def users(self) -> list[str]:
        """Everybody for whom something is declared, sorted."""
        try:
            return sorted(user for user in os.listdir(self.paths.users) if not name_problem("user", user))
        except FileNotFoundError:
            return []

    def sources(self, user: str) -> dict[str, UserData]:
        """Source → what it declares for the user. Damaged files are an error that names them all."""
        problem = name_problem("user", user)
        if problem:
            raise InvalidData([problem])
        found, wrong = {}, []
        folder = os.path.join(self.paths.users, user)
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            return {}
        for name in names:
            if name.endswith(".json"):
                path = os.path.join(folder, name)
                try:
                    data, problems = parse_user(self._json(path, {}), stored=True)
                except InvalidData as error:
                    wrong += error.problems
                    continue
                wrong += [f"{path}: {problem.text}" for problem in problems]
                found[name[: -len(".json")]] = data
        if wrong:
            raise InvalidData(wrong)
        return found

    def everything(self) -> dict[str, dict[str, UserData]]:
        """User → source → what is declared. Raises InvalidData with all files that are damaged."""
        found, problems = {}, []
        for user in self.users():
            try:
                found[user] = self.sources(user)
            except InvalidData as error:
                problems += error.problems
        if problems:
            raise InvalidData(problems)
        return {user: sources for user, sources in found.items() if sources}

    def history(self, user: str) -> dict[str, list[dict[str, str]]]:
        """Audit log → its lines about the user since the history of an earlier one of that name was closed, oldest first."""
        found = {}
        for path, lines in self._audit_lines(user):
            ends = [number for number, line in enumerate(lines, 1) if line.get("action") == audit.CLOSE]
            found[path] = lines[ends[-1] if ends else 0 :]
        return found

    def closed(self, user: str) -> str:
        """When the history of the last earlier one of that name was closed; "" if there was none."""
        ends = [
            line["at"]
            for _path, lines in self._audit_lines(user, audit.CLOSE)
            for line in lines
            if line["action"] == audit.CLOSE
        ]
        return max(ends, default="")

    def _audit_lines(self, user: str, word: str = "") -> Iterator[tuple[str, list[dict[str, str]]]]:
        """Audit log → its lines about the user, oldest first; only those with `word` in them are looked at."""
        for log in (audit.shared(self.paths), audit.own(self.paths, user)):
            yield log.path, [line for line in log.lines(word) if line.get("user") == user]

    def audit_files(self, source: str, steps: Iterable[dict[str, str]], user: str = "") -> dict[str, str]:
        """The audit logs with these steps: in the own log of the `user`, or in the shared one. Raises InvalidData."""
        header = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "source": source,
            "by": self.actor,
            "from": remote_host() if self.remote_host is None else self.remote_host,
        }
        return audit.extended(self.paths, header, steps, user)

    def addresses(self) -> dict[str, str]:
        """Host name → last known address, or "" for a name that links have, but that has no address."""
        found = self._json(self.paths.addresses, {})
        if not isinstance(found, dict) or not all(not found[host] or parse_address(str(found[host])) for host in found):
            raise InvalidData([f"{self.paths.addresses} is damaged; remove it, names are looked up again"])
        return found

    def ports(self, policy: Policy) -> Ports | None:
        """Users' port ranges, if the policy has any."""
        if not policy.port_range_start:
            return None
        fix = "restore it from a backup, or remove it, then new ranges are assigned"
        return Ports.parse(policy, self._json(self.paths.ports, {}, fix), self.paths.ports)

    def policy(self, new_policy: Policy | None = None) -> Policy:
        """The site policy; where there is none yet, `new_policy`."""
        if os.path.exists(self.paths.policy):
            found = self._json(self.paths.policy, {}, "run role gateway, which writes it")
            return Policy.parse(found, self.paths.policy)
        if new_policy:
            return new_policy
        raise InvalidData([f"{self.paths.policy} is missing: no gateway is installed here; role gateway installs one"])

    def url_style(self) -> str:
        """The policy's url_style, also of a gateway whose policy is refused or not there yet."""
        found = self._json(self.paths.policy, {})
        return str(found.get("url_style", PATH)) if isinstance(found, dict) else PATH

    def old_addresses(self) -> bool:
        """Whether the names that links had before they were imported lead to where they are now."""
        found = self._json(self.paths.policy, {})
        return not isinstance(found, dict) or found.get("old_addresses") is not False

    def legacy_ended(self) -> bool:
        """Whether the policy's last day for logins with the hashes of the old script is over, by this host's clock."""
        found = self._json(self.paths.policy, {})
        until = str(found.get("legacy_hashes_until", "")) if isinstance(found, dict) else ""
        return bool(until) and time.strftime("%Y-%m-%d") > until

    @staticmethod
    def _json(path: str, missing: Any, fix: str = "remove it and declare its links again") -> Any:
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return missing
        except (ValueError, RecursionError) as error:
            raise InvalidData([f"{path} is damaged ({error}); {fix}"]) from None

    @contextlib.contextmanager
    def locked(self, seconds: float | None = None) -> Iterator[None]:
        """Holds the gateway for one writer; raises Locked with the holder's name after `seconds`, 30 unless told."""
        with self._held(self.paths.lock, seconds), _hurrying():
            yield

    @contextlib.contextmanager
    def user_lock(self, user: str) -> Iterator[None]:
        """Waits for the user's own earlier change, so that in the line for the gateway's lock everybody stands once."""
        os.makedirs(os.path.dirname(self.paths.user_lock(user)), mode=0o700, exist_ok=True)
        with self._held(self.paths.user_lock(user)):
            yield

    @contextlib.contextmanager
    def _held(self, path: str, seconds: float | None = None) -> Iterator[None]:
        seconds = LOCK_SECONDS if seconds is None else seconds
        with open(path, "a+", encoding="utf-8") as file:
            if not _lock(file.fileno(), seconds):
                file.seek(0)
                holder = file.read().strip() or "somebody"
                raise Locked(f"{holder} has held {path} for over {seconds:g} s; try again")
            file.truncate(0)
            # on a full disk nobody is named, but what was decided can still be finished
            with contextlib.suppress(OSError):
                os.write(
                    file.fileno(),
                    f"process {os.getpid()} of {self.actor}, since {time.strftime('%H:%M:%S')}\n".encode(),
                )
            try:
                yield
            finally:
                file.truncate(0)


def _lock(file: int, seconds: float) -> bool:
    """Locks an open file; whether that was to be had within `seconds`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        # the kernel keeps a line, in which nobody is passed over; who tries again and again stands in none. Waiting with a
        # limit is what this program is for: it locks for whoever shares the open file with it
        arguments = ["flock", "--timeout", str(seconds), "3"]
        waiting = os.posix_spawn(FLOCK, arguments, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, file, 3)])
        code = os.waitstatus_to_exitcode(os.waitpid(waiting, 0)[1])
        if code not in (0, 1):
            raise OSError(f"{FLOCK} cannot wait for the lock (exit code {code})") from None
        return code == 0


@contextlib.contextmanager
def _hurrying() -> Iterator[None]:
    """First in line for the processor, where root's: a user with a thousand processes could make all others wait."""
    former = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, former)


def me() -> str:
    """Who runs this process: the account's name, or the bare number of a user without one."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def remote_host(cgroup: str = "") -> str:
    """The machine from which whoever runs this process has logged in, as systemd knows it; "" for this one.

    `cgroup` is what `/proc/self/cgroup` says, or has said before the process went elsewhere.
    """
    try:
        if not cgroup:
            with open("/proc/self/cgroup", encoding="utf-8") as file:
                cgroup = file.read()
        # below their own service manager, users make scopes of any name
        session = re.search(r"^[^/]*/user\.slice/user-[0-9]+\.slice/session-(\w+)\.scope$", cgroup, re.MULTILINE)
        if session:
            with open(os.path.join(SESSIONS, session[1]), encoding="utf-8") as file:
                host = re.search(r"^REMOTE_HOST=(\S+)$", file.read(), re.MULTILINE)
            return host[1] if host else ""
    except (OSError, UnicodeDecodeError):
        pass  # no systemd here, or none that keeps sessions
    return ""
