# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site policy: where links may lead, every refusal with the line that refuses, and what is never a target."""

from __future__ import annotations

import ipaddress

import hypothesis
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.targets import address_problem
from hypothesis import strategies


def policy(*hosts: str, ports: tuple[str, ...] = ("1024-65535",)) -> Policy:
    """A policy that allows the hosts."""
    return Policy(hosts, ports, "policy.json").checked()


def refused(rules: Policy, host: str, port: int = 8097) -> str | None:
    """What the policy has against a link, which is read as from a users file."""
    found, problems = parse_user({"links": [{"name": "run1", "host": host, "port": port}]})
    assert problems == []
    return rules.link_problem(found.links[0])


@pytest.mark.parametrize(
    ("lines", "host"),
    [
        (("127.0.0.0/8",), "127.1.2.3"),
        (("10.1.2.3",), "10.1.2.3"),
        (("10.0.0.0/8", "192.168.0.0/16"), "192.168.7.7"),
        (("fd00::/8",), "fd12::1"),
        (("::1",), "::1"),
        (("10.0.0.0/8",), "::ffff:10.0.0.1"),
        (("10.0.0.0/8",), "64:ff9b::10.0.0.1"),
        (("*",), "gpu1"),
        (("gpu*",), "gpu1"),
        (("*-gpu",), "a-b-gpu"),
        (("*.cluster.example",), "gpu1.cluster.example"),
        (("GPU1.Example",), "gpu1.example"),
        (("g*1.*.example",), "gpu1.west.example"),
        (("a", "b"), "b"),
    ],
)
def test_hosts_that_are_allowed(lines: tuple[str, ...], host: str) -> None:
    assert refused(policy(*lines), host) is None


@pytest.mark.parametrize(
    ("lines", "host"),
    [
        # a pattern stands for whole names, from the first to the last letter
        (("gpu",), "gpu1"),
        (("gpu",), "xgpu"),
        (("a", "b"), "ab"),
        (("gpu*",), "xgpu1"),
        (("gpu*",), "gpu"),
        (("example.org",), "example.org.evil.example"),
        (("example.org",), "evil-example.org"),
        (("*.example.org",), "example.org"),
        (("g.pu",), "gxpu"),
        # and a star for a part of one label
        (("*",), "gpu1.example"),
        (("*.example",), "a.b.example"),
        (("gpu*.example",), "gpu1.evil.example"),
        (("*.example",), "a.example.evil"),
        # names are not addresses, nor the other way round
        (("*",), "10.0.0.1"),
        (("*",), "::1"),
        (("*.*.*.*",), "10.0.0.1"),
        (("0.0.0.0/0",), "gpu1"),
        # an address in disguise is what it stands for
        (("fd00::/8", "::/0"), "::ffff:10.0.0.1"),
        (("::/0",), "64:ff9b::10.0.0.1"),
        (("::/0",), "2002:a00:1::"),
        (("10.0.0.0/8",), "11.0.0.1"),
        ((), "gpu1"),
        ((), "127.0.0.1"),
    ],
)
def test_hosts_that_are_not_allowed(lines: tuple[str, ...], host: str) -> None:
    seen = parse_user({"links": [{"name": "a", "host": host, "port": 1}]})[0].links[0].host
    assert refused(policy(*lines), host) == (
        f"link 'run1': host '{seen}' is not in allowed_hosts: {', '.join(lines)} (policy.json)"
    )


@pytest.mark.parametrize(
    ("lines", "port", "allowed"),
    [
        (("8097",), 8097, True),
        (("8097",), 8098, False),
        (("1024-65535",), 1023, False),
        (("1024-65535",), 1024, True),
        (("1024-65535",), 65535, True),
        (("80", "8000-8010"), 8010, True),
        (("80", "8000-8010"), 8011, False),
        ((), 8097, False),
    ],
)
def test_ports(lines: tuple[str, ...], port: int, allowed: bool) -> None:
    found = refused(policy("*", ports=lines), "gpu1", port)
    text = f"link 'run1': port {port} is not in allowed_ports: {', '.join(lines)} (policy.json)"
    assert found == (None if allowed else text)


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("169.254.169.254", "169.254.0.0/16"),
        ("169.254.0.1", "169.254.0.0/16"),
        ("100.100.100.200", "100.100.100.200/32"),
        ("192.0.0.192", "192.0.0.192/32"),
        ("fd00:ec2::254", "fd00:ec2::254/128"),
        ("fe80::1", "fe80::/10"),
        ("febf:ffff::1", "fe80::/10"),
        ("0.0.0.0", "0.0.0.0/8"),
        ("::", "::/128"),
        ("224.0.0.1", "224.0.0.0/3"),
        ("255.255.255.255", "224.0.0.0/3"),
        ("ff02::1", "ff00::/8"),
        # the same in IPv6's clothes
        ("::ffff:169.254.169.254", "169.254.0.0/16"),
        ("::ffff:a9fe:a9fe", "169.254.0.0/16"),
        ("64:ff9b::169.254.169.254", "169.254.0.0/16"),
        ("2002:a9fe:a9fe::1", "169.254.0.0/16"),
        ("2002:6464:64c8::", "100.100.100.200/32"),
        ("::ffff:0.0.0.0", "0.0.0.0/8"),
    ],
)
def test_what_is_never_a_target(host: str, rule: str) -> None:
    address = ipaddress.ip_address(host)
    everything = policy("0.0.0.0/0", "::/0", "*", ports=("1-65535",))
    assert (
        refused(everything, host)
        == f"link 'run1': address {address} is never allowed as a target (built-in rule {rule})"
    )


@pytest.mark.parametrize("host", ["64:ff9b:1::169.254.169.254", "::169.254.169.254"])
def test_old_and_local_disguises_of_metadata(host: str) -> None:
    assert "is never allowed as a target" in str(refused(policy("::/0", "0.0.0.0/0"), host))


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("10.0.0.1/8", "allowed_hosts: 10.0.0.1/8 has host bits set"),
        ("10.0.0.0/33", "allowed_hosts: '10.0.0.0/33' does not appear to be an IPv4 or IPv6 network"),
        ("999.0.0.1", "allowed_hosts: '999.0.0.1' does not appear to be an IPv4 or IPv6 network"),
        ("127.1", "allowed_hosts: '127.1' does not appear to be an IPv4 or IPv6 network"),
        ("", "allowed_hosts: '' is neither a network nor a name pattern"),
        ("a b", "allowed_hosts: 'a b' is neither a network nor a name pattern"),
        ("gpu[0-9]", "allowed_hosts: 'gpu[0-9]' is neither a network nor a name pattern"),
        ("gpu.+|.*", "allowed_hosts: 'gpu.+|.*' is neither a network nor a name pattern"),
        ("gpu?", "allowed_hosts: 'gpu?' is neither a network nor a name pattern"),
        (".example", "allowed_hosts: '.example' is neither a network nor a name pattern"),
        ("\u212a", r"allowed_hosts: '\u212a' is neither a network nor a name pattern"),
        ("x" * 254, "allowed_hosts: '" + "x" * 77 + "…' is neither a network nor a name pattern"),
        ("gpu1\n", r"allowed_hosts: 'gpu1\n' is neither a network nor a name pattern"),
        ("fe80::%eth0", "allowed_hosts: 'fe80::%eth0' is neither a network nor a name pattern"),
        ("fd00::%\n/64", r"allowed_hosts: 'fd00::%\n/64' is neither a network nor a name pattern"),
    ],
)
def test_lines_that_are_no_hosts(host: str, text: str) -> None:
    with pytest.raises(InvalidData) as error:
        policy("10.0.0.0/8", host)
    assert error.value.problems == [f"policy.json: {text}"]


@pytest.mark.parametrize(
    "port", ["", "0", "65536", "99999", "1-", "-1", "2-1", "1-65536", "a", "1 - 2", "80\n", "1,2", "\uff18\uff10"]
)
def test_lines_that_are_no_ports(port: str) -> None:
    with pytest.raises(InvalidData) as error:
        policy("*", ports=("80", port))
    assert error.value.problems == [
        f"policy.json: allowed_ports: {port!a} is neither a port nor a range like 1024-65535"
    ]


def test_every_bad_line_is_reported() -> None:
    with pytest.raises(InvalidData) as error:
        policy("a b", "10.0.0.1/8", ports=("x", "0"))
    assert len(error.value.problems) == 4


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (None, ["policy.json: 'None' is not a mapping"]),
        ([], ["policy.json: '[]' is not a mapping"]),
        ({}, ["policy.json: allowed_hosts is not a list", "policy.json: allowed_ports is not a list"]),
        ({"allowed_hosts": ["*"]}, ["policy.json: allowed_ports is not a list"]),
        ({"allowed_hosts": "*", "allowed_ports": ["80"]}, ["policy.json: allowed_hosts is not a list"]),
        (
            {"allowed_hosts": ["*"], "allowed_ports": ["80"], "alowed_hosts": ["*"]},
            ["policy.json: unknown key 'alowed_hosts'; did you mean 'allowed_hosts'?"],
        ),
    ],
)
def test_policies_of_another_shape(data: object, problems: list[str]) -> None:
    with pytest.raises(InvalidData) as error:
        Policy.parse(data, "policy.json")
    assert error.value.problems == problems


@pytest.mark.parametrize("line", [None, True, False, 1.5, ["*"], {"*": 1}])
def test_lines_that_are_no_text_allow_nothing(line: object) -> None:
    with pytest.raises(InvalidData):
        Policy.parse({"allowed_hosts": [line], "allowed_ports": [80]}, "policy.json")


def test_ports_may_be_numbers() -> None:
    rules = Policy.parse({"allowed_hosts": ["*"], "allowed_ports": [8097, "9000-9001"]}, "policy.json")
    assert rules.allowed_ports == ("8097", "9000-9001")
    assert rules.link_problem(Link("run1", 8097, host="gpu1")) is None


LABEL = strategies.text("ab0-", min_size=1, max_size=4)
NAME = strategies.lists(LABEL, min_size=1, max_size=3).map(".".join)
PATTERN = strategies.lists(strategies.text("ab0-*", min_size=1, max_size=4), min_size=1, max_size=3).map(".".join)


def _stands_for(pattern: str, text: str) -> bool:
    """Whether a label is one of a pattern's; every star stands for at least one letter."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return bool(text) and (_stands_for(pattern[1:], text[1:]) or _stands_for(pattern, text[1:]))
    return text[:1] == pattern[0] and _stands_for(pattern[1:], text[1:])


@hypothesis.given(NAME, strategies.lists(PATTERN, max_size=3))
def test_patterns_allow_exactly_the_names_that_match_label_by_label(name: str, patterns: list[str]) -> None:
    try:
        rules = policy(*patterns)
    except InvalidData:
        return
    expected = any(
        len(pattern.split(".")) == len(name.split(".")) and all(map(_stands_for, pattern.split("."), name.split(".")))
        for pattern in patterns
    )
    assert (rules.link_problem(Link("a", 8097, host=name)) is None) == expected


ADDRESSES = strategies.ip_addresses() | strategies.ip_addresses(v=4).map(
    lambda address: ipaddress.ip_address(f"::ffff:{address}")
)


@hypothesis.given(ADDRESSES, strategies.lists(strategies.ip_addresses(v=4), max_size=3), strategies.integers(0, 32))
def test_networks_allow_exactly_their_addresses(address: ipaddress.IPv4Address, bases: list[object], bits: int) -> None:
    networks = [ipaddress.ip_network(f"{base}/{bits}", strict=False) for base in bases]
    rules = policy(*map(str, networks))
    meant = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None) or address
    expected = address_problem(address) is None and any(meant in network for network in networks)
    assert (rules.link_problem(Link("a", 8097, host=str(address))) is None) == expected


@pytest.mark.parametrize("line", ["**", "a*a*", "*a*a*a*a*x", "*" * 10_000, "x.**.y"])
def test_a_label_has_one_star_at_most(line: str) -> None:
    # a regular expression of many stars can take for ever to say no
    with pytest.raises(InvalidData, match="is neither a network nor a name pattern"):
        policy(line)
