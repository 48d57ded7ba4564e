# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From declared to served: plans, pruning, and what is on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.outcome import Outcome
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.sources import effective_data
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render import user_files
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import (
    ALICE,
    BOB,
    MAP,
    PAGE,
    PASSWORDS,
    REGISTRY,
    changes,
    declare,
    files,
)
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, OTHER_HASH, Control, data


def test_a_first_declaration(gateway: Gateway, control: Control) -> None:
    outcome = declare(gateway, {"alice": ALICE, "bob": BOB})
    assert (outcome.changed, outcome.reload, outcome.unsettled) == (True, False, False)
    assert outcome.plan == [
        {"action": "add", "url": "/alice/notes/", "target": "127.0.0.1:9000", "user": "alice"},
        {"action": "add", "url": "/alice/training/", "target": "127.0.0.1:8097", "user": "alice"},
        {"action": "add login", "url": "/alice/", "target": "alice", "user": "alice"},
        {"action": "add", "url": "/bob/lab/", "target": "127.0.0.1:8888", "user": "bob"},
        {"action": "add login", "url": "/bob/", "target": "bob", "user": "bob"},
    ]
    found = files(gateway)
    for user in ("alice", "bob"):
        for path in (MAP, PASSWORDS, PAGE):
            assert path.format(user) in found
    assert gateway.registry.everything() == {"alice": {"inventory": ALICE}, "bob": {"inventory": BOB}}
    assert found[PASSWORDS.format("bob")] == f"bob:{OTHER_HASH}\n".encode()
    assert b'"bob/lab" "keep 127.0.0.1:8888";\n' in found[MAP.format("bob")]
    assert control.entries["alice/training"] == "keep 127.0.0.1:8097"
    assert control.entries["alice/notes"] == "strip 127.0.0.1:9000"
    generation, *logins = control.entries["alice/"].split()
    assert (len(generation), logins) == (24, ["alice"])


@pytest.mark.parametrize("options", [{}, {"prune": True}, {"repair": True}, {"prune": True, "repair": True}])
def test_the_same_again_changes_nothing(gateway: Gateway, control: Control, options: dict[str, bool]) -> None:
    users = {"alice": ALICE, "bob": BOB}
    declare(gateway, users)
    before = files(gateway)
    assert declare(gateway, users, **options) == Outcome()
    assert files(gateway) == before


@pytest.mark.parametrize("description", ["a\rb", "a\r\nb", "a\nb\n", "\0", "\x85\u2028", "\ufeff", "ü\u202e"])
def test_the_same_again_changes_nothing_whatever_the_description(gateway: Gateway, description: str) -> None:
    users = {"alice": data({"name": "a", "port": 8097, "description": description})}
    declare(gateway, users)
    assert declare(gateway, users, repair=True) == Outcome()


def test_a_change_is_planned_as_such(gateway: Gateway, control: Control) -> None:
    declare(gateway, {"alice": ALICE})
    changed = data(
        {"name": "training", "kind": "visdom", "port": 8098, "description": "Loss"},
        {"name": "new", "host": "10.0.0.5", "port": 9001},
        logins=[{"name": "alice", "password_hash": OTHER_HASH}, {"name": "guest", "password_hash": HASH}],
    )
    generation = control.entries["alice/"]
    outcome = declare(gateway, {"alice": changed})
    assert changes(outcome.plan) == [
        ("add", "/alice/new/", "10.0.0.5:9001"),
        ("change", "/alice/training/", "127.0.0.1:8098"),
        ("remove", "/alice/notes/", "127.0.0.1:9000"),
        ("change login", "/alice/", "alice"),
        ("add login", "/alice/", "guest"),
    ]
    assert control.entries == {
        "alice/": control.entries["alice/"],
        "alice/new": "strip 10.0.0.5:9001",
        "alice/notes": "",
        "alice/training": "keep 127.0.0.1:8098",
    }
    assert control.entries["alice/"] not in ("", generation)
    assert b"notes" not in files(gateway)[MAP.format("alice")]


def test_a_removed_user_leaves_nothing_but_an_empty_map(gateway: Gateway, control: Control) -> None:
    declare(gateway, {"alice": ALICE, "bob": BOB})
    outcome = declare(gateway, {"bob": BOB}, prune=True)
    assert changes(outcome.plan) == [
        ("remove", "/alice/notes/", "127.0.0.1:9000"),
        ("remove", "/alice/training/", "127.0.0.1:8097"),
        ("remove login", "/alice/", "alice"),
    ]
    # an nginx that has listed the folder would not start without it
    assert {name: text for name, text in files(gateway).items() if "alice" in name} == {
        MAP.format("alice"): user_files.EMPTY.encode()
    }
    assert not declare(gateway, {"bob": BOB}, prune=True, repair=True).changed
    assert os.listdir(gateway.paths.users) == ["bob"]
    assert {key: value for key, value in control.entries.items() if key.startswith("alice")} == {
        "alice/": "",
        "alice/notes": "",
        "alice/training": "",
    }
    assert control.entries["bob/lab"] == "keep 127.0.0.1:8888"


def test_a_removed_link_is_withdrawn_even_where_its_map_is_gone_already(gateway: Gateway, control: Control) -> None:
    declare(gateway, {"alice": ALICE})
    os.unlink(os.path.join(gateway.paths.root, MAP.format("alice")))
    declare(gateway, {"alice": UserData()})
    assert control.entries == {"alice/": "", "alice/notes": "", "alice/training": ""}


def test_only_a_complete_declaration_prunes_and_only_its_own_source(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE, "bob": BOB})
    declare(gateway, {"alice": data({"name": "app", "port": 9100})}, source="apps")
    assert changes(declare(gateway, {"bob": BOB}).plan) == []
    declare(gateway, {}, prune=True)
    assert gateway.registry.everything() == {"alice": {"apps": data({"name": "app", "port": 9100})}}
    assert b'"alice/app"' in files(gateway)[MAP.format("alice")]
    assert b"training" not in files(gateway)[MAP.format("alice")]


def test_sources_are_served_together(gateway: Gateway, control: Control) -> None:
    declare(gateway, {"alice": ALICE})
    outcome = declare(gateway, {"alice": data({"name": "app", "port": 9100})}, source="apps")
    assert changes(outcome.plan) == [("add", "/alice/app/", "127.0.0.1:9100")]
    assert [link.name for link in effective_data(gateway.registry.sources("alice")).links] == [
        "app",
        "notes",
        "training",
    ]
    found = files(gateway)
    assert found[MAP.format("alice")].count(b'"alice/') == 4
    assert REGISTRY.format("alice", "inventory") in found
    assert REGISTRY.format("alice", "apps") in found


def test_a_declaration_may_build_on_what_is_there(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE})
    outcome = gateway.declare("inventory", lambda registry: {"alice": registry.sources("alice")["inventory"]})
    assert not outcome.changed


def test_without_a_live_nginx_a_change_asks_for_a_reload(gateway: Gateway) -> None:
    assert declare(gateway, {"alice": ALICE}).reload
    outcome = declare(gateway, {"alice": ALICE})
    assert (outcome.changed, outcome.reload) == (False, False)


def test_an_nginx_without_room_is_reloaded(gateway: Gateway, control: Control) -> None:
    control.status = 507
    outcome = declare(gateway, {"alice": ALICE})
    assert (outcome.changed, outcome.reload, outcome.unsettled) == (True, True, True)


def test_nothing_is_published_before_it_is_on_disk(gateway: Gateway, control: Control) -> None:
    seen = []
    control.before = lambda: seen.append((files(gateway), os.path.exists(gateway.paths.journal)))
    declare(gateway, {"alice": ALICE})
    ((found, undecided),) = seen
    assert b'"alice/training"' in found[MAP.format("alice")]
    assert not [name for name in found if name.endswith(".new")]
    assert undecided, "a process killed while it publishes has to publish again"
    assert not os.path.exists(gateway.paths.journal)


def test_secrets_are_not_for_everybody(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE})
    for path in (PASSWORDS.format("alice"), REGISTRY.format("alice", "inventory")):
        mode = os.stat(os.path.join(gateway.paths.root, path)).st_mode
        assert not mode & (stat.S_IRWXO | stat.S_IWGRP)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_nginx_reads_what_is_written_under_any_umask(gateway: Gateway, umask: int) -> None:
    former = os.umask(umask)
    try:
        declare(gateway, {"alice": ALICE})
    finally:
        os.umask(former)
    for path in (MAP, PASSWORDS, PAGE):
        mode = os.stat(os.path.join(gateway.paths.root, path.format("alice"))).st_mode
        assert stat.S_IMODE(mode) == 0o640


def test_what_a_run_was_made_from_is_remembered(gateway: Gateway) -> None:
    gateway.save_fingerprint("inventory", "abc\n")
    assert Path(gateway.paths.fingerprint("inventory")).read_text(encoding="utf-8") == "abc\n"
