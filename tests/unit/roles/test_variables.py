# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role's defaults, argument specs and README say the same, and the role uses no other variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.vizgate.gateway.tests.readme import HEAD, ROLES, options, table, with_table

TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}

roles = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def defaults(role: Path) -> dict[str, Any]:
    """A role's public variables."""
    found: dict[str, Any] = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return found


def test_there_are_roles() -> None:
    assert "gateway" in [role.name for role in ROLES]
    assert [role.name for role in ROLES] == sorted(path.name for path in ROLES[0].parent.iterdir() if path.is_dir())


@roles
def test_defaults_are_those_of_the_specs(role: Path) -> None:
    declared = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert declared == defaults(role)


@roles
def test_a_variable_without_a_default_is_required(role: Path) -> None:
    assert [
        name for name, option in options(role).items() if ("default" in option) == option.get("required", False)
    ] == []


@roles
def test_variables_bear_their_roles_name(role: Path) -> None:
    assert [name for name in options(role) if not name.startswith(role.name + "_")] == []


def _wrong_types(found: dict[str, Any]) -> list[str]:
    wrong = []
    for name, option in found.items():
        value = option.get("default")
        if value is not None and not isinstance(value, str) and not isinstance(value, TYPES[option["type"]]):
            wrong.append(name)
        if isinstance(value, str) and "{{" not in value and TYPES[option["type"]] != (str,):
            wrong.append(name)
        if "choices" in option and value is not None and value not in option["choices"]:
            wrong.append(name)
        if option["type"] == "list" and "elements" not in option:
            wrong.append(name)
        wrong += _wrong_types(option.get("options", {}))
    return wrong


@roles
def test_defaults_are_of_their_types(role: Path) -> None:
    assert _wrong_types(options(role)) == []


@roles
def test_the_role_uses_every_variable_and_no_other(role: Path) -> None:
    folders = ("handlers", "tasks", "templates", "vars")
    files = [path for folder in folders for path in (role / folder).rglob("*") if path.is_file()]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    used = set(re.findall(rf"(?<![\w.-]){role.name}_[a-z0-9_]+(?!\w*[(:])", text))
    assert used == set(options(role))


@roles
def test_internal_variables_exist(role: Path) -> None:
    files = [path for path in role.rglob("*") if path.is_file() and path.suffix in (".yml", ".j2")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    used = set(re.findall(rf"\b__{role.name}_[a-z0-9_]+", text))
    given = set(re.findall(rf"^\s*(?:register: |loop_var: )?(__{role.name}_[a-z0-9_]+)(?::|\s*$)", text, re.MULTILINE))
    assert used - given == set()


@roles
def test_the_readme_has_the_table(role: Path) -> None:
    text = (role / "README.md").read_text(encoding="utf-8")
    assert text == with_table(text, table(role)), "run: python tests/readme.py"


def test_the_table_takes_the_place_of_the_old_one() -> None:
    new = HEAD + "| `a` | `1` | what |\n"
    for old in ("", "<!-- table -->\n", "| `b` | | gone |\n| `c` | | gone |\n"):
        assert (
            with_table(f"# Role\n\n{HEAD}{old}\n## More\n| x | y |\n", new) == f"# Role\n\n{new}\n## More\n| x | y |\n"
        )
