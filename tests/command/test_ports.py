"""Port ranges by script: the own range, who listens in it, and a link in quarantine."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from conftest import Vizgate
from rig import free_range

START = free_range(20)


@pytest.fixture
def ranged(vizgate: Vizgate) -> Iterator[Vizgate]:
    """The gateway with port ranges, for the time of a test."""
    paths = vizgate.gate.core.paths
    policy = Path(paths.policy)
    text = policy.read_text()
    policy.write_text(json.dumps({**json.loads(text), "port_range_start": START, "port_range_size": 10}))
    yield vizgate
    vizgate.gate.withdraw()
    policy.write_text(text)
    Path(paths.ports).unlink(missing_ok=True)
    # entries that name accounts are entries of a gateway with ranges
    vizgate.gate.core.declare("self", lambda _: {}, Options(repair=True))


@pytest.fixture
def foreign() -> Iterator[socket.socket]:
    """Something of another account's that listens on the first port."""
    if os.getuid() != 0:
        pytest.skip("only root listens as somebody else")
    os.seteuid(61234)
    listener = socket.socket()
    os.seteuid(0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", START))
    listener.listen()
    yield listener
    listener.close()


def test_a_gateway_without_ranges_says_so(vizgate: Vizgate) -> None:
    done = vizgate("ports")
    assert (done.code, done.out) == (4, "")
    assert "this gateway has no port ranges" in done.err


def test_the_own_range_and_what_is_in_it(ranged: Vizgate) -> None:
    assert ranged.ok("ports") == f"alice's port range is {START}-{START + 9}; the first free port is {START}\n"
    assert ranged.ok("ports", user="bob").startswith(f"bob's port range is {START + 10}-{START + 19};")
    ranged.ok("add", "t", "--port", str(START))
    with socket.create_server(("127.0.0.1", START + 1)):
        told = json.loads(ranged.ok("ports", "--json"))
        assert {key: told[key] for key in ("user", "first", "last", "free")} == {
            "user": "alice",
            "first": START,
            "last": START + 9,
            "free": START + 2,
        }
        link, other = told["ports"]
        assert (link["port"], link["link"], link["address"]) == (START, "t", "")
        assert (other["port"], other["link"], other["address"], other["pid"]) == (
            START + 1,
            "",
            "127.0.0.1",
            os.getpid(),
        )
        table = ranged.ok("ports").splitlines()
        assert table[1].split() == ["PORT", "LINK", "ADDRESS", "USER", "PROCESS"]
        assert table[2].split() == [str(START), "t", "no", "listener"]
        assert table[3].split()[:2] == [str(START + 1), "127.0.0.1"]


def test_a_port_of_anybody_elses_is_refused(ranged: Vizgate) -> None:
    for words in (("--port", "9000"), ("--host", "localhost", "--port", str(START + 10))):
        done = ranged("add", "t", *words)
        assert (done.code, done.out) == (1, "")
        assert f"is not in alice's own range: alice has {START}-{START + 9}; vizgate ports" in done.err
    ranged.ok("add", "t", "--port", str(START))
    assert ranged("edit", "t", "--port", "9000").code == 1
    ranged.ok("add", "far", "--host", "10.255.255.1", "--port", "9000")


def test_a_link_in_quarantine_is_told_its_owner(ranged: Vizgate, foreign: socket.socket) -> None:
    ranged.ok("add", "t", "--port", str(START))
    done = ranged("list")
    assert done.err == (
        f"link 't' is in quarantine: 127.0.0.1:{START} is used by a program of 61234; vizgate doctor t says what to do\n"
    )
    done = ranged("status", "t")
    assert done.code == 3
    assert "quarantined" in done.out
    (link,) = json.loads(ranged("status", "--json").out)
    assert (link["quarantined"], link["works"]) == ("61234", False)
    done = ranged("doctor", "t")
    assert done.code == 3
    assert done.out.startswith(f"error: 127.0.0.1:{START} is used by a program of 61234, not of alice: the link is in")
    assert f"edit t --port {START + 1}" in done.out
    foreign.close()
    assert ranged("list").err == ""
