"""Where a sign-in service may listen: at an address of this host's own nobody but root and system accounts are believed."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Backends
from rig import Rig, eventually, free_port

STRANGER = 4711
SERVICE = """
import os, socket, sys
uid, family, place, port = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
os.setgroups([])
os.setuid(uid)
listener = socket.socket(getattr(socket, family))
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(place if family == "AF_UNIX" else (place, port))
if family == "AF_UNIX":
    os.chmod(place, 0o777)
listener.listen()
print("listens", flush=True)
while True:
    connection = listener.accept()[0]
    if connection.recv(65536):
        connection.sendall(b"HTTP/1.1 202 Accepted\\r\\nX-Auth-Request-User: alice\\r\\nContent-Length: 0\\r\\n\\r\\n")
    connection.close()
"""
pytestmark = pytest.mark.skipif("os.getuid() != 0", reason="only root can be somebody else")


def own_address() -> str:
    """An address of this host's that is no loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def mapped(address: str) -> str:
    """The same IPv4 address, written as one of IPv6."""
    return "[::ffff:{:02x}{:02x}:{:02x}{:02x}]".format(*map(int, address.split(".")))


PORT = free_port()
# how the gateway is told where the service is, and where somebody listens to be taken for it
PLACES = {
    "own address": (f"{own_address()}:{PORT}", "AF_INET", own_address()),
    "own address, any listener": (f"{own_address()}:{PORT}", "AF_INET", "0.0.0.0"),
    "own address, listener of IPv6": (f"{own_address()}:{PORT}", "AF_INET6", "::"),
    "own address, mapped": (f"{mapped(own_address())}:{PORT}", "AF_INET", own_address()),
    "loopback, mapped": (f"{mapped('127.0.0.1')}:{PORT}", "AF_INET", "127.0.0.1"),
    "other loopback": (f"127.9.9.9:{PORT}", "AF_INET", "127.9.9.9"),
    "no address": (f"0.0.0.0:{PORT}", "AF_INET", "127.0.0.1"),
    "no address of IPv6": (f"[::]:{PORT}", "AF_INET6", "::1"),
    "loopback of IPv6": (f"[::1]:{PORT}", "AF_INET6", "::1"),
    "unix socket": ("unix:/tmp/vg-signin.sock", "AF_UNIX", "/tmp/vg-signin.sock"),
}


@contextlib.contextmanager
def listening(uid: int, family: str, place: str) -> Iterator[None]:
    """A service of this account, which takes everybody for alice."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place)
    arguments = [sys.executable, "-c", SERVICE, str(uid), family, place, str(PORT)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "listens\n"
        yield
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(place)


@pytest.fixture(scope="module")
def rig(backends: Backends) -> Iterator[Rig]:
    users = {"alice": {"links": [{"name": "echo", "port": backends.alice.port}]}}
    place = f"http://127.0.0.1:{PORT}/auth"
    with Rig.temporary(users, gateway_auth="forward", gateway_forward_auth_url=place) as rig:
        rig.build()
        yield rig


def move(rig: Rig, place: str) -> None:
    """Tells the gateway that the service is elsewhere, as a converge would."""
    path = Path(rig.core.paths.includes, "gateway.conf")
    text = path.read_text()
    former = text.split('place = "')[1].partition('"')[0]
    path.write_text(text.replace(f'"{former}"', f'"{place}"').replace(f"http://{former};", f"http://{place};"))
    rig.reload()


@pytest.mark.parametrize("case", PLACES)
def test_whoever_listens_there_has_to_be_a_service(rig: Rig, backends: Backends, case: str) -> None:
    place, family, listener = PLACES[case]
    move(rig, place)
    backends.alice.seen.clear()
    with listening(STRANGER, family, listener):
        assert [rig.get("/alice/echo/").status for _ in range(3)] == [503] * 3
        assert rig.get("/-/oauth2/start").status == 503
        assert not backends.alice.seen
    with listening(0, family, listener):
        eventually(lambda: rig.get("/alice/echo/").status == 200)


def test_an_address_that_came_later_is_known(rig: Rig) -> None:
    """Nothing is remembered of which addresses are this host's."""
    move(rig, f"198.51.100.7:{PORT}")
    subprocess.run(["ip", "address", "add", "198.51.100.7/32", "dev", "lo"], check=True)
    try:
        with listening(STRANGER, "AF_INET", "198.51.100.7"):
            assert [rig.get("/alice/echo/").status for _ in range(3)] == [503] * 3
    finally:
        subprocess.run(["ip", "address", "del", "198.51.100.7/32", "dev", "lo"], check=True)


def test_a_service_that_says_a_byte_now_and_then_has_one_deadline(rig: Rig) -> None:
    move(rig, f"127.0.0.1:{PORT}")
    with socket.create_server(("127.0.0.1", PORT)) as listener, contextlib.closing(rig.connect()) as client:
        client.request("GET", "/alice/echo/")
        listener.settimeout(60)
        service = listener.accept()[0]
        started = time.monotonic()
        with service, contextlib.suppress(OSError):
            service.recv(65536)
            service.settimeout(0.5)
            service.sendall(b"HTTP/1.1 202 Accepted\r\nX: ")
            while time.monotonic() - started < 50:
                service.sendall(b"x")
                # the pause between two bytes; the gateway hangs up once its deadline is over
                with contextlib.suppress(TimeoutError):
                    if service.recv(1) == b"":
                        break
        assert 8 < time.monotonic() - started < 40
        assert client.getresponse().status == 503
