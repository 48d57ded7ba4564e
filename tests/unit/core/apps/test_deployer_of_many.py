# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps of many users: whatever one user's are like, those of the others are brought to where they are declared."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Outcome, Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import Exceeded
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App
from ansible_collections.vizgate.gateway.plugins.module_utils._packed import pack
from ansible_collections.vizgate.gateway.plugins.modules.apps import declared
from ansible_collections.vizgate.gateway.tests.unit.core.apps.fake_host import TASKS, FakeHost

BOTH = {"alice": (TASKS,), "bob": (TASKS,)}


pytestmark = pytest.mark.usefixtures("control")


@pytest.fixture
def host() -> FakeHost:
    """A host where all goes well."""
    return FakeHost()


def converge(gateway: Gateway, host: FakeHost, declared: dict[str, tuple[App, ...]], **options: Any) -> Outcome:
    """Brings these apps to where they are declared."""
    return Deployer(gateway, Settings(), host).converge(declared, **options)


def test_step_that_hangs_delays_nobody_else(gateway: Gateway, host: FakeHost) -> None:
    bob_serves = threading.Event()
    run, systemctl = host.run, host.systemctl

    def hang(command: Any, seconds: float) -> tuple[int, str, list[str]]:
        if "User=alice" in command:
            assert bob_serves.wait(60), "bob's release waits for alice's"
            return 1, "", []
        return run(command, seconds)

    def settle(*words: str, check: bool = True) -> str:
        if words[0] == "enable" and "-bob:" in words[-1]:
            bob_serves.set()
        return systemctl(*words, check=check)

    host.run, host.systemctl = hang, settle  # type: ignore[method-assign]
    outcome = converge(gateway, host, BOTH)
    assert [step["app"] for step in outcome.plan] == ["bob/tasks"]
    assert [problem.partition(";")[0] for problem in outcome.problems] == ["app alice/tasks: step fetch: exit code 1"]


@pytest.mark.parametrize("damage", ["{", "[]", "{}", '{"releases": [{}], "settled": "", "last": 1}', "[" * 100_000])
def test_damaged_record_is_its_own_apps_problem(gateway: Gateway, host: FakeHost, damage: str) -> None:
    path = Path(gateway.paths.state, "apps/alice/tasks.json")
    path.parent.mkdir(parents=True)
    path.write_text(damage, encoding="utf-8")
    outcome = converge(gateway, host, BOTH)
    assert [step["app"] for step in outcome.plan] == ["bob/tasks"]
    (problem,) = outcome.problems
    assert problem.startswith(f"app alice/tasks: {path} is damaged (")
    assert problem.endswith("remove it, then the next run deploys the app again")


def test_damaged_declaration_is_its_own_users_problem(gateway: Gateway, host: FakeHost) -> None:
    path = Path(gateway.paths.users, "alice", "self.json")
    path.parent.mkdir(parents=True)
    path.write_text("{", encoding="utf-8")
    outcome = converge(gateway, host, BOTH)
    assert [step["app"] for step in outcome.plan] == ["bob/tasks"]
    assert len(outcome.problems) == 1


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("odd"), UnicodeDecodeError("utf-8", b"x", 0, 1, "odd")])
def test_defect_that_one_app_meets_is_its_own(gateway: Gateway, host: FakeHost, error: Exception) -> None:
    account = host.account

    def odd(user: str) -> tuple[int, int, str] | None:
        if user == "alice":
            raise error
        return account(user)

    host.account = odd  # type: ignore[method-assign]
    outcome = converge(gateway, host, BOTH)
    assert [step["app"] for step in outcome.plan] == ["bob/tasks"]
    (problem,) = outcome.problems
    assert problem.startswith("app alice/tasks: ")
    assert "odd" in problem


def test_step_that_exceeds_its_bounds_is_stopped(gateway: Gateway, host: FakeHost) -> None:
    def exceed(step: str) -> None:
        if step == "build":
            raise Exceeded("it prints too much")

    host.during = exceed
    (problem,) = converge(gateway, host, {"alice": (TASKS,)}).problems
    assert problem.startswith("app alice/tasks: step build: it prints too much")
    assert host.did[host.did.index("build") + 1] == "stop tasks"


def test_one_user_takes_only_so_long(gateway: Gateway, host: FakeHost) -> None:
    host.during = lambda step: host.sleep(901 if step == "fetch" else 0)
    host.codes["fetch"] = 1
    apps = tuple(TASKS._replace(name=f"a{number}") for number in range(1, 5))
    problems = converge(gateway, host, {"alice": apps}).problems
    assert [problem.partition(";")[0] for problem in problems] == [
        "app alice/a1: step fetch: not done after 900 s",
        "app alice/a2: step fetch: not done after 900 s",
        "app alice/a3: skipped, because the user's apps have used up their 1800 s",
        "app alice/a4: skipped, because the user's apps have used up their 1800 s",
    ]


def test_apps_that_cannot_be_read_are_a_problem_and_stay(gateway: Gateway, host: FakeHost) -> None:
    converge(gateway, host, BOTH)
    apps, refused = declared(pack({"alice": [{"name": "tasks"}], "bob": [TASKS.as_json()]}))
    assert (apps, list(refused)) == ({"bob": (TASKS,)}, ["alice"])
    assert refused["alice"] == [
        "user 'alice': app 'tasks': it has no repo",
        "user 'alice': app 'tasks': it has no entry",
    ]
    assert converge(gateway, host, apps, spared=refused) == Outcome([], [])


def change_policy(gateway: Gateway, **keys: str) -> None:
    """Writes it as role gateway does."""
    path = Path(gateway.paths.policy)
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **keys}), encoding="utf-8")


@pytest.mark.parametrize("keys", [{"url_style": "subdomain"}, {"url": "http://other:1234"}])
@pytest.mark.parametrize("asgi", [False, True])
def test_another_address_is_another_release(gateway: Gateway, host: FakeHost, keys: dict[str, str], asgi: bool) -> None:
    app = TASKS._replace(asgi=asgi)
    converge(gateway, host, {"alice": (app,)})
    change_policy(gateway, **keys)
    (step,) = converge(gateway, host, {"alice": (app,)}).plan
    assert step["action"] == "update"
    text = Path(gateway.paths.state, "apps/alice/tasks.2.env").read_text(encoding="utf-8")
    site = "http://alice.gate:1234/tasks" if "url_style" in keys else "http://other:1234/alice/tasks"
    assert f'VIZGATE_URL="{site}"' in text
    assert converge(gateway, host, {"alice": (app,)}) == Outcome([], [])


def test_no_secret_is_in_the_record(gateway: Gateway, host: FakeHost) -> None:
    app = TASKS._replace(secrets=(("TOKEN", "the-secret"),), environment=(("PLAIN", "the-value"),))
    converge(gateway, host, {"alice": (app,)})
    text = Path(gateway.paths.state, "apps/alice/tasks.json").read_text(encoding="utf-8")
    assert "the-" not in text
