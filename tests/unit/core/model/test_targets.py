# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that links lead to: which are accepted, and how they are read."""

from __future__ import annotations

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.targets import host_problem
from ansible_collections.vizgate.gateway.tests.unit.core.model.declared import problems


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.255.255.255",
        "::1",
        "fd00::1",
        "FD00::0:1",
        "::ffff:10.0.0.1",
        "localhost",
        "visdomserv1",
        "GPU-7.Cluster.example",
        "1and1.example",
        "0x.example",
        "a" * 63,
        ".".join(["a" * 63] * 3 + ["a" * 61]),
    ],
)
def test_hosts(host: str) -> None:
    assert host_problem(host) is None


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("", "''"),
        (" 10.0.0.1", "' 10.0.0.1'"),
        ("10.0.0.1\n", r"'10.0.0.1\n'"),
        ("10.0.0.1:80", "'10.0.0.1:80'"),
        ("10.0.0.0/8", "'10.0.0.0/8'"),
        # what the C library would take for 127.0.0.1
        ("127.1", "'127.1'"),
        ("127.0.1", "'127.0.1'"),
        ("2130706433", "'2130706433'"),
        ("0x7f.1", "'0x7f.1'"),
        ("0x7f000001", "'0x7f000001'"),
        ("0X7F000001", "'0X7F000001'"),
        ("0x", "'0x'"),
        ("0177.0.0.1", "'0177.0.0.1'"),
        ("127.0.0.0x1", "'127.0.0.0x1'"),
        ("127.0.0.01", "'127.0.0.01'"),
        ("1.2.3.4.5", "'1.2.3.4.5'"),
        ("256.0.0.1", "'256.0.0.1'"),
        ("١٢٧.0.0.1", r"'\u0661\u0662\u0667.0.0.1'"),
        # IPv6 the way other places write it
        ("[::1]", "'[::1]'"),
        ("fe80::1%eth0", "'fe80::1%eth0'"),
        ("::1%\n", r"'::1%\n'"),
        ("::g", "'::g'"),
        ("1::2::3", "'1::2::3'"),
        # names that are none
        ("host.", "'host.'"),
        (".host", "'.host'"),
        ("a..b", "'a..b'"),
        ("-host", "'-host'"),
        ("host-", "'host-'"),
        ("ho_st", "'ho_st'"),
        ("ho st", "'ho st'"),
        ("host;", "'host;'"),
        ("$host", "'$host'"),
        ("unix:/run/x.sock", "'unix:/run/x.sock'"),
        ("http://host", "'http://host'"),
        ("host/path", "'host/path'"),
        ("user@host", "'user@host'"),
        ("*", "'*'"),
        ("\u212aelvin", r"'\u212aelvin'"),
        ("hôst", r"'h\xf4st'"),
        ("host\0", r"'host\x00'"),
        ("host。example", r"'host\u3002example'"),
        ("a" * 64, "'" + "a" * 64 + "'"),
        (".".join(["a" * 63] * 3 + ["a" * 62]), "'" + "a" * 63 + "." + "a" * 13 + "…'"),
    ],
)
def test_hosts_that_are_none(host: str, seen: str) -> None:
    assert host_problem(host) == (
        f"host {seen} is neither an IP address nor a host name (letters, digits, '-' and '.')"
    )


@pytest.mark.parametrize(
    ("host", "seen"), [(None, "None"), (127, "127"), (1.5, "1.5"), (["a"], "['a']"), (True, "True")]
)
def test_hosts_that_are_no_text(host: object, seen: str) -> None:
    quote = '"' if "'" in seen else "'"
    assert problems(link={"host": host}) == [f"link 'run1': host {quote}{seen}{quote} is not a text; quote it"]


@pytest.mark.parametrize(
    ("written", "read"),
    [("FD00:0:0::A", "fd00::a"), ("GPU-7.Example", "gpu-7.example"), ("10.0.0.1", "10.0.0.1"), ("::", "::")],
)
def test_hosts_are_read_in_one_spelling(written: str, read: str) -> None:
    link = parse_user({"links": [{"name": "a", "port": 1, "host": written}]})[0].links[0]
    assert link.host == read
