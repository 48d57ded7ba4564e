# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps that go and data that stay, and whose database an app may open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Outcome, Settings
from ansible_collections.vizgate.gateway.tests.unit.core.apps.fake_host import TASKS, FakeHost, serves
from ansible_collections.vizgate.gateway.tests.unit.support import Control


def test_app_that_is_not_declared_any_more_goes_and_its_data_stay(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    app = TASKS._replace(secrets=(("KEY", "generate"),))
    deploy(app)
    secret = Path(gateway.paths.state, "apps", "alice", "tasks.secrets")
    before = secret.read_text(encoding="utf-8")
    host.did.clear()
    (step,) = deploy().plan
    assert step["data"] == "kept in /home/alice/apps/tasks/shared"
    assert (serves(control), host.files, host.running) == ("", {}, set())
    assert host.did == ["remove"]
    deploy(app)
    assert secret.read_text(encoding="utf-8") == before
    deploy(settings=Settings(remove_data=True))
    assert not secret.exists()


def test_database_stays_unless_data_are_to_go(deploy: Callable[..., Outcome], host: FakeHost) -> None:
    deploy(TASKS._replace(database="postgresql"))
    (step,) = deploy().plan
    assert step["data"] == "kept in /home/alice/apps/tasks/shared, and database alice_tasks"
    assert "drop alice_tasks" not in host.did
    # also if the app has gone to another meanwhile, and could be rolled back to it
    deploy(TASKS._replace(database="postgresql"))
    deploy(TASKS)
    (step,) = deploy(settings=Settings(remove_data=True), check=True).plan
    assert (step["data"], "drop alice_tasks" in host.did) == ("removed, and database alice_tasks", False)
    deploy(settings=Settings(remove_data=True))
    assert host.did.count("drop alice_tasks") == 1


def test_database_that_cannot_be_dropped_is_not_forgotten(deploy: Callable[..., Outcome], host: FakeHost) -> None:
    deploy(TASKS._replace(database="postgresql"))
    host.refused.add("dropdb")
    assert deploy(settings=Settings(remove_data=True)).problems == [
        "app alice/tasks: database alice_tasks was not dropped"
    ]
    host.refused.clear()
    assert deploy(settings=Settings(remove_data=True)).problems == []
    assert "drop alice_tasks" in host.did


def test_app_does_not_open_a_database_of_somebody_else(deploy: Callable[..., Outcome], host: FakeHost) -> None:
    host.databases = {"alice_tasks": "bob"}
    outcome = deploy(TASKS._replace(database="postgresql"))
    assert outcome.problems == [
        "app alice/tasks: database alice_tasks belongs to 'bob'; rename or drop it, or give the app another name"
    ]
    assert host.did == []
    host.databases = {"alice_tasks": "alice"}
    assert deploy(TASKS._replace(database="postgresql")).problems == []


def test_app_opens_no_database_that_is_not_there_or_whose_owner_is_unknown(
    deploy: Callable[..., Outcome], host: FakeHost
) -> None:
    host.databases = {}
    assert deploy(TASKS._replace(database="postgresql"), check=True).problems == [], "it may be made in the same run"
    assert deploy(TASKS._replace(database="postgresql")).problems == [
        "app alice/tasks: database alice_tasks does not exist; role database creates it, or reports why it cannot"
    ]
    host.databases = {"alice_tasks": "alice"}
    host.refused.add("psql")
    assert deploy(TASKS._replace(database="postgresql")).problems == [
        "app alice/tasks: PostgreSQL does not say who owns database alice_tasks"
    ]
    assert host.did == []


def test_app_of_an_account_that_is_gone_goes_too(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    del host.accounts["alice"]
    assert deploy().problems == []
    assert (serves(control), host.files) == ("", {})
