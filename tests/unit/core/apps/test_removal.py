# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removal of apps: files in a home are removed as well as it goes, root's records always."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps import removal
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Outcome, Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.step_runner import StepRunner
from ansible_collections.vizgate.gateway.tests.unit.core.apps.fake_host import SUPERVISOR_UNIT, TASKS, FakeHost
from ansible_collections.vizgate.gateway.tests.unit.support import Control

APP = TASKS._replace(secrets=(("KEY", "generate"),))


def root(gateway: Gateway) -> Path:
    """The gateway's root."""
    return Path(gateway.paths.root)


def records(gateway: Gateway) -> set[str]:
    """What root keeps about alice's apps."""
    folders = (Path(gateway.paths.state, "apps/alice"), root(gateway) / "var/log/vizgate/alice")
    return {entry for folder in folders if folder.exists() for entry in os.listdir(folder)}


def test_an_app_whose_owner_cannot_remove_its_files_is_forgotten(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    deploy(APP)
    host.codes["remove"] = 2
    outcome = deploy()
    assert [step["action"] for step in outcome.plan] == ["remove"]
    (problem,) = outcome.problems
    assert problem.startswith(
        "app alice/tasks: step remove: exit code 2; alice has to remove the rest of /home/alice/apps/tasks"
    )
    assert records(gateway) == {"tasks.secrets"}
    assert (host.files, host.running) == ({}, set())
    assert deploy() == Outcome([], [])


def test_an_app_whose_supervisord_does_not_answer_is_forgotten(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    host.programs["tasks.1"], host.files[SUPERVISOR_UNIT] = "RUNNING", ""
    deploy(APP._replace(supervisor="supervisord"))
    host.codes["sweep"] = 1
    outcome = deploy()
    assert [step["action"] for step in outcome.plan] == ["remove"]
    (problem,) = outcome.problems
    assert problem.startswith(
        "app alice/tasks: step sweep: exit code 1; processes of the app may still run; end them with: systemctl"
    )
    assert host.did[-1] == "remove"
    assert deploy() == Outcome([], [])


def test_no_step_of_a_removal_takes_as_long_as_a_build(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(APP)
    said: list[int] = []
    monkeypatch.setattr(StepRunner, "run", lambda self, place, app, step: said.append(step.seconds))
    deploy(settings=Settings(step_seconds=3600))
    assert said == [removal.STEP_SECONDS]


def test_of_who_leaves_nothing_is_run_and_nothing_asked(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    host.programs["tasks.1"], host.files[SUPERVISOR_UNIT] = "RUNNING", ""
    assert deploy(APP._replace(supervisor="supervisord")).problems == []
    host.did.clear()
    host.codes.update(sweep=1, remove=1)
    outcome = Deployer(gateway, Settings(forget=True), host).remove("alice")
    assert ([step["action"] for step in outcome.plan], outcome.problems) == (["remove"], [])
    assert not {"sweep", "remove"} & set(host.did)
    assert records(gateway) == set()


def test_who_leaves_leaves_no_record_of_apps_removed_earlier(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    deploy(APP)
    deploy()
    assert "tasks.secrets" in records(gateway)
    units = root(gateway) / "etc/systemd/system"
    for name in (
        "vizgate-app-alice:tasks:1.service.d",
        "vizgate-app-alice2:tasks:1.service.d",
        "multi-user.target.wants",
    ):
        (units / name).mkdir(parents=True)
        (units / name / "x.conf").touch()
    (units / "multi-user.target.wants" / SUPERVISOR_UNIT).symlink_to("/nowhere")
    leave = Deployer(gateway, Settings(forget=True), host).remove
    (step,) = leave("alice", check=True).plan
    assert (step["action"], step["app"]) == ("forget", "alice/tasks")
    assert "tasks.secrets" in records(gateway)
    assert leave("alice") == Outcome([step], [])
    assert records(gateway) == set()
    found = [str(path.relative_to(units)) for path in units.rglob("*")]
    assert sorted(found) == [
        "multi-user.target.wants",
        "multi-user.target.wants/x.conf",
        "vizgate-app-alice2:tasks:1.service.d",
        "vizgate-app-alice2:tasks:1.service.d/x.conf",
    ]
    assert leave("alice") == Outcome([], [])


@pytest.mark.parametrize("user", ["..", "", "a/b", "../bob"])
def test_a_name_that_is_none_leads_nowhere(user: str, tmp_path: Path, host: FakeHost) -> None:
    (tmp_path / "apps").mkdir()
    folders = removal.Folders(str(tmp_path), str(tmp_path / "apps"), str(tmp_path / "logs"))
    removed = removal.forget_user(host, folders, user)
    assert (removed.steps, len(removed.problems)) == ([], 1)
    assert (tmp_path / "apps").exists()
