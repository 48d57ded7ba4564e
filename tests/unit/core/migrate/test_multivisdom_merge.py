# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes of the old script's links and logins where others are declared already."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.migrate.multivisdom import Found, merge
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.tests.unit.core.migrate.reading import POLICY, found
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, OTHER_HASH

TRAIN, EVAL, ALICE = Link("train", 9087), Link("eval", 9088), Login("alice", HASH)


def effective_data(
    items: Iterable[Link | Login], policy: Policy = POLICY, **sources: UserData
) -> tuple[dict[str, UserData], list[str]]:
    """What comes of alice's items where `sources` have declared something."""
    found = Found({"alice": [(f"alice.conf:{line}", item) for line, item in enumerate(items, 1)]})
    return merge(found, {"alice": sources}.__getitem__, policy)


def test_what_is_new_is_added_to_what_is_there() -> None:
    own = UserData((Link("a", 1),), (Login("b", HASH),), ("a",))
    assert effective_data([TRAIN, EVAL, ALICE], self=own, inventory=UserData((Link("c", 2),))) == (
        {"alice": UserData((Link("a", 1), EVAL, TRAIN), (ALICE, Login("b", HASH)), ("a",))},
        [],
    )


@pytest.mark.parametrize("source", ["self", "inventory", "apps"])
def test_what_is_there_already_is_passed_over(source: str) -> None:
    assert effective_data([TRAIN, ALICE], **{source: UserData((TRAIN,), (ALICE,))}) == ({}, [])


@pytest.mark.parametrize("source", ["self", "inventory", "apps"])
def test_what_is_there_is_not_overwritten(source: str) -> None:
    there = UserData((Link("train", 1),), (Login("alice", OTHER_HASH),))
    advice = "which stays; remove it first, or add this one by another name"
    assert effective_data([TRAIN, EVAL, ALICE], **{source: there}) == (
        {"alice": UserData((EVAL, *there.links), there.logins) if source == "self" else UserData((EVAL,))},
        [
            f"alice.conf:1: link 'train': alice has another of that name (source '{source}'), {advice}",
            f"alice.conf:3: login 'alice': alice has another of that name (source '{source}'), {advice}",
        ],
    )


def test_the_old_name_is_kept_with_the_link_and_once_more_with_an_import_from_before() -> None:
    what = Found({"alice": [("alice.conf:1", TRAIN)]}, renamed={"alice": {"Train": "train", "Gone": "gone"}})
    renamed = (("Train", "train"),)
    for there in (UserData(), UserData((TRAIN,))):
        declared, refused = merge(what, lambda user, there=there: {"self": there}, POLICY)
        assert (declared, refused) == ({"alice": UserData((TRAIN,), renamed=renamed)}, [])
        assert parse_user(declared["alice"].as_json(), stored=True) == (declared["alice"], [])
    assert merge(what, lambda user: {"self": UserData((TRAIN,), renamed=renamed)}, POLICY) == ({}, [])


def test_the_sites_limits_hold() -> None:
    policy = Policy(links_per_user=1, logins_per_user=1)
    assert effective_data([TRAIN, EVAL, ALICE, Login("b", HASH)], policy) == (
        {"alice": UserData((TRAIN,), (ALICE,))},
        [
            "alice.conf:2: link 'eval': alice has 1, which is the site's limit",
            "alice.conf:4: login 'b': alice has 1, which is the site's limit",
        ],
    )


def test_a_second_import_changes_nothing(gateway: Gateway, tmp_path: Path) -> None:
    what = found(tmp_path, {"alice.conf": "###/a||http://127.0.0.1:9087/||\n", "alice.htpasswd": f"a:{HASH}\n"})

    def declaration(registry: object) -> dict[str, UserData]:
        declared, refused = merge(what, gateway.registry.sources, POLICY)
        assert refused == []
        return declared

    assert [step["url"] for step in gateway.declare("self", declaration).plan] == ["/alice/a/", "/alice/"]
    assert not gateway.declare("self", declaration).changed
