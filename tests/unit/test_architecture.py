# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package of the core may import which: those of its own line and of the lines below, never the other way round."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

CORE = COLLECTION / "plugins/module_utils/_core"
LINES = [
    {"selfservice", "migrate"},
    {"apps", "diagnose"},
    {"apply"},
    {"render", "registry"},
    {"ports"},
    {"net", "logs", "host"},
    {"model"},
    {"errors", "fs", "paths", "text"},
]
"""From the top down; docs/architecture.md says what is in each."""
LEVEL = {name: level for level, names in enumerate(LINES) for name in names}
MODULES = sorted(path.relative_to(CORE) for path in CORE.rglob("*.py") if path.name != "__init__.py")


def room(path: Path) -> str:
    """The package, or the module beside the packages."""
    return path.parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The packages of the core that a module imports, also inside of functions."""
    found = set()
    for node in ast.walk(ast.parse((CORE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = path.parts[: len(path.parts) - node.level]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {(*place, *name.split("."))[0] for name in names}
    return found


def test_every_package_has_its_line() -> None:
    assert {room(path) for path in MODULES} == LEVEL.keys()
    assert all((CORE / name / "__init__.py").read_bytes() == b"" for name in LEVEL if (CORE / name).is_dir())


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_lead_down(path: Path) -> None:
    mine = room(path)
    above = [name for name in imported(path) - {mine} if LEVEL[name] <= LEVEL[mine]]
    assert not above, f"{mine} may not import {above}"


def test_the_core_imports_nothing_else_of_the_collection() -> None:
    texts = [(CORE / path).read_text(encoding="utf-8") for path in MODULES]
    assert not [text for text in texts if "ansible_collections" in text or "from ansible" in text]
