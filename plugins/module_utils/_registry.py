# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: what every source declares for every user, as files that only root can write."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from ._model import InvalidData, Policy, UserData, name_problem, parse_address, parse_user
from ._paths import Paths
from ._yaml import NotYaml, load

LOCK_SECONDS = 30.0


class Locked(RuntimeError):
    """Somebody else is changing the gateway for longer than one waits."""


class Registry:
    """Reads a gateway's registry. Writing is the business of `_apply`, in transactions."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

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
        """Source → what it declares for the user. A damaged file is an error that names it."""
        problem = name_problem("user", user)
        if problem:
            raise InvalidData([problem])
        found = {}
        folder = os.path.join(self.paths.users, user)
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            return {}
        for name in names:
            if name.endswith(".json"):
                path = os.path.join(folder, name)
                data, problems = parse_user(self._json(path, {}))
                if problems:
                    raise InvalidData(f"{path}: {problem.text}" for problem in problems)
                found[name[: -len(".json")]] = data
        return found

    def everything(self) -> dict[str, dict[str, UserData]]:
        """User → source → what is declared."""
        found = {user: self.sources(user) for user in self.users()}
        return {user: sources for user, sources in found.items() if sources}

    def addresses(self) -> dict[str, str]:
        """Host name → last known address."""
        found = self._json(self.paths.addresses, {})
        if not isinstance(found, dict) or not all(parse_address(str(address)) for address in found.values()):
            raise InvalidData([f"{self.paths.addresses} is damaged; remove it, names are looked up again"])
        return found

    def policy(self, coming: Policy | None = None) -> Policy:
        """The site policy; where there is none yet, the one that is `coming`."""
        try:
            with open(self.paths.policy, encoding="utf-8") as file:
                return Policy.parse(load(file.read()), self.paths.policy)
        except FileNotFoundError:
            if coming:
                return coming
            missing = f"{self.paths.policy} is missing: is there a gateway here? Role gateway makes one"
            raise InvalidData([missing]) from None
        except NotYaml as error:
            raise InvalidData([f"{self.paths.policy}: {error}"]) from None
        except UnicodeDecodeError as error:
            raise InvalidData([f"{self.paths.policy}: this is not YAML: {error}"]) from None

    @staticmethod
    def _json(path: str, missing: Any) -> Any:
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return missing
        except ValueError as error:
            raise InvalidData([f"{path} is damaged ({error}); remove it and declare its links again"]) from None

    @contextlib.contextmanager
    def locked(self, seconds: float = LOCK_SECONDS) -> Iterator[None]:
        """Holds the gateway for one writer; raises Locked with the holder's name after `seconds`."""
        deadline = time.monotonic() + seconds
        with open(self.paths.lock, "a+", encoding="utf-8") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        file.seek(0)
                        holder = file.read().strip() or "somebody"
                        raise Locked(f"{holder} has held {self.paths.lock} for over {seconds:g} s; try again") from None
                    time.sleep(0.02)
            file.truncate(0)
            file.write(f"process {os.getpid()} of {me()}, since {time.strftime('%H:%M:%S')}\n")
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)


def me() -> str:
    """Who runs this process: the login name, or the bare number of a user without one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
