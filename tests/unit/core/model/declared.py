# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of declared links and logins share."""

from __future__ import annotations

from typing import Any

from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.tests.unit.support import HASH

FORM = {
    "user": "[a-z_][a-z0-9_-]{0,31}",
    "link": "[a-z0-9][a-z0-9._-]{0,62}",
    "login": "[A-Za-z0-9_][A-Za-z0-9._@+-]{0,62}",
    "source": "[a-z][a-z0-9_-]{0,31}",
}


def problems(link: dict[Any, Any] | None = None, login: dict[Any, Any] | None = None) -> list[str]:
    """What is wrong with one link or login, which are complete but for what the test gives."""
    data: dict[str, Any] = {}
    if link is not None:
        data["links"] = [{"name": "run1", "port": 8097, **link}]
    if login is not None:
        data["logins"] = [{"name": "alice", **({} if "password" in login else {"password_hash": HASH}), **login}]
    found = parse_user(data)[1]
    return [problem.text for problem in found]
