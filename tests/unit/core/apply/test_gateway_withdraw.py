# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Off-boarding: nothing of a user is left, and others keep all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.outcome import Outcome
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry import audit as audit_module
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import ALICE, BOB, changes, declare, files, own
from ansible_collections.vizgate.gateway.tests.unit.support import Control, data


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
