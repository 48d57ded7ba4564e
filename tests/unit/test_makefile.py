# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test` runs every suite and every scenario that there is."""

from __future__ import annotations

import re
import subprocess

from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION


def test_every_suite_and_scenario_is_run() -> None:
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", "test"]
    found = subprocess.run(command, cwd=COLLECTION, check=True, capture_output=True, text=True).stdout
    scenarios = {path.parent.name for path in COLLECTION.glob("molecule/*/molecule.yml")}
    assert set(re.findall(r"tests/scenario (\S+)", found)) == scenarios
    suites = {path.name for path in COLLECTION.glob("tests/*") if path.is_dir() and list(path.rglob("test_*.py"))}
    # security is the tests of scenario fortress
    assert {path.split("/")[1] for path in re.findall(r"pytest (tests/\S+)", found)} == suites - {"security"}
