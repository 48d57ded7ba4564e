# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From declared to served: plans, diffs, conflicts, pruning, repair, and nothing by halves whatever fails."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import pwd
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core import fs
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control as control_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import nginx_check
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import (
    HashingFailed,
    InvalidData,
    Locked,
    NginxRefused,
)
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import passwords
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.outcome import Outcome
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.sources import effective_data
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import resolve
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry import audit as audit_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry.store import me
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render import user_files
from ansible_collections.vizgate.gateway.tests.unit.support import (
    HASH,
    OTHER_HASH,
    TEMPLATES,
    Control,
    Faulty,
    Killed,
    data,
    make_gateway,
    tree,
)

ALICE = data(
    {"name": "training", "kind": "visdom", "port": 8097, "description": "Loss"},
    {"name": "notes", "port": 9000},
    logins=[{"name": "alice", "password_hash": HASH}],
)
BOB = data({"name": "lab", "kind": "jupyter", "port": 8888}, logins=[{"name": "bob", "password_hash": OTHER_HASH}])

MAP = "etc/nginx/vizgate/links.d/{}.map"
PASSWORDS = "etc/nginx/vizgate/logins.d/{}.htpasswd"
PAGE = "etc/nginx/vizgate/pages/{}.html"
REGISTRY = "var/lib/vizgate/users/{}/{}.json"


def declare(gateway: Gateway, users: dict[str, UserData], source: str = "inventory", **options: Any) -> Outcome:
    """Declares the users as one source."""
    return gateway.declare(source, lambda registry: users, Options(**options))


def files(gateway: Gateway) -> dict[str, bytes]:
    """All files of the gateway."""
    return tree(gateway.paths.root)


def changes(plan: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """A plan without the users, which are in the URLs."""
    return [(step["action"], step["url"], step["target"]) for step in plan]


@pytest.fixture
def no_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the tests that run many transactions the nginx -t in each."""
    monkeypatch.setattr(nginx_check, "check_maps", lambda folder, maps: None)


# the plan, and what is on disk


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


# off-boarding


def own(gateway: Gateway, user: str, *links: dict[str, Any], **more: Any) -> None:
    """Declares a user's own links, as the user does."""
    as_user = Gateway(gateway.paths, actor=user)
    declare(as_user, {user: data(*links)._replace(**more)}, source="self")


def test_a_withdrawn_user_has_nothing_of_any_source_left_and_others_keep_all(
    gateway: Gateway, control: Control
) -> None:
    own(gateway, "alice", {"name": "training", "port": 9001}, {"name": "own", "port": 9002}, moving=("own",))
    declare(gateway, {"alice": ALICE, "bob": BOB})
    declare(gateway, {"alice": data({"name": "app", "port": 9100})}, source="apps")
    untouched = {name: text for name, text in files(gateway).items() if "bob" in name}
    checked = gateway.withdraw("alice", check=True)
    assert len(gateway.registry.sources("alice")) == 3
    outcome = gateway.withdraw("alice")
    assert (outcome.changed, outcome.reload, outcome.plan) == (True, False, checked.plan)
    assert outcome.diff == checked.diff
    assert changes(outcome.plan) == [
        ("remove", "/alice/app/", "127.0.0.1:9100"),
        ("remove", "/alice/notes/", "127.0.0.1:9000"),
        ("remove", "/alice/own/", "127.0.0.1:9002"),
        ("remove", "/alice/training/", "127.0.0.1:8097"),
        ("remove login", "/alice/", "alice"),
        ("close", "/alice/", "history"),
    ]
    assert gateway.registry.everything() == {"bob": {"inventory": BOB}}
    assert not os.path.exists(os.path.join(gateway.paths.users, "alice"))
    kept = {"etc/nginx/vizgate/links.d/alice.map", "var/lib/vizgate/audit/alice.jsonl"}
    assert {name for name in files(gateway) if "alice" in name} == kept
    assert {name: text for name, text in files(gateway).items() if "bob" in name} == untouched
    assert not any(entry for key, entry in control.entries.items() if key.startswith("alice/"))
    assert control.entries["bob/lab"] == "keep 127.0.0.1:8888"


def test_a_withdrawal_is_one_transaction(gateway: Gateway, control: Control) -> None:
    own(gateway, "alice", {"name": "training", "port": 9001})
    declare(gateway, {"alice": data({"name": "training", "port": 9000})})
    told = len(control.bodies)
    gateway.withdraw("alice")
    # what yields to inventory's must not come back for a moment
    assert control.bodies[told:] == ["alice/training\t\n"]


def test_a_withdrawal_again_changes_nothing(gateway: Gateway, control: Control) -> None:
    declare(gateway, {"alice": ALICE})
    gateway.withdraw("alice")
    before = files(gateway)
    assert gateway.withdraw("alice", check=True) == gateway.withdraw("alice") == Outcome()
    assert gateway.withdraw("nobody") == Outcome()
    assert files(gateway) == before


def test_a_withdrawal_is_audited(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE, "bob": BOB})
    own(gateway, "alice", {"name": "own", "port": 9002})
    gateway.withdraw("alice")
    log, of_alice = (
        [json.loads(line) for line in Path(gateway.paths.audit(user)).read_text().splitlines()]
        for user in ("", "alice")
    )
    assert [line["action"] for line in log if line["source"] == "withdraw"] == [
        *("remove", "remove", "remove", "remove login", "close")
    ]
    assert [(line["source"], line["action"]) for line in of_alice] == [("self", "add"), ("withdraw", "close")]


def test_a_withdrawal_closes_a_history_of_which_nothing_else_is_left(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE, "bob": BOB})
    declare(gateway, {"alice": UserData()})
    own(gateway, "alice", {"name": "own", "port": 9002})
    own(gateway, "alice")
    outcome = gateway.withdraw("alice")
    assert (outcome.changed, changes(outcome.plan)) == (True, [("close", "/alice/", "history")])
    assert not any(gateway.registry.history("alice").values())
    assert any(gateway.registry.history("bob").values())
    own(gateway, "alice", {"name": "own", "port": 9003})
    assert [line["target"] for log in gateway.registry.history("alice").values() for line in log] == ["127.0.0.1:9003"]


def test_a_closed_history_stays_closed_whichever_log_forgets_first(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "AUDIT_BYTES", 1500)
    own(gateway, "alice", {"name": "secret", "port": 9002})
    gateway.withdraw("alice")
    for port in range(9000, 9030):
        declare(gateway, {"bob": data({"name": "a", "port": port})})
    assert "alice" not in Path(gateway.paths.audit()).read_text() + Path(gateway.paths.audit() + ".1").read_text()
    assert not any(gateway.registry.history("alice").values())


def test_after_a_withdrawal_the_same_users_files_are_published_again(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE})
    gateway.save_fingerprint("inventory", "seen\n")
    gateway.withdraw("alice", check=True)
    assert os.path.exists(gateway.paths.fingerprint("inventory"))
    gateway.withdraw("alice")
    assert not os.path.exists(gateway.paths.fingerprint("inventory"))


def test_a_withdrawal_needs_no_policy_and_no_nginx(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE})
    os.unlink(gateway.paths.policy)
    assert gateway.withdraw("alice").reload
    assert gateway.registry.everything() == {}


@pytest.mark.parametrize("user", ["../alice", "", "Alice", "vizgate"])
def test_a_withdrawal_is_a_users(gateway: Gateway, user: str) -> None:
    before = files(gateway)
    with pytest.raises(InvalidData, match="the name is"):
        gateway.withdraw(user)
    assert files(gateway) == before


# what is refused


def refusal(gateway: Gateway, users: dict[str, UserData], source: str = "inventory", **options: Any) -> list[str]:
    """The problems of a declaration, which has to leave everything as it was."""
    before = files(gateway)
    with pytest.raises(InvalidData) as error:
        declare(gateway, users, source, **options)
    assert files(gateway) == before
    return error.value.problems


def test_a_name_belongs_to_one_source(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE, "bob": BOB})
    again = data(
        {"name": "training", "port": 9100},
        {"name": "free", "port": 9101},
        logins=[{"name": "alice", "password_hash": HASH}],
    )
    assert refusal(gateway, {"alice": again, "bob": data({"name": "lab", "port": 9102})}, source="apps") == [
        "user 'alice': link 'training' belongs to source 'inventory'; remove it there, or take another name",
        "user 'alice': login 'alice' belongs to source 'inventory'; remove it there, or take another name",
        "user 'bob': link 'lab' belongs to source 'inventory'; remove it there, or take another name",
    ]


def test_the_same_name_of_another_user_is_free(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE})
    assert declare(gateway, {"bob": ALICE}, source="apps").changed


def test_a_name_that_its_source_gave_up_is_free(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE})
    declare(gateway, {"alice": UserData()})
    assert declare(gateway, {"alice": ALICE}, source="apps").changed


def test_what_the_policy_refuses_all_at_once(gateway: Gateway) -> None:
    policy = gateway.paths.policy
    users = {
        "alice": data({"name": "a", "host": "8.8.8.8", "port": 8097}, {"name": "b", "port": 22}),
        "bob": data({"name": "c", "host": "169.254.169.254", "port": 8097}),
    }
    assert refusal(gateway, users) == [
        "user 'alice': link 'a': host '8.8.8.8' is not in allowed_hosts: 127.0.0.0/8, 10.0.0.0/8, fd00::/8, *"
        f" ({policy})",
        f"user 'alice': link 'b': port 22 is not in allowed_ports: 1024-65535 ({policy})",
        "user 'bob': link 'c': address 169.254.169.254 is never allowed as a target (built-in rule 169.254.0.0/16)",
    ]


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ("Alice", "user 'Alice': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
        ("../x", "user '../x': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
        ("a/b", "user 'a/b': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
        ("vizgate", "user 'vizgate': the name is reserved; take another"),
    ],
)
def test_users_names_are_checked_here_too(gateway: Gateway, user: str, text: str) -> None:
    assert refusal(gateway, {user: ALICE}) == [text]


@pytest.mark.parametrize("source", ["", "../x", "a.b", "A"])
def test_sources_names_are_checked(gateway: Gateway, source: str) -> None:
    assert refusal(gateway, {"alice": ALICE}, source) == [
        f"source '{source}': the name is not of the form [a-z][a-z0-9_-]{{0,31}}"
    ]


def test_a_host_without_a_gateway(root: str) -> None:
    with pytest.raises(InvalidData, match=r"policy\.json is missing: no gateway is installed here"):
        declare(Gateway(Paths(root)), {"alice": ALICE})
    assert tree(root) == {}


def test_a_damaged_registry_is_not_written_over(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE})
    path = os.path.join(gateway.paths.root, REGISTRY.format("alice", "inventory"))
    Path(path).write_text("{", encoding="utf-8")
    (problem,) = refusal(gateway, {"alice": BOB})
    assert problem.startswith(f"{path} is damaged")


def test_a_damaged_file_of_one_user_stops_nobody_else(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE, "bob": BOB})
    Path(gateway.registry.file("bob", "inventory")).write_text("{", encoding="utf-8")
    outcome = declare(gateway, {"alice": data({"name": "app", "port": 9100})}, source="apps")
    assert changes(outcome.plan) == [("add", "/alice/app/", "127.0.0.1:9100")]


def test_a_gateway_that_is_busy_for_long(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = gateway.registry.locked
    before = files(gateway)
    with locked():
        monkeypatch.setattr(gateway.registry, "locked", lambda: locked(0.05))
        with pytest.raises(Locked, match=f"^process {os.getpid()} of "):
            declare(gateway, {"alice": ALICE})
    assert files(gateway) == before


def broken_templates(gateway: Gateway, old: str, new: str) -> None:
    """Gives the gateway templates of its own, with a fault in the map's."""
    os.unlink(gateway.paths.templates)
    shutil.copytree(TEMPLATES, gateway.paths.templates)
    path = Path(gateway.paths.templates, "entry.map")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    user_files._template.cache_clear()


def test_a_host_of_an_earlier_layout_is_upgraded_first(gateway: Gateway) -> None:
    """It has no templates where this code looks for them; what is withdrawn needs none."""
    declare(gateway, {"alice": ALICE})
    os.unlink(gateway.paths.templates)
    before = files(gateway)
    with pytest.raises(InvalidData, match="an earlier version is installed here; run role gateway first"):
        declare(gateway, {"alice": ALICE, "bob": ALICE})
    assert files(gateway) == before
    gateway.withdraw("alice")
    assert gateway.registry.users() == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"$value";', '"$value"', "unexpected end of file"),
        ('"$key"', '"$key', "unexpected"),
        ('"$value";', '"$value"; }', 'unexpected "}"'),
        ('"$key"', "hostnames x", "invalid number of the map parameters"),
        ('"$key"', '"same"', "conflicting parameter"),
    ],
)
def test_what_nginx_refuses_changes_nothing(gateway: Gateway, control: Control, old: str, new: str, why: str) -> None:
    declare(gateway, {"alice": ALICE, "bob": BOB})
    broken_templates(gateway, old, new)
    before, entries = files(gateway), dict(control.entries)
    changed = data({"name": "a", "port": 9000}, {"name": "b", "port": 9001})
    with pytest.raises(NginxRefused, match="^nginx refuses the include files, nothing was changed: .*" + why):
        declare(gateway, {"alice": changed, "carol": changed})
    assert files(gateway) == before
    assert control.entries == entries
    assert set(gateway.registry.everything()) == {"alice", "bob"}
    assert set(gateway.info()["users"]) == {"alice", "bob"}  # type: ignore[call-overload]


def test_a_host_without_nginx(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx_check.os.path, "isfile", lambda path: False)
    before = files(gateway)
    with pytest.raises(NginxRefused, match=r"^nginx is not installed on this host; role gateway does that$"):
        declare(gateway, {"alice": ALICE})
    assert files(gateway) == before


def test_a_full_disk_under_nginxs_feet_changes_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, mode: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nginx_check.os, "mkdir", full)
    before = files(gateway)
    with pytest.raises(OSError, match="No space left on device"):
        declare(gateway, {"alice": ALICE})
    assert files(gateway) == before


# diffs


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


# passwords


def test_a_clear_password_is_hashed_and_nowhere_kept(gateway: Gateway) -> None:
    users = {"alice": data(logins=[{"name": "alice", "password": "geheim"}])}
    outcome = declare(gateway, users)
    everything = files(gateway)
    (login,) = gateway.registry.sources("alice")["inventory"].logins
    assert login.password == ""
    assert login.password_hash.startswith("$2y$10$")
    assert passwords.verify_password("geheim", login.password_hash)
    assert everything[PASSWORDS.format("alice")] == f"alice:{login.password_hash}\n".encode()
    assert b"geheim" not in b"".join(everything.values())
    assert "geheim" not in json.dumps(outcome.diff) + json.dumps(outcome.plan)

    assert declare(gateway, users) == Outcome()
    assert files(gateway) == everything

    changed = declare(gateway, {"alice": data(logins=[{"name": "alice", "password": "anders"}])})
    assert changes(changed.plan) == [("change login", "/alice/", "alice")]


def test_nobody_waits_while_passwords_are_hashed(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    free: list[str] = []

    def watched(name: str) -> Any:
        real = getattr(passwords, name)

        def watch(*arguments: str) -> Any:
            with gateway.registry.locked(0.05):
                free.append(name)
            return real(*arguments)

        return watch

    for name in ("hash_password", "verify_password"):
        monkeypatch.setattr(passwords, name, watched(name))
    for password in ("one", "one", "two"):
        declare(gateway, {"alice": data(logins=[{"name": "alice", "password": password}])})
    assert free == ["hash_password", "verify_password", "verify_password", "hash_password"]


def test_a_password_that_cannot_be_hashed_changes_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    before = files(gateway)
    with pytest.raises(HashingFailed):
        declare(gateway, {"alice": data(logins=[{"name": "alice", "password": "geheim"}])})
    assert files(gateway) == before


# names and addresses


def test_a_host_that_does_not_resolve_costs_its_own_link(
    gateway: Gateway, control: Control, names: dict[str, list[str]]
) -> None:
    names["gpu1"] = ["10.0.0.1"]
    users = {"alice": data({"name": "a", "host": "gpu1", "port": 9000}, {"name": "b", "host": "gpu2", "port": 9000})}
    outcome = declare(gateway, users)
    assert changes(outcome.plan) == [
        ("add", "/alice/a/", "gpu1:9000"),
        ("add", "/alice/b/", "gpu2:9000"),
        ("unresolved", "/alice/b/", "gpu2:9000"),
    ]
    assert outcome.unsettled
    assert control.entries["alice/a"] == "strip 10.0.0.1:9000"
    assert control.entries["alice/b"] == "strip :9000"

    names["gpu2"] = ["10.0.0.2"]
    outcome = gateway.refresh()
    assert (outcome.changed, outcome.plan) == (True, [])
    assert control.entries["alice/b"] == "strip 10.0.0.2:9000"
    assert b'"alice/b" "strip 10.0.0.2:9000";' in files(gateway)[MAP.format("alice")]


def test_a_refresh_publishes_what_moved_and_nothing_else(
    gateway: Gateway, control: Control, names: dict[str, list[str]]
) -> None:
    names.update({"gpu1": ["10.0.0.1"], "gpu2": ["10.0.0.2"]})
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})
    declare(gateway, {"bob": data({"name": "b", "host": "gpu2", "port": 9000})})
    names["gpu1"] = ["10.0.0.9"]
    before = files(gateway)
    control.entries.clear()
    assert gateway.refresh().changed
    assert control.entries == {"alice/a": "strip 10.0.0.9:9000"}
    differing = {name for name, content in files(gateway).items() if content != before.get(name)}
    assert differing == {MAP.format("alice"), "var/lib/vizgate/addresses.json"}

    before = files(gateway)
    names.clear()
    assert not gateway.refresh().changed
    assert files(gateway) == before


def test_names_that_nobody_answers_delay_their_own_user_alone(
    gateway: Gateway, control: Control, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    links = [{"name": f"l{number}", "host": f"slow{number}", "port": 9000} for number in range(4 * resolve.THREADS)]
    ended, known = threading.Event(), resolve.socket.getaddrinfo

    def getaddrinfo(host: str, port: object, **options: object) -> list[tuple[object, ...]]:
        if host.startswith("slow"):
            ended.wait(100)
        return known(host, port, **options)

    declare(gateway, {"mallory": data(*links)})
    declare(gateway, {"zoe": data({"name": "a", "host": "zone", "port": 9000})})
    names["zone"] = ["10.0.0.1"]
    monkeypatch.setattr(resolve.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(resolve.resolve, "__defaults__", (2,))
    gateway.refresh()
    ended.set()
    assert control.entries["zoe/a"] == "strip 10.0.0.1:9000"


def test_a_host_that_moves_moves_for_all_its_users(
    gateway: Gateway, control: Control, names: dict[str, list[str]]
) -> None:
    names["gpu1"] = ["10.0.0.1"]
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})
    declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9000})})
    names["gpu1"] = ["10.0.0.9"]
    # somebody's change comes before the minute's refresh, and learns the new address first
    declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9001})})
    gateway.refresh()
    assert control.entries["bob/b"] == "strip 10.0.0.9:9001"
    assert control.entries["alice/a"] == "strip 10.0.0.9:9000"


def test_what_others_have_is_not_told_when_their_host_moves(gateway: Gateway, names: dict[str, list[str]]) -> None:
    alice = data({"name": "a", "host": "gpu1", "port": 9000}, {"name": "secret", "host": "box", "port": 9000})
    declare(gateway, {"alice": alice})
    names["gpu1"] = ["10.0.0.1"]
    outcome = declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9000})}, "apps")
    assert changes(outcome.plan) == [("add", "/bob/b/", "gpu1:9000")]
    assert b"10.0.0.1" in files(gateway)[MAP.format("alice")], "alice has followed all the same"


@pytest.mark.parametrize("source", ["apps", "self"])
def test_a_name_that_is_new_costs_no_look_at_everybody(
    gateway: Gateway, control: Control, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    declare(gateway, {"alice": ALICE})
    monkeypatch.delattr(type(gateway.registry), "everything")
    names["gpu1"] = ["10.0.0.1"]
    declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9000})}, source)
    assert control.entries["bob/b"] == "strip 10.0.0.1:9000"


def test_a_refresh_forgets_addresses_that_nobody_needs(gateway: Gateway, names: dict[str, list[str]]) -> None:
    names.update({"gpu1": ["10.0.0.1"], "gpu2": ["10.0.0.2"]})
    for host in ("gpu1", "gpu2", "gpu3"):
        declare(gateway, {"alice": data({"name": "a", "host": host, "port": 9000})})
    assert gateway.registry.addresses() == {"gpu1": "10.0.0.1", "gpu2": "10.0.0.2", "gpu3": ""}
    gateway.refresh()
    assert gateway.registry.addresses() == {"gpu3": ""}


def test_a_verifying_run_forgets_addresses_that_nobody_needs(gateway: Gateway, names: dict[str, list[str]]) -> None:
    names.update({"gpu1": ["10.0.0.1"], "gpu2": ["10.0.0.2"]})
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})
    declare(gateway, {"alice": data({"name": "a", "host": "gpu2", "port": 9000})})
    assert gateway.registry.addresses() == {"gpu1": "10.0.0.1", "gpu2": "10.0.0.2"}
    declare(gateway, {"alice": data({"name": "a", "host": "gpu2", "port": 9000})}, repair=True)
    assert gateway.registry.addresses() == {"gpu2": "10.0.0.2"}


@pytest.mark.parametrize("source", ["inventory", "self"])
def test_nobody_waits_for_a_slow_name_server(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]], source: str
) -> None:
    names["gpu1"] = ["10.0.0.1"]
    quick, free = resolve.socket.getaddrinfo, []

    def slow(*arguments: Any, **options: Any) -> Any:
        try:
            with gateway.registry.locked(0.05):
                free.append(True)
        except Locked:
            free.append(False)
        return quick(*arguments, **options)

    monkeypatch.setattr(resolve.socket, "getaddrinfo", slow)
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})}, source)
    gateway.refresh()
    assert free == [True, True]


def test_nobody_waits_while_all_users_are_read(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(gateway, {"alice": ALICE})
    everything, free = gateway.registry.everything, []

    def slow() -> Any:
        with gateway.registry.locked(0.05):
            free.append(True)
        return everything()

    monkeypatch.setattr(gateway.registry, "everything", slow)
    gateway.refresh()
    assert free == [True]


def test_users_own_links_do_not_move_others(gateway: Gateway, control: Control, names: dict[str, list[str]]) -> None:
    names["gpu1"] = ["10.0.0.1"]
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})
    names["gpu1"] = ["10.0.0.9"]
    # or a user with a name server of one's own would have everybody's files read at each change
    declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9000})}, "self")
    assert control.entries == {"alice/a": "strip 10.0.0.1:9000", "bob/b": "strip 10.0.0.1:9000"}
    gateway.refresh()
    assert control.entries == {"alice/a": "strip 10.0.0.9:9000", "bob/b": "strip 10.0.0.9:9000"}


def test_the_log_of_ones_own_changes_is_ones_own_even_if_others_move(
    gateway: Gateway, names: dict[str, list[str]]
) -> None:
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})  # it has no address
    names["gpu1"] = ["10.0.0.1"]
    own(gateway, "bob", {"name": "b", "host": "gpu1", "port": 9000})
    assert os.listdir(os.path.dirname(gateway.paths.audit("bob"))) == ["bob.jsonl"]


# verifying


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
    assert outcome.reload or control.entries.get(f"{user}/x") == "", "nginx serves it until it is told or reloaded"


# whatever fails


def states(gateway: Gateway) -> dict[str, bytes]:
    """What is declared and rendered: all files that somebody reads."""
    skip = ("audit.jsonl", "journal.json", ".new")
    return {name: content for name, content in files(gateway).items() if not name.endswith(skip)}


Both = tuple[Callable[[str], Gateway], dict[str, bytes], dict[str, bytes]]


@pytest.fixture
def both(root: str, no_nginx: None, monkeypatch: pytest.MonkeyPatch) -> Both:
    """Makes gateways as they are before a certain change, and tells what they look like before and after it."""

    # nothing here loses power, and flushing takes most of the time
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    sample = make_gateway(os.path.join(root, "sample"))
    declare(sample, {"alice": ALICE, "bob": BOB})
    shutil.copytree(sample.paths.root, os.path.join(root, "before"), symlinks=True)

    def make(name: str) -> Gateway:
        shutil.copytree(os.path.join(root, "before"), os.path.join(root, name), symlinks=True)
        return Gateway(Paths(os.path.join(root, name)))

    before = states(sample)
    change(sample)
    return make, before, states(sample)


def change(gateway: Gateway) -> None:
    """Changes alice, removes bob, adds carol."""
    changed = data({"name": "training", "port": 9000}, logins=[{"name": "alice", "password_hash": OTHER_HASH}])
    declare(gateway, {"alice": changed, "carol": BOB}, prune=True)


def test_killed_at_every_step_the_next_start_serves_before_or_after(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, before, after = both
    seen = []
    for at in itertools.count(1):
        gateway = make(str(at))
        with monkeypatch.context() as patch:
            faulty = Faulty(patch, fs, at, Killed())
            with contextlib.suppress(Killed):
                change(gateway)
        if not faulty.happened:
            break
        with gateway.registry.locked(1):
            gateway.recover()
        found = states(gateway)
        assert found in (before, after)
        assert not os.path.exists(gateway.paths.journal)
        seen.append(found == after)
        change(gateway)
        assert states(gateway) == after
    assert set(seen) == {False, True}
    assert seen == sorted(seen)


def test_failing_at_every_step_leaves_before_or_after(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    make, before, after = both
    seen = []
    for at in itertools.count(1):
        gateway = make(str(at))
        untouched = files(gateway)
        with monkeypatch.context() as patch:
            faulty = Faulty(patch, fs, at, OSError(errno.ENOSPC, "No space left on device"))
            with contextlib.suppress(OSError):
                change(gateway)
        if not faulty.happened:
            break
        if not os.path.exists(gateway.paths.journal) and states(gateway) == before:
            assert files(gateway) == untouched
            assert set(gateway.registry.everything()) == {"alice", "bob"}
        with gateway.registry.locked(1):
            gateway.recover()
        found = states(gateway)
        assert found in (before, after)
        seen.append(found == after)
    assert set(seen) == {False, True}
    assert seen == sorted(seen)


def killed(*arguments: object) -> None:
    """Stands for a function in which the process dies."""
    raise Killed


def test_what_a_killed_test_has_left_is_removed_by_the_next_change(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Path(gateway.paths.nginx_check)
    left.mkdir()
    (left / "nginx.conf").touch()
    (left / "body").mkdir()
    seen: list[list[str]] = []
    refusal = nginx_check.refusal

    def look(configuration: str) -> str:
        seen.append(os.listdir(left))
        return refusal(configuration)

    monkeypatch.setattr(nginx_check, "refusal", look)
    declare(gateway, {"alice": ALICE})
    assert seen == [["nginx.conf"]]
    assert not left.exists()


def test_an_nginx_that_does_not_end_is_ended(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nginx").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "nginx").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(nginx_check, "SECONDS", 0.1)
    before = files(gateway)
    with pytest.raises(NginxRefused, match=r"nothing was changed: nginx -t is not done after 0.1 s$"):
        declare(gateway, {"alice": ALICE})
    assert files(gateway) == before


def test_recovery_publishes_what_had_been_decided(
    gateway: Gateway, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(gateway, {"alice": ALICE})
    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(control_module, "publish", killed)
        declare(gateway, {"alice": data({"name": "training", "port": 9000})})
    assert control.entries["alice/training"] == "keep 127.0.0.1:8097"
    outcome = declare(gateway, {"bob": BOB})
    assert changes(outcome.plan)[0] == ("add", "/bob/lab/", "127.0.0.1:8888")
    assert control.entries["alice/training"] == "strip 127.0.0.1:9000"
    assert control.entries["alice/notes"] == ""
    assert control.entries["alice/"] == ""


def test_a_refresh_recovers_first(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(fs, "_carry_out", killed)
        declare(gateway, {"alice": ALICE})
    assert MAP.format("alice") not in files(gateway)
    gateway.refresh()
    assert b"training" in files(gateway)[MAP.format("alice")]
    assert not os.path.exists(gateway.paths.journal)


def test_changes_at_the_same_time_are_all_there_in_the_end(gateway: Gateway, no_nginx: None) -> None:
    def work(number: int) -> None:
        for round_ in range(3):
            link = {"name": f"link{number}", "port": 9000 + round_}
            declare(Gateway(gateway.paths), {"alice": data(link)}, source=f"source{number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    declared = effective_data(gateway.registry.sources("alice")).links
    assert {(link.name, link.port) for link in declared} == {(f"link{number}", 9002) for number in range(6)}
    assert files(gateway)[MAP.format("alice")].count(b":9002") == 6


# telling


def test_info(gateway: Gateway, control: Control) -> None:
    declare(gateway, {"alice": ALICE})
    declare(gateway, {"alice": data({"name": "app", "port": 9100})}, source="apps")
    control.entries["alice/notes"] = "strip 10.6.6.6:9000"
    link = {
        "description": "",
        "kind": "http",
        "host": "127.0.0.1",
        "prefix": "strip",
        "source": "inventory",
        "yields_to": "",
        "moving": False,
        "rendered": True,
    }
    assert gateway.info("alice") == {
        "live": True,
        "users": {
            "alice": {
                "links": [
                    {
                        **link,
                        "name": "app",
                        "port": 9100,
                        "url": "/alice/app/",
                        "target": "127.0.0.1:9100",
                        "source": "apps",
                        "live": True,
                    },
                    {
                        **link,
                        "name": "notes",
                        "port": 9000,
                        "url": "/alice/notes/",
                        "target": "127.0.0.1:9000",
                        "live": False,
                    },
                    {
                        **link,
                        "name": "training",
                        "port": 8097,
                        "url": "/alice/training/",
                        "kind": "visdom",
                        "target": "127.0.0.1:8097",
                        "prefix": "keep",
                        "description": "Loss",
                        "source": "inventory",
                        "live": True,
                    },
                ],
                "logins": [
                    {
                        "name": "alice",
                        "source": "inventory",
                        "yields_to": "",
                        "legacy": False,
                        "rendered": True,
                        "live": True,
                    }
                ],
            }
        },
    }
    assert HASH not in json.dumps(gateway.info())


def test_info_without_nginx(gateway: Gateway) -> None:
    declare(gateway, {"alice": ALICE})
    found: Any = gateway.info()
    assert found["live"] is False
    assert [link["live"] for link in found["users"]["alice"]["links"]] == [False, False]


@pytest.mark.parametrize("user", ["../alice", "", "Alice", "a/b"])
def test_info_is_about_users(gateway: Gateway, user: str) -> None:
    with pytest.raises(InvalidData, match="the name is not of the form"):
        gateway.info(user)


def test_the_audit_log_is_two_files_of_a_limited_length(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "AUDIT_BYTES", 1000)
    for port in range(9000, 9040):
        declare(gateway, {"alice": data({"name": "a", "port": port})})
        assert os.path.getsize(gateway.paths.audit()) <= 1000
    assert 500 < os.path.getsize(gateway.paths.audit() + ".1") <= 1000


def test_the_audit_log_says_who_changed_what(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    declare(gateway, {"alice": data({"name": "a", "port": 9000})})
    monkeypatch.setenv("SUDO_USER", "alice")
    gateway = Gateway(gateway.paths)
    declare(gateway, {"alice": data({"name": "a", "port": 9001})}, source="inventory")
    declare(gateway, {"alice": data({"name": "a", "port": 9001})}, source="inventory")
    lines = [json.loads(line) for line in Path(gateway.paths.audit()).read_text(encoding="utf-8").splitlines()]
    assert [{key: value for key, value in line.items() if key != "at"} for line in lines] == [
        {
            "source": "inventory",
            "by": me(),
            "from": "",
            "action": "add",
            "url": "/alice/a/",
            "target": "127.0.0.1:9000",
            "user": "alice",
        },
        {
            "source": "inventory",
            "by": "alice",
            "from": "",
            "action": "change",
            "url": "/alice/a/",
            "target": "127.0.0.1:9001",
            "user": "alice",
            "was": "127.0.0.1:9000 (http, prefix strip)",
            "now": "127.0.0.1:9001 (http, prefix strip)",
        },
    ]


def test_somebody_without_a_name_can_change_things_too(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> object:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    declare(Gateway(gateway.paths), {"alice": data({"name": "a", "port": 9000})})
    line = json.loads(Path(gateway.paths.audit()).read_text(encoding="utf-8"))
    assert line["by"] == f"uid {os.getuid()}"


def test_what_a_run_was_made_from_is_remembered(gateway: Gateway) -> None:
    gateway.save_fingerprint("inventory", "abc\n")
    assert Path(gateway.paths.fingerprint("inventory")).read_text(encoding="utf-8") == "abc\n"
