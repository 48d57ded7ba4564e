# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier releases: how many are kept, and the ways back and forth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Outcome, Settings
from ansible_collections.vizgate.gateway.tests.unit.core.apps.fake_host import TASKS, FakeHost, serves, unit
from ansible_collections.vizgate.gateway.tests.unit.support import Control


def test_releases_beyond_those_kept_go(deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost) -> None:
    for number in range(5):
        deploy(TASKS._replace(version=f"v{number}"), settings=Settings(keep_releases=2))
    assert set(host.files) == {unit(4), unit(5)}
    files = sorted(
        path.name for path in Path(gateway.paths.state, "apps", "alice").iterdir() if path.name[6:7].isdigit()
    )
    assert files == ["tasks.4.env", "tasks.5.env"]
    assert host.did.count("reap") == 3


def test_roll_back_holds_until_something_else_is_declared(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    later = TASKS._replace(version="v2")
    deploy(later)
    outcome = Deployer(gateway, Settings(), host).roll_back("alice", "tasks")
    assert [(step["action"], step["now"]) for step in outcome.plan] == [("roll back", "release 1 (v1, cccccccccc)")]
    assert serves(control) == "tasks.1.sock"
    assert host.running == host.enabled == {unit(1)}
    assert deploy(later) == Outcome([], [])
    deploy(TASKS._replace(version="v3"))
    assert serves(control) == "tasks.3.sock"


def test_roll_back_to_what_is_not_well(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    deploy(TASKS._replace(version="v2"))
    host.answer = 500
    (problem,) = Deployer(gateway, Settings(), host).roll_back("alice", "tasks").problems
    assert problem.startswith("app alice/tasks: step health: ")
    assert serves(control) == "tasks.2.sock"
    assert host.running == {unit(2)}


@pytest.mark.parametrize(
    ("user", "name", "number", "text"),
    [
        ("alice", "tasks", 0, "app alice/tasks: there is no earlier release to roll back to; kept releases: none"),
        ("alice", "tasks", 9, "app alice/tasks: there is no release 9 to roll back to; kept releases: none"),
        ("alice", "none", 0, "app alice/none: it has no active release; deploy it first"),
        ("nobody-here", "tasks", 0, "app nobody-here/tasks: user 'nobody-here' has apps, but no account on this host"),
    ],
)
def test_roll_back_to_nothing(
    deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost, user: str, name: str, number: int, text: str
) -> None:
    deploy(TASKS)
    (problem,) = Deployer(gateway, Settings(), host).roll_back(user, name, number).problems
    assert problem.startswith(text)


def test_update_follows_a_branch_and_converge_does_not(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    host.commit = "d" * 40
    assert deploy(TASKS) == Outcome([], [])
    (step,) = deploy(TASKS, update=True, only="alice/tasks").plan
    assert (step["was"], step["now"]) == ("release 1 (v1, cccccccccc)", "release 2 (v1, dddddddddd)")
    assert serves(control) == "tasks.2.sock"


def test_update_without_anything_new_changes_nothing(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    assert deploy(TASKS, update=True) == Outcome([], [])
    assert serves(control) == "tasks.1.sock"
    assert set(host.files) == {unit(1)}


def test_update_of_what_is_not_declared(deploy: Callable[..., Outcome]) -> None:
    assert deploy(TASKS, only="alice/other").problems == ["app alice/other is not declared in any users file"]
