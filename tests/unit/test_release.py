# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""galaxy.yml, the changelog and every `version_added` agree about the version."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

VERSION = yaml.safe_load((COLLECTION / "galaxy.yml").read_text(encoding="utf-8"))["version"]
RELEASES = yaml.safe_load((COLLECTION / "changelogs/changelog.yaml").read_text(encoding="utf-8"))["releases"]


def test_the_changelog_has_the_version_of_galaxy_yml_and_none_later() -> None:
    assert max(RELEASES, key=lambda version: tuple(map(int, version.split(".")))) == VERSION
    text = (COLLECTION / "CHANGELOG.md").read_text(encoding="utf-8").replace("\\", "")
    assert set(re.findall(r"^## v(\S+)$", text, re.MULTILINE)) == set(RELEASES)


def test_readme_installs_this_version() -> None:
    text = (COLLECTION / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"vizgate-gateway-(\d+\.\d+\.\d+)\.tar\.gz", text)) == {VERSION}


def added(folder: str) -> dict[str, set[str]]:
    """File → the versions in which it says that something was added."""
    found = {}
    for path in (COLLECTION / folder).rglob("*"):
        if path.suffix in (".py", ".yml"):
            versions = re.findall(r"^\s*version_added: \W?([\d.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
            found[str(path.relative_to(COLLECTION))] = set(versions)
    return {path: versions for path, versions in found.items() if versions}


@pytest.mark.parametrize("folder", ["plugins", "roles"])
def test_nothing_was_added_in_a_release_that_is_not_there(folder: str) -> None:
    assert {path: versions for path, versions in added(folder).items() if not versions <= RELEASES.keys()} == {}


def test_every_module_says_when_it_was_added() -> None:
    modules = {f"plugins/modules/{path.name}" for path in (COLLECTION / "plugins/modules").glob("[a-z]*.py")}
    assert len(modules) > 5
    assert modules <= added("plugins").keys()
