# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test` runs every suite and every scenario that there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

SUITE = COLLECTION / "tests/suite"


def test_every_suite_and_scenario_is_run() -> None:
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", "test"]
    found = subprocess.run(command, cwd=COLLECTION, check=True, capture_output=True, text=True).stdout
    scenarios = {path.parent.name for path in COLLECTION.glob("molecule/*/molecule.yml")}
    assert set(re.findall(r"--quiet molecule-\S+ molecule test --scenario-name (\S+)", found)) == scenarios
    suites = {path.name for path in COLLECTION.glob("tests/*") if path.is_dir() and list(path.rglob("test_*.py"))}
    # security is the tests of scenario hardened
    assert {path.split("/")[1] for path in re.findall(r"pytest (tests/\S+)", found)} == suites - {"security"}
    # and whatever did not run would be noticed
    run = re.findall(r"^\S* ?tests/suite (?:--quiet )?([a-z]\S*)", found, re.MULTILINE)
    assert sorted(re.findall(r"--summary (.*)", found)[-1].split()) == sorted(run)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """The program, in a folder of its own, where it finds no notes."""
    copy = tmp_path / "tests/suite"
    copy.parent.mkdir()
    copy.write_bytes(SUITE.read_bytes())
    copy.chmod(0o755)
    return copy


def said(suite: Path, *arguments: str) -> tuple[int, str]:
    """How it ended, and what it printed."""
    done = subprocess.run([suite, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, re.sub(r"\b\d+ s\b", "N s", re.sub(r" +", " ", done.stdout))


def test_the_summary_counts_tests_and_names_what_failed_or_did_not_run(suite: Path) -> None:
    lines = (
        "FAILED tests/x.py::test_y - why",
        "== 3 passed, 1 skipped in 0.12s ==",
        "= 1 failed, 2 passed, 1 error in 61.00s (0:01:01) =",
    )
    pytests = "; ".join(f"echo '{line}'" for line in lines)
    assert said(suite, "unit", "sh", "-c", f"{pytests}; exit 1")[0] == 1
    assert said(suite, "lint", "echo", "ok ruff (1 s)") == (0, "ok ruff (N s)\n")
    code, text = said(suite, "--quiet", "molecule-x", "sh", "-c", "echo secret; echo 'fatal: [h] why'; exit 2")
    assert (code, text.splitlines()[1:]) == (2, ["molecule-x FAILED after N s:", "fatal: [h] why"])
    assert said(suite, "--summary", "lint") == (
        1,
        "molecule-x:\nfatal: [h] why\nunit:\nFAILED tests/x.py::test_y - why\n"
        "lint ok N s 1 passed 0 failed\nmolecule-x FAILED N s 0 passed 0 failed\nunit FAILED N s 5 passed 2 failed\n"
        "2 suites failed: their logs are in .build/suites\n6 passed, 2 failed\n",
    )
    said(suite, "--begin")
    said(suite, "lint", "echo", "ok ruff (1 s)")
    assert said(suite, "--summary", "lint") == (0, "lint ok N s 1 passed 0 failed\n1 passed, 0 failed\n")
    assert said(suite, "--summary", "lint", "unit")[0] == 1
