# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action apps, run by Ansible: an empty users folder takes nobody's apps away by mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.tests.unit.adhoc import run_module
from ansible_collections.vizgate.gateway.tests.unit.support import tree


def apps(folder: Path, root: str, *options: str, state: str = "present") -> dict[str, Any]:
    """What a task with action apps returns."""
    return run_module(folder.parent, "apps", {"src": str(folder), "root": root, "state": state}, *options)[0]


@pytest.mark.parametrize("state", ["present", "updated"])
@pytest.mark.parametrize("check", [["--check"], []])
def test_an_empty_folder_removes_no_app_unless_that_is_meant(
    tmp_path: Path, gateway: Gateway, state: str, check: list[str]
) -> None:
    users, root = tmp_path / "users", gateway.paths.root
    users.mkdir()
    # where there is no app, there is nothing to lose
    assert apps(users, root, "--check", state=state)["changed"] is False
    record = Path(gateway.paths.state, "apps/alice/tasks.json")
    record.parent.mkdir(parents=True)
    # of an app that has never answered, and so has no link
    record.write_text(json.dumps({"releases": [], "settled": "", "last": 1}), encoding="utf-8")
    before = tree(root)
    refused = apps(users, root, *check, state=state)["msg"]
    assert (
        f"users folder {users} has no users files, so everything that source 'apps' declares for alice would be removed;"
        in refused
    )
    assert "set gateway_users_dir_may_be_empty to true to remove everything" in refused
    assert tree(root) == before
    done = apps(users, root, "--check", "-e", "gateway_users_dir_may_be_empty=true", state=state)
    assert [(step["action"], step["app"]) for step in done["plan"]] == [("remove", "alice/tasks")]
