# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffs, and runs in check mode."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import (
    ALICE,
    BOB,
    MAP,
    PAGE,
    PASSWORDS,
    changes,
    declare,
    files,
)
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, OTHER_HASH, Control, data, tree


def test_the_diff_begins_with_urls_and_shows_no_secret(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE, "bob": BOB})
    changed = data(
        {"name": "notes", "port": 9000, "description": "x\ny"},
        {"name": "new", "port": 9001, "prefix": "keep"},
        logins=[{"name": "alice", "password_hash": OTHER_HASH}, {"name": "guest", "password_hash": HASH}],
    )
    outcome = declare(gateway, {"alice": changed, "bob": BOB})
    assert outcome.diff[0] == {
        "before_header": "links",
        "after_header": "links",
        "before": "/alice/notes/ -> 127.0.0.1:9000 (http, prefix strip)\n"
        "/alice/training/ -> 127.0.0.1:8097 (visdom, prefix keep)  # 'Loss'\n"
        "/alice/ opened by login alice\n",
        "after": "/alice/new/ -> 127.0.0.1:9001 (http, prefix keep)\n"
        r"/alice/notes/ -> 127.0.0.1:9000 (http, prefix strip)  # 'x\ny'" + "\n"
        "/alice/ opened by login alice (password changes)\n"
        "/alice/ opened by login guest\n",
    }
    headers = [found["after_header"] for found in outcome.diff[1:]]
    assert headers == [os.path.join(gateway.paths.root, path.format("alice")) for path in (MAP, PASSWORDS, PAGE)]
    assert outcome.diff[2]["before"] == "alice:(hash not shown)\n"
    assert outcome.diff[2]["after"] == "alice:(hash not shown)\nguest:(hash not shown)\n"
    assert "$2y$" not in json.dumps(outcome.diff)
    assert "$2y$" not in json.dumps(outcome.plan)


def test_a_new_password_alone_is_a_visible_difference(gateway: Gateway) -> None:
    declare(gateway, {"bob": BOB})
    outcome = declare(
        gateway, {"bob": data(BOB.as_json()["links"][0], logins=[{"name": "bob", "password_hash": HASH}])}
    )
    assert outcome.diff[0]["before"] != outcome.diff[0]["after"]


def test_a_diff_is_made_where_it_is_wanted(gateway: Gateway) -> None:
    outcome = declare(gateway, {"alice": ALICE}, diff=False)
    assert outcome.changed
    assert outcome.diff == []


def test_a_diff_holds_no_control_characters(gateway: Gateway) -> None:
    # a terminal would obey them
    outcome = declare(gateway, {"alice": data({"name": "a", "port": 9000, "description": "\x1b[2J\x9b2J\u202e"})})
    text = "".join(found["before"] + found["after"] for found in outcome.diff)
    assert not set(text) & {"\x1b", "\x9b", "\u202e"}


# check mode


def test_check_mode_tells_and_does_nothing(gateway: Gateway, control: Control) -> None:
    declare(gateway, {"alice": ALICE})
    declare(gateway, {"alice": data({"name": "app", "port": 9100})}, source="apps")
    before, bodies = files(gateway), list(control.bodies)
    with gateway.registry.locked():
        told = declare(gateway, {"bob": BOB}, prune=True, check=True, repair=True)
    assert files(gateway) == before
    assert control.bodies == bodies
    done = declare(gateway, {"bob": BOB}, prune=True, repair=True)
    assert told == done
    assert told.changed


def test_check_mode_on_a_host_that_is_yet_to_become_a_gateway(root: str) -> None:
    coming = Policy(("127.0.0.0/8",), ("1024-65535",))
    outcome = declare(Gateway(Paths(root)), {"alice": ALICE}, check=True, new_policy=coming)
    assert outcome.changed
    assert changes(outcome.plan)[0] == ("add", "/alice/notes/", "127.0.0.1:9000")
    assert tree(root) == {}
    with pytest.raises(InvalidData, match="is not in allowed_hosts"):
        declare(
            Gateway(Paths(root)), {"a": data({"name": "a", "host": "x", "port": 8097})}, check=True, new_policy=coming
        )


def test_check_mode_hashes_nothing(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # htpasswd may not be there yet, and thousands of hashes take minutes
    monkeypatch.setenv("PATH", "/nonexistent")
    coming = Policy(("127.0.0.0/8",), ("1024-65535",))
    users = {"alice": data(logins=[{"name": "alice", "password": "geheim"}])}
    outcome = declare(Gateway(Paths(root)), users, check=True, new_policy=coming)
    assert changes(outcome.plan) == [("add login", "/alice/", "alice")]
