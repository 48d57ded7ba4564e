# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action links, run by Ansible: a users folder on the controller becomes a plan, or a list of all that is wrong in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.passwords import verify_password
from ansible_collections.vizgate.gateway.tests.unit.adhoc import run_module
from ansible_collections.vizgate.gateway.tests.unit.support import POLICY, Control, data, tree

VAULT_PASSWORD = "for these tests"


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """An empty folder of users files."""
    folder = tmp_path / "users"
    folder.mkdir()
    return folder


def links(folder: Path, *options: str, **arguments: Any) -> dict[str, Any]:
    """What a task with action links returns, and as `output` what else there is for people to read."""
    password = folder.parent / "vault-password"
    password.write_text(VAULT_PASSWORD, encoding="utf-8")
    vault = ("--vault-password-file", str(password))
    found, output = run_module(folder.parent, "links", {"src": str(folder), **arguments}, *vault, *options)
    return {**found, "output": output}


def vaulted(text: str) -> str:
    """A text as `ansible-vault encrypt` writes it."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    return VaultLib().encrypt(text, VaultSecret(VAULT_PASSWORD.encode())).decode()


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_touched(users: Path, gateway: Gateway) -> None:
    before = tree(gateway.paths.root)
    (users / "alice.yml").write_text(
        "links:\n  - name: a\n    port: 99999\n  - name: b\n    prt: 1\n", encoding="utf-8"
    )
    (users / "bob.yml").write_text("links:\n  - {name: a, port: 8000}\n  - {name: b, port: 22}\n", encoding="utf-8")
    (users / "carol.yml").write_text("links: [\n", encoding="utf-8")
    (users / "Dave.yml").write_text("", encoding="utf-8")
    (users / "eve.yml").write_text("logins:\n  - name: eve\n    password: !vault |\n      x\n", encoding="utf-8")
    (users / "README.md").write_text("not a users file", encoding="utf-8")
    result = links(users, root=gateway.paths.root, policy=POLICY)
    assert result["changed"] is False
    head, *lines = result["msg"].split("\n")
    assert head.endswith("7 problems in the users files, nothing was changed:")
    assert lines[:4] == [
        "users/Dave.yml:1: user 'Dave': the name is not of the form [a-z_][a-z0-9_-]{0,31}",
        "users/alice.yml:3: link 'a': port 99999 is not in 1-65535",
        "users/alice.yml:5: link 'b': unknown key 'prt'; did you mean 'port'?",
        "users/alice.yml:4: link 'b': it has no port",
    ]
    assert lines[4] == (
        "users/bob.yml:3: link 'b': port 22 is not in allowed_ports: 1024-65535 (gateway_* variables of the play)"
    )
    assert lines[5].startswith("users/carol.yml:2: this is not YAML: ")
    assert lines[6].startswith("users/eve.yml:3: ")
    assert len(lines) == 7
    assert tree(gateway.paths.root) == before


def test_a_folder_is_published_once(users: Path, gateway: Gateway, control: Control) -> None:
    root = gateway.paths.root
    secret = vaulted("geheim").replace("\n", "\n      ")
    (users / "alice.yml").write_text(
        f"links: [{{name: a, port: 8000}}]\nlogins:\n  - name: alice\n    password: !vault |\n      {secret}\n",
        encoding="utf-8",
    )
    (users / "bob.yml").write_text(vaulted("links: [{name: b, port: 8001}]\n"), encoding="utf-8")

    checked = links(users, "--check", "--diff", root=root)
    assert gateway.registry.everything() == {}
    done = links(users, "--diff", root=root)
    assert (checked.get("msg"), done.get("msg")) == (None, None)
    assert done["changed"] is checked["changed"] is True
    assert done["plan"] == checked["plan"]
    assert done["plan"] == [
        {"action": "add", "url": "/alice/a/", "target": "127.0.0.1:8000", "user": "alice"},
        {"action": "add login", "url": "/alice/", "target": "alice", "user": "alice"},
        {"action": "add", "url": "/bob/b/", "target": "127.0.0.1:8001", "user": "bob"},
    ]
    assert "geheim" not in json.dumps([checked, done])
    assert "$2y$" not in json.dumps([checked, done])
    (login,) = gateway.registry.sources("alice")["inventory"].logins
    assert verify_password("geheim", login.password_hash)

    before = tree(root)
    again = links(users, root=root)
    assert (again["changed"], again["plan"]) == (False, [])
    assert tree(root) == before


@pytest.mark.parametrize("check", [["--check"], []])
def test_an_empty_folder_withdraws_nobody_unless_that_is_meant(
    users: Path, gateway: Gateway, control: Control, check: list[str]
) -> None:
    root = gateway.paths.root
    # where nothing is declared, there is nothing to lose
    assert links(users, "--check", root=root)["changed"] is False
    gateway.declare("inventory", lambda registry: {"alice": data({"name": "a", "port": 8000})})
    before = tree(root)
    refused = links(users, *check, root=root)["msg"]
    assert (
        f"users folder {users} has no users files, so everything that source 'inventory' declares for alice would be removed;"
        in refused
    )
    assert "set gateway_users_dir_may_be_empty to true to remove everything" in refused
    assert tree(root) == before
    done = links(users, *check, "-e", "gateway_users_dir_may_be_empty=true", root=root)
    assert done["plan"] == [{"action": "remove", "url": "/alice/a/", "target": "127.0.0.1:8000", "user": "alice"}]
    assert gateway.registry.everything() == ({"alice": gateway.registry.sources("alice")} if check else {})


def test_a_folder_that_is_not_there(users: Path) -> None:
    message = "No such file or directory; give the folder of the users files"
    assert links(users / "nowhere", validate_only=True)["msg"].endswith(f"{users / 'nowhere'}: {message}")
