# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our part of a host's ufw: what is added and removed, what is left alone, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._ufw import (
    Command,
    Firewall,
    Rule,
    parse_added,
    steps,
    wanted,
)

ADDED = """\
Added user rules (see 'ufw status' for running firewall):
ufw allow 22/tcp comment 'vizgate: ssh'
ufw limit log OpenSSH
ufw allow from 10.0.0.0/8 to any port 1234 proto tcp comment 'vizgate'
ufw route allow in on eth0 out on eth1
ufw deny 8080/tcp comment 'the lab'
"""


@pytest.mark.parametrize(
    ("rule", "place", "comment"),
    [
        ({"port": "22"}, "22/tcp", "vizgate"),
        ({"port": "53", "proto": "udp", "from": "any", "comment": "names"}, "53/udp", "vizgate: names"),
        ({"port": "6000-6007"}, "6000:6007/tcp", "vizgate"),
        ({"port": "1", "from": "10.1.2.3/8"}, "from 10.0.0.0/8 to any port 1 proto tcp", "vizgate"),
        ({"port": "1", "from": "10.1.2.3/32"}, "from 10.1.2.3 to any port 1 proto tcp", "vizgate"),
        ({"port": "1", "from": "FD00::1/64"}, "from fd00::/64 to any port 1 proto tcp", "vizgate"),
    ],
)
def test_rules_are_written_as_ufw_does(rule: dict[str, str], place: str, comment: str) -> None:
    assert wanted([rule]) == [Rule(place, comment=comment)]


def test_every_problem_is_told() -> None:
    with pytest.raises(InvalidData) as raised:
        wanted([{"port": "0"}, {"port": "9-8"}, {"port": "1", "from": "lab"}, {"port": "1", "comment": "'; reboot"}])
    assert raised.value.problems == [
        "firewall rule for port '0': it is neither a port nor a range like 6000-6007 in 1-65535",
        "firewall rule for port '9-8': it is neither a port nor a range like 6000-6007 in 1-65535",
        "firewall rule for port '1': from 'lab' is neither 'any' nor an address or network",
        "firewall rule for port '1': comment \"'; reboot\" has characters other than letters, digits, spaces and ._:/@+-",
    ]


def test_ufws_own_words_are_read() -> None:
    assert parse_added(ADDED) == [
        Rule("22/tcp", "allow", "vizgate: ssh"),
        Rule("OpenSSH", "limit", ""),
        Rule("from 10.0.0.0/8 to any port 1234 proto tcp", "allow", "vizgate"),
        Rule("allow in on eth0 out on eth1", "route", ""),
        Rule("8080/tcp", "deny", "the lab"),
    ]
    assert parse_added("Added user rules (see 'ufw status' for running firewall):\n(None)\n") == []


def test_what_is_there_stays_what_is_missing_comes_what_was_ours_goes() -> None:
    coming = wanted([{"port": "22", "comment": "ssh"}, {"port": "443", "comment": "gateway"}])
    assert steps(parse_added(ADDED), coming) == [
        ("ufw", "allow", "443/tcp", "comment", "vizgate: gateway"),
        ("ufw", "--force", "delete", "allow", *["from", "10.0.0.0/8", "to", "any", "port", "1234", "proto", "tcp"]),
    ]


def test_a_place_that_is_somebody_elses_is_left_alone() -> None:
    there = [Rule("8080/tcp", "deny", "the lab"), Rule("22/tcp", "limit", ""), Rule("23/tcp", "allow", "vizgates")]
    assert steps(there, wanted([{"port": "8080"}, {"port": "22"}, {"port": "23"}])) == []
    assert steps(there, []) == []


def test_another_comment_is_another_rule() -> None:
    assert steps([Rule("22/tcp", comment="vizgate")], wanted([{"port": "22", "comment": "ssh"}])) == [
        ("ufw", "allow", "22/tcp", "comment", "vizgate: ssh")
    ]


class Ufw:
    """Stands for the program."""

    def __init__(self, folder: Path, active: bool, policy: str, added: str) -> None:
        self.active, self.added, self.defaults, self.asked = active, added, folder / "ufw", list[Command]()
        self.write(policy)

    def write(self, policy: str) -> None:
        self.defaults.write_text(f'IPV6=yes\nDEFAULT_INPUT_POLICY="{policy}"\n')

    def __call__(self, command: Sequence[str]) -> str:
        if command[1] == "show":
            return self.added
        if command[1] == "status":
            return f"Status: {'active' if self.active else 'inactive'}\n"
        self.asked.append(tuple(command))
        if command[1] == "default":
            self.write({"deny": "DROP", "allow": "ACCEPT"}[command[2]])
        elif command[-1] in ("enable", "disable"):
            self.active = command[-1] == "enable"
        elif command[1] == "allow":
            self.added += f"ufw allow {' '.join(command[2:-2])} comment '{command[-1]}'\n"
        elif command[2] == "delete":
            lines = self.added.splitlines(keepends=True)
            self.added = "".join(line for line in lines if not line.startswith(f"ufw {' '.join(command[3:])} "))
        return ""


def test_a_firewall_that_would_shut_everybody_out_stays_off(tmp_path: Path) -> None:
    added = "ufw deny 22/tcp\nufw reject 1234/tcp comment 'the lab'\nufw deny 9999/tcp\nufw limit 80/tcp\n"
    rules = wanted([{"port": "22", "comment": "ssh"}, {"port": "80"}, {"port": "1234"}])

    def firewall(active: bool) -> Firewall:
        ufw = Ufw(tmp_path, active, "DROP", added)
        return Firewall(str(tmp_path / "note"), str(ufw.defaults), ufw)

    with pytest.raises(InvalidData) as refused:
        firewall(active=False).plan(rules)
    assert [problem.split(": ")[-1] for problem in refused.value.problems] == [
        "ufw delete deny 22/tcp",
        "ufw delete reject 1234/tcp",
    ]
    # where it is on, that is how the site wants it
    assert firewall(active=True).plan(rules) == []


@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("policy", ["DROP", "ACCEPT"])
def test_the_way_there_and_back(tmp_path: Path, active: bool, policy: str) -> None:
    ufw = Ufw(tmp_path, active, policy, "ufw allow 9999/tcp comment 'the lab printer'\n")
    before = (ufw.active, ufw.added, ufw.defaults.read_text())
    firewall = Firewall(str(tmp_path / "note"), str(ufw.defaults), ufw)
    rules = wanted([{"port": "22", "comment": "ssh"}, {"port": "1234"}])
    firewall.carry_out(firewall.plan(rules), rules)
    assert ufw.asked[0] == ("ufw", "allow", "22/tcp", "comment", "vizgate: ssh")
    assert (ufw.active, "DROP" in ufw.defaults.read_text()) == (True, True)
    assert firewall.plan(rules) == []
    other = wanted([{"port": "22", "comment": "ssh"}])
    firewall.carry_out(firewall.plan(other), other)
    assert "1234" not in ufw.added
    back = firewall.plan(None)
    assert active or back[0] == ("ufw", "--force", "disable")
    firewall.carry_out(back, None)
    assert (ufw.active, ufw.added, ufw.defaults.read_text()) == before
    assert firewall.plan(None) == []
    assert not (tmp_path / "note").exists()
