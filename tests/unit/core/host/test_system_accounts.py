# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts are services', in all the places that have to know."""

from __future__ import annotations

import re

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import Unavailable
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import system_accounts
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice import helper
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        (0, True),
        (33, True),
        (999, True),
        (1000, False),
        (60000, False),
        (61183, False),
        (61184, True),
        (65519, True),
        (65520, False),
        (65533, False),
        (65534, True),
        (65535, False),
        (100000, False),
    ],
)
def test_whose_number_it_is(uid: int, expected: bool) -> None:
    assert system_accounts.is_system(uid) is expected


def test_names_of_this_host() -> None:
    assert system_accounts.name_on_host_problem("no-such-account") is None
    assert system_accounts.name_on_host_problem("nobody") == (
        "user 'nobody': this host has a system account with that name (uid 65534); choose another name"
    )


def test_the_helper_refuses_services() -> None:
    with pytest.raises(Unavailable, match=r"^nobody is a system account \(uid 65534\)"):
        helper.caller("65534")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("roles/gateway/files/lua/vizgate/accounts.lua", "SYSTEM_UIDS"),
        ("roles/accounts/files/account_facts.py", "FIRST_UID"),
    ],
)
def test_others_have_the_same_first_number(path: str, name: str) -> None:
    text = (COLLECTION / path).read_text(encoding="utf-8")
    assert re.findall(rf"{name} = ([0-9]+)", text) == [str(system_accounts.FIRST_UID)]
