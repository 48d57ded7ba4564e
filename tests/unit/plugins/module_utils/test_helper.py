# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the root helper imports; what it does is tested where there are root, sudo and accounts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.vizgate.gateway.plugins.module_utils import _helper

SLOW = (
    "dataclasses",
    "datetime",
    "difflib",
    "inspect",
    "jinja2",
    "queue",
    "shutil",
    "subprocess",
    "tempfile",
    "threading",
)
"""Modules that together take longer to import than all others; docs/decisions/helper-start.md."""


def test_nothing_slow_is_on_the_way_of_a_change(tmp_path: Path) -> None:
    os.symlink(os.path.dirname(_helper.__file__), tmp_path / "vizgate")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        " from vizgate import _apply, _helper, _paths, _registry, _self; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-IBS", "-c", program], capture_output=True, text=True, check=True)
    imported = done.stdout.split()
    assert "vizgate._apply" in imported
    assert not set(SLOW) & set(imported)
