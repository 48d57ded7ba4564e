"""Where users have port ranges, a link whose port a program of another account listens on is not served, and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.control import served
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.listener_table import listeners
from ansible_collections.vizgate.gateway.plugins.module_utils._core.ports import ranges
from rig import ALICE, Answer, Rig, eventually, free_range, has_ipv6
from test_dead_backends import assert_is_page

SIZE, USERS = 20, 5
START = free_range(SIZE * USERS + 1)
OUTSIDE = START + SIZE * USERS
SQUATTER, SERVICE = 58234, 998
"""Accounts that nobody has: one of a user, one of a service."""
SAYS = """
import http.server, os, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
    def server_bind(self):
        if ":" in sys.argv[2]:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"of {sys.argv[3]}".encode())
    do_HEAD = do_GET
# a socket is whose account makes it; others may not be able to run the tests' own Python
os.seteuid(int(sys.argv[3]))
server = Server((sys.argv[2], int(sys.argv[1])), Handler, bind_and_activate=False)
os.seteuid(0)
server.server_bind()
server.server_activate()
server.serve_forever()
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root starts programs of other accounts")
Listening = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module")
def gate() -> Iterator[Rig]:
    """A gateway with port ranges; whatever is alice's runs as root, as its owner does."""
    with Rig.temporary(
        {"alice": {"logins": [{"name": ALICE[0], "password": ALICE[1]}]}},
        gateway_port_range_start=START,
        gateway_port_range_size=SIZE,
        gateway_port_range_users=USERS,
    ) as rig:
        rig.build()
        yield rig


@pytest.fixture
def port(gate: Rig) -> Iterator[int]:
    """A port of alice's range, to which her own link `t` leads."""
    port = START
    gate.core.declare("self", lambda _: {"alice": UserData((Link("t", port),))})
    yield port
    gate.withdraw()


@contextmanager
def listening(port: int, uid: int, address: str = "127.0.0.1") -> Iterator[None]:
    """A web server of an account's."""
    program = subprocess.Popen([sys.executable, "-c", SAYS, str(port), address, str(uid)])
    try:
        eventually(lambda: any(one.port == port and one.uid == uid for one in listeners(commands=False)))
        yield
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()


def page(gate: Rig, name: str = "t") -> Answer:
    return gate.get(f"/alice/{name}/", ALICE, source=gate.address())


def after_a_second(gate: Rig, name: str = "t") -> Answer:
    """What every request is answered once each worker has had its second."""
    time.sleep(1.1)
    answers = [page(gate, name) for _ in range(20)]
    assert len({(answer.status, answer.text) for answer in answers}) == 1
    return answers[0]


def test_a_squatter_is_not_served_and_the_owner_is_again(gate: Rig, port: int) -> None:
    with listening(port, 0):
        assert (page(gate).status, page(gate).text) == (200, "of 0")
    with listening(port, SQUATTER):
        answer = after_a_second(gate)
        assert_is_page(answer, 502, "t is in quarantine", "another account", "vizgate doctor t")
        assert str(SQUATTER) not in answer.text
        assert "is not running" not in answer.text
        assert gate.get("/alice/-/status/t", ALICE).json()["answers"] is False
        (link,) = gate.core.info("alice")["users"]["alice"]["links"]  # type: ignore[index]
        assert link["quarantined"] == str(SQUATTER)
    with listening(port, 0):
        assert after_a_second(gate).text == "of 0"
    (link,) = gate.core.info("alice")["users"]["alice"]["links"]  # type: ignore[index]
    assert link["quarantined"] == ""


def test_nothing_that_listens_is_no_quarantine(gate: Rig, port: int) -> None:
    assert_is_page(page(gate), 502, "t is not running", f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:127.0.0.1"])
def test_whoever_listens_on_all_addresses_is_found(gate: Rig, port: int, address: str) -> None:
    if ":" in address and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with listening(port, SQUATTER, address):
        assert "in quarantine" in after_a_second(gate).text
    with listening(port, 0, address):
        assert after_a_second(gate).text == "of 0"


def test_another_address_on_the_same_port_is_nobodys_business(gate: Rig, port: int) -> None:
    """Or everybody could put everybody's links into quarantine."""
    with listening(port, 0), listening(port, SQUATTER, "127.0.0.2"):
        assert after_a_second(gate).text == "of 0"


def test_ipv6_targets_are_watched(gate: Rig) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    gate.core.declare("self", lambda _: {"alice": UserData((Link("t", START + 1, host="::1"),))})
    with listening(START + 1, SQUATTER, "::1"):
        assert "in quarantine" in after_a_second(gate).text
    with listening(START + 1, 0, "::1"):
        assert after_a_second(gate).text == "of 0"
    gate.withdraw()


def test_services_may_serve_what_an_administrator_has_seen(gate: Rig, port: int) -> None:
    """Outside of the ranges, accounts of services are trusted; users' are not, and in the ranges nobody's."""
    gate.declare("alice", [Link("app", OUTSIDE), Link("inside", port + 1)])
    with listening(OUTSIDE, SERVICE), listening(port + 1, SERVICE):
        assert after_a_second(gate, "app").text == f"of {SERVICE}"
        assert "in quarantine" in page(gate, "inside").text
    # systemd's, of a unit with DynamicUser
    with listening(OUTSIDE, 61200):
        assert after_a_second(gate, "app").text == "of 61200"
    with listening(OUTSIDE, SQUATTER):
        assert "in quarantine" in after_a_second(gate, "app").text


def test_lua_and_core_agree_on_entries(gate: Rig, port: int) -> None:
    gate.declare("alice", [Link("app", OUTSIDE), Link("far", OUTSIDE, host="10.255.255.1")])
    keys = ["alice/t", "alice/app", "alice/far"]
    assert served(gate.core.paths.control, keys) == {
        "alice/t": f"strip 127.0.0.1:{port} 0",
        "alice/app": f"strip 127.0.0.1:{OUTSIDE} 0 {ranges.SYSTEM_UIDS}",
        "alice/far": f"strip 10.255.255.1:{OUTSIDE}",
    }


def test_without_ranges_entries_are_what_they_were(gate: Rig, port: int) -> None:
    policy = Path(gate.core.paths.policy)
    text = policy.read_text()
    policy.write_text(text.replace(f'"port_range_start": {START}', '"port_range_start": 0'))
    try:
        gate.core.declare("self", lambda _: {}, Options(repair=True))
        assert served(gate.core.paths.control, ["alice/t"]) == {"alice/t": f"strip 127.0.0.1:{port}"}
        with listening(port, SQUATTER):
            assert page(gate).text == f"of {SQUATTER}"
    finally:
        policy.write_text(text)


@pytest.fixture
def deaf_kernel(gate: Rig) -> Iterator[None]:
    """As under a security module that denies nginx the kernel's socket for questions about sockets."""
    with gate.configured("vizgate.configure { sock_diag = 99 }"):
        yield


def test_where_the_kernel_is_not_to_be_asked_its_tables_are_read(deaf_kernel: None, gate: Rig, port: int) -> None:
    for address in ["127.0.0.1", *(["::"] if has_ipv6() else [])]:
        with listening(port, SQUATTER, address):
            assert "in quarantine" in after_a_second(gate).text
    with listening(port, 0), listening(port, SQUATTER, "127.0.0.2"):
        assert after_a_second(gate).text == "of 0"
