# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that are refused: names of another form, hosts without a gateway, damaged registries, locks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData, Locked
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import (
    ALICE,
    BOB,
    REGISTRY,
    changes,
    declare,
    files,
    refusal,
)
from ansible_collections.vizgate.gateway.tests.unit.support import data, tree


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
