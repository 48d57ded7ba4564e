# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this folder declare, for whom, and which files that leaves."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.outcome import Outcome
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, OTHER_HASH, data, tree

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


def own(gateway: Gateway, user: str, *links: dict[str, Any], **more: Any) -> None:
    """Declares a user's own links, as the user does."""
    as_user = Gateway(gateway.paths, actor=user)
    declare(as_user, {user: data(*links)._replace(**more)}, source="self")


def refusal(gateway: Gateway, users: dict[str, UserData], source: str = "inventory", **options: Any) -> list[str]:
    """The problems of a declaration, which has to leave everything as it was."""
    before = files(gateway)
    with pytest.raises(InvalidData) as error:
        declare(gateway, users, source, **options)
    assert files(gateway) == before
    return error.value.problems
