# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible reads of a users folder in which anybody may have put anything: regular files, and only their own secrets."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.vizgate.gateway.tests.unit.adhoc import run_module

SECRET = "the-secret-of-the-site"
APP = "apps:\n  - name: a\n    repo: https://git.example.org/a.git\n    entry: a:b\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A users folder."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "site-password").write_text("of the site", encoding="utf-8")
    (tmp_path / "users-password").write_text("of users", encoding="utf-8")
    return tmp_path / "lab"


def apps(folder: Path, *vaults: str) -> dict[str, Any]:
    """What a task returns that lists the apps of a users folder, with the secrets of some vault ids."""
    secrets = [word for vault in vaults for word in ("--vault-id", f"{vault}@{folder.parent / f'{vault}-password'}")]
    found, output = run_module(folder.parent, "apps", {"src": str(folder), "state": "listed"}, "-vvv", *secrets)
    assert SECRET not in output
    return found


def vaulted(text: str, vault: str = "site", *, label: str = "") -> str:
    """A text as `ansible-vault encrypt --vault-id` writes it; whatever its `label` says."""
    secret = VaultSecret({"site": b"of the site", "users": b"of users"}[vault])
    return str(VaultLib().encrypt(text, secret, vault_id=label or vault).decode())


def value(text: str) -> str:
    """A vaulted text as a value of a users file."""
    return "!vault |\n" + "".join(f"          {line}\n" for line in text.splitlines())


def test_nothing_but_small_regular_files_is_opened(folder: Path) -> None:
    (folder / "good.yml").write_text(APP, encoding="utf-8")
    key = folder.parent / "key"
    key.write_text(f"{SECRET}: 1\n", encoding="utf-8")
    for name, target in (("link", key), ("zero", "/dev/zero"), ("gone", "/nowhere"), ("loop", "loop.yml")):
        (folder / f"{name}.yml").symlink_to(target)
    os.mkfifo(folder / "pipe.yml")
    (folder / "folder.yml").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.yml"))
    with (folder / "large.yml").open("wb") as file:
        file.truncate(2**40)
    (folder / "latin.yml").write_bytes(b"links: \xff")
    message = apps(folder)["msg"]
    head, *lines = message.partition("problems in the users files")[2].split("\n")
    assert head == ", nothing was changed:"
    assert lines == [
        "lab/folder.yml:1: this is not a regular file",
        "lab/gone.yml:1: this is a symbolic link; a users file is a regular file",
        "lab/large.yml:1: this file has more than 1048576 bytes",
        "lab/latin.yml:1: this is not UTF-8",
        "lab/link.yml:1: this is a symbolic link; a users file is a regular file",
        "lab/loop.yml:1: this is a symbolic link; a users file is a regular file",
        "lab/pipe.yml:1: this is not a regular file",
        "lab/socket.yml:1: this is not a regular file",
        "lab/zero.yml:1: this is a symbolic link; a users file is a regular file",
    ]


def test_many_problems_do_not_fill_the_screen(folder: Path) -> None:
    for number in range(2000):
        (folder / f"u{number}.yml").symlink_to("/dev/zero")
    lines = apps(folder)["msg"].splitlines()
    assert len(lines) == 1002
    assert lines[-1] == "there are more problems; fix these first"


def test_many_files_do_not_fill_the_memory(folder: Path) -> None:
    for number in range(80):
        with (folder / f"u{number}.yml").open("wb") as file:
            file.truncate(2**20)
    assert f"the users files in {folder} have more than 67108864 bytes together" in apps(folder)["msg"]


def test_a_secret_of_the_site_that_is_pasted_into_a_users_file_reaches_no_app(folder: Path) -> None:
    # its author chooses the label, and the password decides
    for name, label in (("alice", "site"), ("bob", "users")):
        pasted = value(vaulted(SECRET, "site", label=label))
        (folder / f"{name}.yml").write_text(f"{APP}    secrets:\n      A: {pasted}", encoding="utf-8")
    lines = apps(folder, "site", "users")["msg"].splitlines()[1:]
    assert [line.partition(": this value cannot be decrypted: ")[0] for line in lines] == [
        f"lab/{name}.yml:6: app 'a': secrets: 'A'" for name in ("alice", "bob")
    ]
    (line,) = {line.partition("decrypted: ")[2] for line in apps(folder, "site")["msg"].splitlines()[1:]}
    assert line == "vaulted values of apps need vault id users; run with --vault-id users@prompt"


def test_values_with_the_vault_id_of_users_reach_their_app(folder: Path) -> None:
    own = value(vaulted(SECRET, "users"))
    login = value(vaulted(SECRET, "site"))
    text = (
        f"{APP}    secrets:\n      A: {own}    environment:\n      B: {own}logins:\n  - name: a\n    password: {login}"
    )
    (folder / "alice.yml").write_text(text, encoding="utf-8")
    assert [app["name"] for app in apps(folder, "site", "users")["apps"]] == ["a"]


def test_no_message_shows_what_was_vaulted(folder: Path) -> None:
    (folder / "alice.yml").write_text(vaulted(f"db_password: {SECRET}\n{SECRET}: [{SECRET}]\n"), encoding="utf-8")
    pasted = value(vaulted(SECRET)).replace("          ", "      ")
    (folder / "bob.yml").write_text(f"links:\n  - name: a\n    port: 80\n    kind: {pasted}", encoding="utf-8")
    (folder / "carol.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n61\n", encoding="utf-8")
    head, carol, *lines = apps(folder, "site")["msg"].splitlines()
    assert head.endswith("4 problems in the users files, nothing was changed:")
    assert carol.startswith("lab/carol.yml:1: this cannot be decrypted: ")
    hidden = "this is invalid; the text is not shown because the file is vaulted; see it with ansible-vault view"
    assert lines[:2] == [f"lab/alice.yml:1: {hidden}", f"lab/alice.yml:2: {hidden}"]
    assert lines[2].startswith("lab/bob.yml:4: link 'a': kind '!vault' is not known")
