# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the recommended protection is off, and that each of it names what switches it on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.protection import Facts, facts, measures
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.tests.readme import ROLES, options
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION, POLICY, configure, data

APR1 = "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"
RECOMMENDED = Facts(
    Policy((), ("1024-65535",), url="https://gate.example.org", url_style="subdomain", port_range_start=20000),
    guard="loaded",
    firewall=True,
    fail2ban=True,
    lockout=(10, 20),
)
DEFAULT = Facts(Policy(url="http://gate.example.org:1234"), lockout=(10, 20))
"""A gateway of the whole host with the roles' defaults."""


def off(found: Facts) -> list[str]:
    return [measure.name for measure in measures(found) if not measure.on]


def test_nothing_is_off_where_everything_is_on() -> None:
    assert off(RECOMMENDED) == []


def test_what_the_defaults_leave_off() -> None:
    assert off(DEFAULT) == ["port ranges", "loopback filter", "network firewall", "HTTPS", "fail2ban", "origins"]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("port ranges", {"policy": Policy(url="https://gate.example.org", url_style="subdomain")}),
        ("loopback filter", {"guard": ""}),
        ("loopback filter", {"guard": "written"}),
        ("network firewall", {"firewall": False}),
        (
            "HTTPS",
            {
                "policy": RECOMMENDED.policy.__class__(
                    (), ("1024-65535",), url_style="subdomain", port_range_start=20000
                )
            },
        ),
        ("lockout", {"lockout": (0, 20)}),
        ("lockout", {"lockout": (10, 0)}),
        ("fail2ban", {"fail2ban": False}),
        ("strong password hashes", {"legacy": ("alice/old",)}),
        ("verified targets", {"unverified": ("alice/notes",)}),
    ],
)
def test_each_measure_is_told_when_it_is_off(name: str, changes: dict[str, object]) -> None:
    found = RECOMMENDED._replace(**changes)  # type: ignore[arg-type]  # fields of several types
    assert off(found) == [name]


def test_a_rootless_gateway_is_told_what_it_can_have() -> None:
    names = [measure.name for measure in measures(DEFAULT._replace(rootless=True))]
    assert names == ["HTTPS", "lockout", "strong password hashes", "verified targets", "origins"]


def test_every_variable_that_is_named_exists() -> None:
    known = {name for role in ROLES for name in options(role)}
    text = " ".join(measure.fix for measure in measures(DEFAULT))
    named = set(re.findall(r"\b(?:gateway|firewall|certificate)_[a-z0-9_]+", text))
    assert named - known == set()
    assert {"gateway_port_range_start", "firewall_state", "gateway_tls", "gateway_fail2ban"} <= named


def test_names_are_few_however_many_there_are() -> None:
    found = DEFAULT._replace(legacy=tuple(f"alice/{number}" for number in range(9)))
    (why,) = [measure.why for measure in measures(found) if measure.name == "strong password hashes"]
    assert why.endswith("alice/0, alice/1, alice/2, alice/3, alice/4 and 4 more")


def test_the_facts_of_a_gateway(gateway: Gateway) -> None:
    """Read from its files: limits from nginx's configuration, links and logins from the registry."""
    configure(gateway, gateway_lockout_failures=7, gateway_throttle_failures=0)
    link = {"name": "notes", "port": 8443, "scheme": "https", "verify": False}
    gateway.declare("inventory", lambda registry: {"alice": data(link)})
    old = UserData((), (Login("old", APR1),))
    gateway.declare("self", lambda registry: {"bob": old})
    found = facts(gateway)
    assert (found.rootless, found.lockout, found.legacy, found.unverified) == (
        True,
        (7, 0),
        ("bob/old",),
        ("alice/notes",),
    )
    Path(gateway.paths.policy).write_text(json.dumps({**POLICY, "url": "https://gate"}), encoding="utf-8")
    assert facts(gateway).policy.url == "https://gate"


HOST = """
set -e
mount --make-rprivate /
mount --bind {folder}/etc /etc
mount --bind {folder}/lib /var/lib
mount --bind {folder}/sbin /usr/sbin
exec {python} -c 'import json
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.protection import facts
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
found = facts(Gateway(Paths("/")))
print(json.dumps([found.rootless, found.guard, found.firewall, found.fail2ban, found.lockout]))'
"""
"""Sees these folders as a whole host's own."""


@pytest.mark.skipif(os.getuid() != 0, reason="only root has folders of its own at /")
@pytest.mark.parametrize(
    ("files", "loaded", "expected"),
    [
        ({}, False, [False, "", False, False, [0, 0]]),
        ({"ufw/ufw.conf": "ENABLED=no\n"}, True, [False, "", False, False, [0, 0]]),
        ({"vizgate/guard.nft": ""}, False, [False, "written", False, False, [0, 0]]),
        (
            {
                "vizgate/guard.nft": "",
                "ufw/ufw.conf": "# comment\nENABLED=yes\n",
                "fail2ban/jail.d/vizgate.conf": "",
                "nginx/vizgate/gateway.conf": "vizgate.lock_out(10, 20, 600)",
            },
            True,
            [False, "loaded", True, True, [10, 20]],
        ),
    ],
)
def test_the_facts_of_a_whole_host(tmp_path: Path, files: dict[str, str], loaded: bool, expected: list[object]) -> None:
    """Read from the files of the roles, ufw and fail2ban, and from what the kernel has loaded."""
    for name, text in {"vizgate/policy.json": json.dumps(POLICY), **files}.items():
        (tmp_path / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc" / name).write_text(text, encoding="utf-8")
    for folder in ("lib", "sbin"):
        (tmp_path / folder).mkdir()
    # what asks the kernel, where role firewall installs it: answers for the table of the loopback filter alone
    nft = tmp_path / "sbin/nft"
    nft.write_text(f'#!/bin/sh\n[ "$*" = "-t list table inet vizgate" ] && {str(loaded).lower()}\n', encoding="utf-8")
    nft.chmod(0o755)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", HOST.format(folder=tmp_path, python=sys.executable)],
        env={**os.environ, "PYTHONPATH": str(COLLECTION / "collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == expected
