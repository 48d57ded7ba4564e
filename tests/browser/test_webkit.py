"""WebKit's websockets: it marks them otherwise than other browsers do, and it sends no password with them."""

from __future__ import annotations

import contextlib
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from webkit import WebKit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from backends import Backend, WebsocketBackend
from rig import Rig
from sign_in import BASE, Service

HTML = urllib.parse.urlencode({"header": "Content-Type: text/html", "body": "<!doctype html><body>a page"})
SOCKET = """
    const socket = new WebSocket(arguments[0]), tell = arguments[1];
    socket.onopen = () => tell("open");
    socket.onerror = () => tell("refused");
"""


@pytest.fixture(scope="module")
def gate() -> Iterator[Rig]:
    """A gateway where people sign in by a service, so that a cookie goes with websockets; alice may also see bob's pages."""
    backend, socket = Backend("everybody's"), WebsocketBackend()
    links = [{"name": "page", "port": backend.port}, {"name": "socket", "port": socket.port}]
    users = {user: {"links": links, "logins": [{"name": "alice", "password": "wonder"}]} for user in ("alice", "bob")}
    with (
        contextlib.closing(Service()) as service,
        contextlib.closing(backend),
        contextlib.closing(socket),
        Rig.temporary(
            users, gateway_auth="forward", gateway_forward_auth_url=f"http://127.0.0.1:{service.port}{BASE}/auth"
        ) as rig,
    ):
        rig.build()
        yield rig


@pytest.mark.parametrize("page", ["alice", "bob"])
def test_a_websocket_opens(gate: Rig, webkit: WebKit, page: str) -> None:
    """Also from bob's page, as in other browsers: the guide says so of path style."""
    webkit.goto(f"http://127.0.0.1:{gate.port}/{page}/page/?{HTML}")
    assert webkit.evaluate(SOCKET, f"ws://127.0.0.1:{gate.port}/alice/socket/") == "open"


def test_a_websocket_of_another_site_is_refused(gate: Rig, webkit: WebKit) -> None:
    with contextlib.closing(Backend("elsewhere")) as site:
        webkit.goto(f"http://127.0.0.1:{site.port}/?{HTML}")
        assert webkit.evaluate(SOCKET, f"ws://127.0.0.1:{gate.port}/alice/socket/") == "refused"
