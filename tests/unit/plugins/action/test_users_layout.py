# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users files that attack the controller: no documented command runs code of theirs, from any folder, with Ansible's own defaults."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

BIN = Path(sys.executable).parent
LINKS = "links: [{name: a, port: 8000}]\n"


class Site:
    """A repository that uses the collection, with a marker that only somebody's code makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = folder / "code-was-run"
        self.inventory = folder / "inventories" / "lab"
        self.inventory.mkdir(parents=True)
        shutil.copy(COLLECTION / "inventories/example/hosts.yml", self.inventory)

    def attack(self, users: Path) -> None:
        """Puts a script, and a file with a template, into a users folder."""
        users.mkdir(parents=True)
        (users / "alice.yml").write_text(LINKS, encoding="utf-8")
        script = users / "mallory.yml"
        script.write_text(f'#!/usr/bin/env -S sh -c "touch {self.marker}; echo {{}}"\n{LINKS}', encoding="utf-8")
        script.chmod(0o755)
        template = f"{{{{ lookup('pipe', 'touch {self.marker}') }}}}"
        text = json.dumps({"all": {"vars": {"gateway_users_dir": template}}})
        (users / "eve.yml").write_text(text + "\n", encoding="utf-8")

    def run(self, program: str, *words: str) -> str:
        """What a program of Ansible's says, run with its default configuration."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        done = subprocess.run(
            [BIN / program, *words],
            cwd=self.folder,
            env={
                **environment,
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION / "collections"),
                "ANSIBLE_HOME": str(self.folder / ".ansible"),
                "ANSIBLE_NOCOLOR": "1",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout + done.stderr

    def converge(self, *words: str) -> str:
        """What the collection's playbook for links says, on this machine; it ends before the host is touched."""
        here = ["-c", "local", "-e", f"ansible_become=false ansible_python_interpreter={sys.executable}"]
        return self.run("ansible-playbook", "vizgate.gateway.links", "--check", *here, *words)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site without users."""
    return Site(tmp_path)


def test_no_code_of_a_users_file_runs_on_the_controller(site: Site) -> None:
    site.attack(site.folder / "users" / "lab")
    said = site.converge("-i", "inventories/lab")
    assert "lab/eve.yml:1: the file: unknown key 'all'" in said
    assert "1 problem in the users files, nothing was changed" in said
    site.run("ansible-inventory", "-i", "inventories/lab", "--list")
    site.run("ansible-inventory", "-i", "inventories", "--list")
    site.run("ansible-playbook", "vizgate.gateway.site", "--syntax-check", "-i", "inventories/lab")
    assert not site.marker.exists()


def test_users_files_below_an_inventory_are_refused_with_the_command_that_moves_them(site: Site) -> None:
    former = site.inventory / "users"
    former.mkdir()
    (former / "alice.yml").write_text(LINKS, encoding="utf-8")
    said = " ".join(site.converge("-i", "inventories/lab").split())
    assert f"users files are in {former}, below the inventory {site.inventory}" in said
    command = re.search(r"run: (mkdir -p \S+ && mv \S+ \S+?)\\?[\"\n ]", said)
    assert command, said
    subprocess.run(["sh", "-c", command[1]], check=True)
    assert (site.folder / "users/lab/alice.yml").read_text(encoding="utf-8") == LINKS
    assert "below the inventory" not in site.converge("-i", "inventories/lab")


@pytest.mark.parametrize("link", [False, True], ids=["the folder", "a link to it"])
def test_the_folder_that_a_variable_names_is_refused_as_well(site: Site, link: bool) -> None:
    named = site.inventory / "people"
    named.mkdir()
    (named / "alice.yml").write_text(LINKS, encoding="utf-8")
    if link:
        named = site.folder / "elsewhere"
        named.symlink_to(site.inventory / "people")
    said = " ".join(site.converge("-i", "inventories/lab", "-e", f"gateway_users_dir={named}").split())
    assert "below the inventory" in said
    assert f"and set gateway_users_dir to {site.folder}/users/lab" in said


def test_an_inventory_above_the_users_folder_is_refused(site: Site) -> None:
    users = site.folder / "users" / "lab"
    users.mkdir(parents=True)
    (users / "alice.yml").write_text(LINKS, encoding="utf-8")
    said = " ".join(site.converge("-i", ".").split())
    assert f"pass only the folder of the inventory: -i {site.inventory}" in said


def test_beside_an_inventory_that_is_named_as_a_file_users_files_stay_where_they_are(site: Site) -> None:
    site.attack(site.inventory / "users")
    assert "users/eve.yml:1: the file: unknown key 'all'" in site.converge("-i", "inventories/lab/hosts.yml")
    assert not site.marker.exists()


@pytest.mark.parametrize("place", ["users/lab", "inventories/lab/users"])
def test_nobody_is_off_boarded_who_has_a_users_file(site: Site, place: str) -> None:
    folder = site.folder / place
    folder.mkdir(parents=True)
    (folder / "alice.yaml").write_text(LINKS, encoding="utf-8")
    play = site.folder / "play.yml"
    variables = str(COLLECTION / "roles/accounts/vars/main.yml")
    tasks = [{"ansible.builtin.include_vars": variables}, {"ansible.builtin.debug": {"var": "__accounts_users_files"}}]
    absent = [{"name": name, "state": "absent"} for name in ("alice", "bob")]
    plays = [{"hosts": "all", "gather_facts": False, "vars": {"accounts_users": absent}, "tasks": tasks}]
    play.write_text(json.dumps(plays), encoding="utf-8")
    said = site.run("ansible-playbook", str(play), "-i", "inventories/lab/hosts.yml", "-c", "local")
    assert re.search(rf'"__accounts_users_files": \[\s*"{folder}/alice.yaml"\s*\]', said), said
