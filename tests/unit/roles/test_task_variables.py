# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of tasks bear a role's name: a play's registered variables and facts would win over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

TASKS = sorted(COLLECTION.glob("roles/*/tasks/*.yml"))
ROLES = tuple({path.parents[1].name for path in TASKS})


def tasks_of(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Tasks, and those of their blocks."""
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part, []))


def variables(tasks: list[dict[str, Any]]) -> Iterator[str]:
    """What tasks, and those of their blocks, set for themselves or register."""
    for task in tasks_of(tasks):
        yield from task.get("vars", {})
        yield from filter(None, [task.get("register"), task.get("loop_control", {}).get("loop_var")])


@pytest.mark.parametrize("path", TASKS, ids=lambda path: str(path.relative_to(COLLECTION)))
def test_no_task_chooses_a_handler_by_its_own_result(path: Path) -> None:
    """Ansible evaluates notify before the task runs, so a result of an earlier run, or none, would count."""
    tasks = tasks_of(yaml.safe_load(path.read_text(encoding="utf-8")) or [])
    wrong = [task["name"] for task in tasks if "register" in task and task["register"] in str(task.get("notify"))]
    assert not wrong


@pytest.mark.parametrize("path", TASKS, ids=lambda path: str(path.relative_to(COLLECTION)))
def test_they_bear_a_roles_name(path: Path) -> None:
    names = variables(yaml.safe_load(path.read_text(encoding="utf-8")) or [])
    assert not [name for name in names if not name.removeprefix("__").startswith(tuple(f"{role}_" for role in ROLES))]
