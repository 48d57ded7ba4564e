# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is made up, and apps for it: what the tests of releases share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.host import Host
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.step_runner import GRACE_SECONDS
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import CommandFailed, Exceeded
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App
from ansible_collections.vizgate.gateway.tests.unit.support import Control

TASKS = App("tasks", "/srv/git/tasks.git", "wsgi:app", version="v1", migrate="flask db upgrade")
STEPS = ["fetch", "build", "migrate"]


class FakeHost(Host):
    """A host on which steps end as a test wants, and units are names."""

    def __init__(self) -> None:
        self.accounts = {"alice": (1501, 1501, "/home/alice"), "bob": (1502, 1502, "/home/bob")}
        self.did: list[str] = []
        self.files: dict[str, str] = {}
        self.running: set[str] = set()
        self.enabled: set[str] = set()
        self.programs: dict[str, str] = {}
        """Those of the owner's supervisord, and how each is."""
        self.codes: dict[str, int] = {}
        self.refused: set[str] = set()
        self.databases: dict[str, str] = {"alice_tasks": "alice"}
        """Of each its owner."""
        self.restarts = 0
        self.answer: int | str = 200
        self.commit = "c" * 40
        self.asked: list[tuple[str, str]] = []
        self.time = 0.0
        self.during: Callable[[str], None] = lambda step: None

    def account(self, user: str) -> tuple[int, int, str] | None:
        return self.accounts.get(user)

    @staticmethod
    def home_problem(user: str, home: str) -> str | None:
        return "others may write to /lab" if home.startswith("/lab/") else None

    def run(self, command: Any, seconds: float) -> tuple[int, str, list[str]]:
        words = list(command)
        step = words[words.index("/bin/sh") + 3]
        assert f"RuntimeMaxSec={seconds - GRACE_SECONDS}" in words
        for file in [word.partition("=")[2] for word in words if word.startswith("EnvironmentFile=")]:
            assert os.stat(file).st_mode & 0o777 == 0o600
        if step == "tail":
            assert "--home" in words, "restricted, as it may be a link to a key, and administrators see what is read"
            return 0, "", ["the app says hello"]
        self.did.append(step)
        try:
            self.during(step)
        except Exceeded as error:
            return -1, str(error), []
        said = {
            "fetch": [f"commit {self.commit}"],
            "state": [f"{name} {how}" for name, how in self.programs.items()],
        }
        return self.codes.get(step, 0), "", [f"{step} says hello", *said.get(step, [])]

    def systemctl(self, *words: str, check: bool = True) -> str:
        action, unit = words[0], words[-1]
        if action in ("start", "stop", "enable", "disable"):
            self.did.append(f"{action} {unit.rsplit(':', 1)[-1].removesuffix('.service')}")
        if action == "start":
            if unit in self.refused or unit not in self.files:
                raise CommandFailed(f"{unit} does not start")
            self.running.add(unit)
        elif action == "stop" or "--now" in words:
            self.running.discard(unit)
        if action == "enable":
            self.enabled.add(unit)
        elif action == "disable":
            self.enabled.discard(unit)
        return ""

    def state(self, unit: str) -> tuple[str, int]:
        return ("active" if unit in self.running else "inactive"), self.restarts

    def units(self, prefix: str) -> list[str]:
        return sorted(unit for unit in self.files if unit.startswith(prefix))

    def write_unit(self, unit: str, text: str) -> None:
        self.files[unit] = text

    def remove_unit(self, unit: str) -> None:
        self.files.pop(unit, None)
        self.running.discard(unit)
        self.enabled.discard(unit)

    def is_enabled(self, unit: str) -> bool:
        return unit in self.enabled

    def journal(self, unit: str) -> list[str]:
        return ["systemd says something"]

    def ask(self, path: str, url: str, headers: dict[str, str]) -> int | str:
        self.asked.append((path, url))
        return self.answer

    def database_owner(self, name: str) -> str:
        if "psql" in self.refused:
            raise CommandFailed(f"PostgreSQL does not say who owns database {name}")
        return self.databases.get(name, "")

    def drop_database(self, name: str) -> None:
        if "dropdb" in self.refused:
            raise CommandFailed(f"database {name} was not dropped")
        self.did.append(f"drop {name}")

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def now(self) -> float:
        return self.time


def serves(control: Control, name: str = "tasks") -> str:
    """The socket that nginx leads an app's visitors to."""
    return control.entries.get(f"alice/{name}", "").rpartition("/")[2]


def unit(number: int, name: str = "tasks") -> str:
    """A release's unit."""
    return f"vizgate-app-alice:{name}:{number}.service"


SUPERVISED = TASKS._replace(supervisor="supervisord")
SUPERVISOR_UNIT = "vizgate-supervisord@alice.service"
