# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command and the installed programs use public names of the core alone, and the command imports little at its start."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

FILES = COLLECTION / "roles/gateway/files"
PACKAGE = FILES / "cli/vizgate_cli"
PROGRAMS = sorted([*PACKAGE.rglob("*.py"), *(FILES / "bin").iterdir(), *(FILES / "libexec").iterdir()])
PUBLIC = {"_exit", "_asdict"}
"""Of `os` and of named tuples: Python documents them, whatever their first letter says."""
MODULES = 20
"""So many modules of the command and the core `vizgate add` may import; each takes about 0.1 ms."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def private_names(tree: ast.AST) -> Iterator[str]:
    """Private names of other modules and objects, but `self`, that a program uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from filter(is_private, [*(node.module or "").split("."), *(alias.name for alias in node.names)])
        elif isinstance(node, ast.Import):
            yield from filter(is_private, [part for alias in node.names for part in alias.name.split(".")])
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) != "self":
            yield node.attr


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(FILES)))
def test_no_private_name_of_another_module_is_used(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not list(private_names(tree))


def test_a_private_name_would_be_found() -> None:
    program = "import vizgate._a\nfrom vizgate.b import _c\nfrom vizgate._d import e\nvizgate.f._g()\nself._h()"
    assert sorted(private_names(ast.parse(program))) == ["_a", "_c", "_d", "_g"]


def test_a_command_loads_no_other_commands(tmp_path: Path) -> None:
    os.symlink(COLLECTION / "plugins/module_utils/_core", tmp_path / "vizgate")
    os.symlink(PACKAGE, tmp_path / "vizgate_cli")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from vizgate_cli import client
client.send = lambda request: {{"plan": []}}
from vizgate_cli.app import cli
cli(["add", "train", "--port", "8097"], standalone_mode=False)
print(*[name for name in sys.modules if name.split(".")[0] in ("vizgate", "vizgate_cli")])
"""
    done = subprocess.run([sys.executable, "-IBc", program], capture_output=True, text=True, check=True)
    imported = done.stdout.split()
    assert [name for name in imported if name.startswith("vizgate_cli.commands.")] == ["vizgate_cli.commands.links"]
    assert "vizgate.apply.gateway" not in imported
    assert len(imported) <= MODULES
