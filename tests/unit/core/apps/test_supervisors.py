# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases under the owner's supervisord."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Outcome, Settings
from ansible_collections.vizgate.gateway.tests.unit.core.apps.fake_host import (
    STEPS,
    SUPERVISED,
    SUPERVISOR_UNIT,
    TASKS,
    FakeHost,
    serves,
    unit,
)
from ansible_collections.vizgate.gateway.tests.unit.support import Control


def test_release_under_supervisord(deploy: Callable[..., Outcome], control: Control, host: FakeHost) -> None:
    host.programs = {"tasks.1": "RUNNING", "tasks.2": "RUNNING"}
    host.files[SUPERVISOR_UNIT] = ""
    assert deploy(SUPERVISED).problems == []
    assert serves(control) == "tasks.1.sock"
    assert SUPERVISOR_UNIT in host.enabled & host.running
    host.did.clear()
    assert deploy(SUPERVISED) == Outcome([], [])
    assert host.did == ["state"]
    host.did.clear()
    deploy(SUPERVISED._replace(version="v2"))
    steps = [did for did in host.did if " " not in did and did != "state"]
    assert steps == ["sweep", *STEPS, "prepare", "start", "retire"]
    assert set(host.files) == {SUPERVISOR_UNIT}, "no units of releases"


@pytest.mark.parametrize("how", ["BACKOFF", "FATAL", ""])
def test_program_that_does_not_stay_up(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost, how: str
) -> None:
    host.files[SUPERVISOR_UNIT] = ""
    host.programs = {"tasks.1": how} if how else {}
    host.answer = "Connection refused"
    (problem,) = deploy(SUPERVISED).problems
    assert problem.startswith("app alice/tasks: step health: the app does not keep running: release 1 is ")
    assert host.did[-2:] == ["remove", "reap"]


def test_from_systemd_to_supervisord_and_back(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    host.files[SUPERVISOR_UNIT] = ""
    host.programs = {"tasks.2": "RUNNING"}
    deploy(TASKS)
    deploy(SUPERVISED)
    assert serves(control) == "tasks.2.sock"
    assert unit(1) not in host.running
    host.did.clear()
    Deployer(gateway, Settings(), host).roll_back("alice", "tasks")
    assert serves(control) == "tasks.1.sock"
    assert unit(1) in host.running
    assert host.did[-1] == "retire"
    deploy()
    assert (set(host.files), "sweep" in host.did) == ({SUPERVISOR_UNIT}, True)


def test_who_leaves_leaves_nothing_outside_of_the_home(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    app = TASKS._replace(secrets=(("KEY", "generate"),))
    Deployer(gateway, Settings(), host).converge({"alice": (app,), "bob": (app,)})
    host.enabled.add(SUPERVISOR_UNIT)
    host.running.add(SUPERVISOR_UNIT)
    outcome = Deployer(gateway, Settings(forget=True), host).remove("alice")
    assert SUPERVISOR_UNIT not in host.enabled | host.running
    assert [(step["app"], step["data"]) for step in outcome.plan] == [
        ("alice/tasks", "kept in /home/alice/apps/tasks/shared")
    ]
    assert not os.path.exists(os.path.join(gateway.paths.state, "apps", "alice"))
    assert set(control.entries) - {key for key, value in control.entries.items() if not value} == {"bob/tasks"}
