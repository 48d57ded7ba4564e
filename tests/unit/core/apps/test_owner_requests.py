# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What owners ask for: their apps, restarts, logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps import deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Outcome, Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice.dispatch import answer
from ansible_collections.vizgate.gateway.tests.unit.core.apps.fake_host import TASKS, FakeHost


def ask(gateway: Gateway, host: FakeHost, monkeypatch: pytest.MonkeyPatch, **request: Any) -> dict[str, Any]:
    """What the helper answers alice."""
    monkeypatch.setattr(deployer, "Host", lambda: host)
    return answer(gateway, "alice", request)


def test_owner_sees_apps_and_releases(
    deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(gateway, host, monkeypatch, do="apps") == {"apps": []}
    deploy(TASKS)
    deploy(TASKS._replace(version="v2"))
    (app,) = ask(gateway, host, monkeypatch, do="apps")["apps"]
    assert (app["name"], app["url"], app["state"]) == ("tasks", "http://gate:1234/alice/tasks/", "active")
    assert (app["release"], app["version"]) == (2, "v2")
    assert [release["version"] for release in app["releases"]] == ["v1", "v2"]


def test_owner_restarts_own_apps_alone(
    deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(TASKS)
    Deployer(gateway, Settings(), host).converge({"alice": (TASKS,), "bob": (TASKS._replace(name="bobs"),)})
    assert ask(gateway, host, monkeypatch, do="restart_app", name="tasks") == {"release": 1}
    for name in ("bobs", "../bob/bobs", ""):
        (problem,) = ask(gateway, host, monkeypatch, do="restart_app", name=name)["problems"]
        assert problem == f"you have no app {name!r}; your apps: tasks"
    host.answer = 500
    told = ask(gateway, host, monkeypatch, do="restart_app", name="tasks")["unavailable"]
    assert told.startswith("app 'tasks': step health: GET /alice/tasks/ did not succeed within 30 s")


def test_owner_reads_own_logs_alone(
    deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(TASKS)
    for which, name in (("app", "tasks.log"), ("build", "tasks.build.log")):
        told = ask(gateway, host, monkeypatch, do="app_log", name="tasks", which=which)
        assert told == {"path": f"/home/alice/apps/tasks/log/{name}"}
    assert "problems" in ask(gateway, host, monkeypatch, do="app_log", name="../bob/x", which="app")
