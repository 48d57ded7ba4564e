# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared, rendered and live."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import ALICE, declare
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, Control, data


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
