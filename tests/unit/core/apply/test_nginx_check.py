# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx refuses, or is not there to check, changes nothing."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import nginx_check
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData, NginxRefused
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render import user_files
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import ALICE, BOB, declare, files
from ansible_collections.vizgate.gateway.tests.unit.support import TEMPLATES, Control, data


def broken_templates(gateway: Gateway, old: str, new: str) -> None:
    """Gives the gateway templates of its own, with a fault in the map's."""
    os.unlink(gateway.paths.templates)
    shutil.copytree(TEMPLATES, gateway.paths.templates)
    path = Path(gateway.paths.templates, "entry.map")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    user_files._template.cache_clear()


def test_a_host_of_an_earlier_layout_is_upgraded_first(gateway: Gateway) -> None:
    """It has no templates where this code looks for them; what is withdrawn needs none."""
    declare(gateway, {"alice": ALICE})
    os.unlink(gateway.paths.templates)
    before = files(gateway)
    with pytest.raises(InvalidData, match="an earlier version is installed here; run role gateway first"):
        declare(gateway, {"alice": ALICE, "bob": ALICE})
    assert files(gateway) == before
    gateway.withdraw("alice")
    assert gateway.registry.users() == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"$value";', '"$value"', "unexpected end of file"),
        ('"$key"', '"$key', "unexpected"),
        ('"$value";', '"$value"; }', 'unexpected "}"'),
        ('"$key"', "hostnames x", "invalid number of the map parameters"),
        ('"$key"', '"same"', "conflicting parameter"),
    ],
)
def test_what_nginx_refuses_changes_nothing(gateway: Gateway, control: Control, old: str, new: str, why: str) -> None:
    declare(gateway, {"alice": ALICE, "bob": BOB})
    broken_templates(gateway, old, new)
    before, entries = files(gateway), dict(control.entries)
    changed = data({"name": "a", "port": 9000}, {"name": "b", "port": 9001})
    with pytest.raises(NginxRefused, match="^nginx refuses the include files, nothing was changed: .*" + why):
        declare(gateway, {"alice": changed, "carol": changed})
    assert files(gateway) == before
    assert control.entries == entries
    assert set(gateway.registry.everything()) == {"alice", "bob"}
    assert set(gateway.info()["users"]) == {"alice", "bob"}  # type: ignore[call-overload]


def test_a_host_without_nginx(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx_check.os.path, "isfile", lambda path: False)
    before = files(gateway)
    with pytest.raises(NginxRefused, match=r"^nginx is not installed on this host; role gateway does that$"):
        declare(gateway, {"alice": ALICE})
    assert files(gateway) == before


def test_a_full_disk_under_nginxs_feet_changes_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, mode: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nginx_check.os, "mkdir", full)
    before = files(gateway)
    with pytest.raises(OSError, match="No space left on device"):
        declare(gateway, {"alice": ALICE})
    assert files(gateway) == before


def test_what_a_killed_test_has_left_is_removed_by_the_next_change(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Path(gateway.paths.nginx_check)
    left.mkdir()
    (left / "nginx.conf").touch()
    (left / "body").mkdir()
    seen: list[list[str]] = []
    refusal = nginx_check.refusal

    def look(configuration: str) -> str:
        seen.append(os.listdir(left))
        return refusal(configuration)

    monkeypatch.setattr(nginx_check, "refusal", look)
    declare(gateway, {"alice": ALICE})
    assert seen == [["nginx.conf"]]
    assert not left.exists()


def test_an_nginx_that_does_not_end_is_ended(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nginx").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "nginx").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(nginx_check, "SECONDS", 0.1)
    before = files(gateway)
    with pytest.raises(NginxRefused, match=r"nothing was changed: nginx -t is not done after 0.1 s$"):
        declare(gateway, {"alice": ALICE})
    assert files(gateway) == before
