# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: who changed what, in files of a limited length."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry import audit as audit_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry.store import me
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import declare
from ansible_collections.vizgate.gateway.tests.unit.support import data


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
