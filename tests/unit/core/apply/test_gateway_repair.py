# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verifying run repairs what was edited by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.outcome import Outcome
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render import user_files
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import (
    ALICE,
    BOB,
    MAP,
    PAGE,
    PASSWORDS,
    declare,
    files,
)
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, Control


def test_a_verifying_run_repairs_what_was_edited_by_hand(gateway: Gateway, control: Control) -> None:
    users = {"alice": ALICE, "bob": BOB}
    declare(gateway, users)
    right, entries = files(gateway), dict(control.entries)
    root = Path(gateway.paths.root)
    with (root / MAP.format("alice")).open("a", encoding="utf-8") as file:
        file.write('"alice/x" "strip 10.0.0.1:22";\n')
    (root / PASSWORDS.format("alice")).write_text(f"mallory:{HASH}\n", encoding="utf-8")
    (root / PAGE.format("bob")).unlink()
    control.entries.clear()

    assert declare(gateway, users) == Outcome(), "without verify nobody looks"
    outcome = declare(gateway, users, repair=True)
    assert outcome.changed
    assert {(step["action"], step["url"], os.path.relpath(step["target"], root)) for step in outcome.plan} == {
        ("repair", "/alice/", MAP.format("alice")),
        ("repair", "/alice/", PASSWORDS.format("alice")),
        ("repair", "/bob/", PAGE.format("bob")),
    }
    assert {os.path.relpath(found["after_header"], root) for found in outcome.diff} == {
        MAP.format("alice"),
        PASSWORDS.format("alice"),
        PAGE.format("bob"),
    }
    audit = "var/lib/vizgate/audit.jsonl"
    assert {**files(gateway), audit: b""} == {**right, audit: b""}
    # what stood there by hand is withdrawn, too
    assert {key: value for key, value in control.entries.items() if value} == entries
    assert declare(gateway, users, repair=True) == Outcome()


def test_a_verifying_run_removes_strangers(gateway: Gateway, control: Control) -> None:
    declare(gateway, {"alice": ALICE})
    root = Path(gateway.paths.root)
    for path in (MAP, PASSWORDS, PAGE):
        (root / path.format("mallory")).write_text("", encoding="utf-8")
        (root / path.format("mallory")).with_suffix(".txt").write_text("not ours", encoding="utf-8")
    outcome = declare(gateway, {"alice": ALICE}, repair=True)
    assert outcome.changed
    assert files(gateway)[MAP.format("mallory")] == user_files.EMPTY.encode()
    assert sorted(name for name in files(gateway) if "mallory" in name) == [
        MAP.format("mallory"),
        "etc/nginx/vizgate/links.d/mallory.txt",
        "etc/nginx/vizgate/logins.d/mallory.txt",
        "etc/nginx/vizgate/pages/mallory.txt",
    ]


@pytest.mark.parametrize("user", ["alice", "mallory"])
def test_what_nginx_has_read_from_an_edited_map_does_not_stay(gateway: Gateway, control: Control, user: str) -> None:
    declare(gateway, {"alice": ALICE})
    path = Path(gateway.paths.root, MAP.format(user))
    with path.open("a", encoding="utf-8") as file:
        file.write(f'"{user}/x" "strip 10.0.0.1:22";\n')
    outcome = declare(gateway, {"alice": ALICE}, repair=True)
    assert outcome.reload or control.entries.get(f"{user}/x") == "", (
        "nginx serves it until the change is published or nginx is reloaded"
    )
