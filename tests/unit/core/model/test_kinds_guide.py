# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide tells of every kind what the core knows of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS, Kind

GUIDE = Path(__file__).parents[4] / "docs/guide/links.md"


def row(kind: Kind) -> str:
    """A kind in the guide's table: how to start it for /alice/run on port 9000, and what to mind."""
    command = " ".join(kind.command("/alice/run", "127.0.0.1", 9000, "gate.example.org:1234"))
    return f"| `{kind.name}` | {kind.prefix} | `{command}`{'; ' if kind.note else ''}{kind.note} |\n"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_guide_has_the_kind(kind: Kind) -> None:
    assert row(kind) in GUIDE.read_text(encoding="utf-8"), f"docs/guide/links.md needs the line: {row(kind)}"


def test_the_guide_has_no_other_kind() -> None:
    table = GUIDE.read_text(encoding="utf-8").split("| kind | prefix |")[1].split("\n\n")[0]
    assert table.count("\n| `") == len(KINDS)
