# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clear passwords are hashed before the lock is taken, and nowhere kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import HashingFailed
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import passwords
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.outcome import Outcome
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import PASSWORDS, changes, declare, files
from ansible_collections.vizgate.gateway.tests.unit.support import data


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
