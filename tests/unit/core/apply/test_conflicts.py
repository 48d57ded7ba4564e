# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against a change: other sources' names, and the policy."""

from __future__ import annotations

from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import ALICE, BOB, declare, refusal
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, data


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
