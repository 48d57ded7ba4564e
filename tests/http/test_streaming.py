"""What moves: websockets, server-sent events, long polls, and gigabytes in bounded memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import websockets.exceptions
from backends import BLOCK, Handler, Request
from conftest import Backends
from rig import ALICE, BOB, Rig, basic, eventually

MEGABYTE = 1 << 20
HUGE = 2 << 30
MEMORY = 32 * MEGABYTE
"""How much nginx's workers may grow by while gigabytes pass through them."""
IN_FLIGHT = 64 * MEGABYTE
"""How much can be under way in sockets when one end stops reading."""


@pytest.mark.parametrize(("link", "path"), [("ws", "/room?x=%2F"), ("wskeep", "/alice/wskeep/room?x=%2F")])
def test_a_websocket_talks_both_ways(gate: Rig, link: str, path: str) -> None:
    with gate.websocket(f"/alice/{link}/room?x=%2F") as socket:
        assert socket.recv(60) == path
        for message in ("text, ü", bytes(range(256)), b"\0" * (4 * MEGABYTE), "x" * MEGABYTE, ""):
            socket.send(message)
            assert socket.recv(60) == message
        socket.send("push")
        assert [socket.recv(60) for _ in range(3)] == ["1", "2", "3"]
        assert socket.ping().wait(60)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/alice/ws", "/"),
        ("/alice/ws?x=%2F", "/?x=%2F"),
        # as it was written: the tool knows its own address
        ("/alice/wskeep", "/alice/wskeep"),
        ("/alice/wskeep?x=%2F", "/alice/wskeep?x=%2F"),
    ],
)
def test_a_websocket_needs_no_slash_at_the_end(gate: Rig, path: str, asked: str) -> None:
    for _ in range(4):
        with gate.websocket(path) as socket:
            # unlike a browser, this client follows redirects
            assert socket.request
            assert socket.request.path == path
            assert socket.recv(60) == asked
            socket.send("hello")
            assert socket.recv(60) == "hello"


@pytest.mark.parametrize("login", [None, ("alice", "wrong"), BOB])
def test_no_websocket_without_a_slash_opens_without_a_login(gate: Rig, login: tuple[str, str] | None) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused, gate.websocket("/alice/ws", login):
        pass
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    "path", ["/alice%2Fws", "//alice/ws", "/alice/./ws", "/alice/x/../ws", "/alice/ws%3Fx", "/alice/w%73"]
)
def test_no_other_spelling_of_it_is_a_links(gate: Rig, path: str) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused, gate.websocket(path):
        pass
    assert refused.value.response.status_code == 404


def test_what_is_no_websocket_is_sent_to_the_slash(gate: Rig) -> None:
    for upgrade in ("h2c", "websocketx", ""):
        answer = gate.raw("/alice/echo?x=1", ALICE, f"Upgrade: {upgrade}", "Connection: Upgrade")
        assert (answer.status, answer.all("Location")) == (302, ["/alice/echo/?x=1"])


@pytest.mark.parametrize(("login", "status"), [(None, 401), (("alice", "wrong"), 401), (BOB, 401), (ALICE, 404)])
def test_a_websocket_needs_login_and_link(gate: Rig, login: tuple[str, str] | None, status: int) -> None:
    path = "/alice/nolink/" if login == ALICE else "/alice/ws/"
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused, gate.websocket(path, login):
        pass
    assert refused.value.response.status_code == status


@pytest.mark.parametrize("protocol", ["h2c", "websocket, h2c", "TLS/1.0", "websockets"])
def test_nothing_but_websockets_may_upgrade(gate: Rig, protocol: str) -> None:
    answer = gate.raw(
        "/alice/echo/", ALICE, f"Upgrade: {protocol}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAA"
    )
    sent = {name.lower(): value for name, value in answer.json()["headers"]}
    assert "upgrade" not in sent
    assert "upgrade" not in sent.get("connection", "").lower()


@pytest.mark.parametrize("link", ["echo", "keep"])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
@pytest.mark.parametrize("length", [None, 30, -1], ids=["chunked", "known length", "until closed"])
def test_every_piece_arrives_when_it_is_sent(
    gate: Rig, backends: Backends, link: str, kind: str, length: int | None
) -> None:
    """The backend sends the next piece only when the client has the one before: what is held back never comes."""
    got = threading.Semaphore(0)

    def stream(handler: Handler, _: Request) -> None:
        handler.start(kind, length)
        for number in range(3):
            handler.piece(b"data: %2d\n\n" % number)
            assert got.acquire(timeout=60)
        handler.piece(b"")

    backends.alice.answers["stream"] = stream
    connection = gate.connect()
    headers = {"Authorization": basic(ALICE), "Accept-Encoding": "gzip"}
    connection.request("GET", f"/alice/{link}/stream", headers=headers)
    response = connection.getresponse()
    for number in range(3):
        assert response.read1(10) == b"data: %2d\n\n" % number
        got.release()
    assert response.read() == b""
    connection.close()


def test_a_long_poll_answers_when_there_is_news(gate: Rig, backends: Backends) -> None:
    news = threading.Event()

    def poll(handler: Handler, request: Request) -> None:
        assert news.wait(60)
        handler.echo(request)

    backends.alice.answers["poll"] = poll
    connection = gate.connect()
    connection.request("GET", "/alice/echo/poll", headers={"Authorization": basic(ALICE)})
    eventually(lambda: backends.alice.seen)
    news.set()
    assert connection.getresponse().status == 200
    connection.close()


class Watch:
    """Memory and temporary files of nginx at their worst while something goes on."""

    def __init__(self, gate: Rig) -> None:
        self.memory, self.spooled = 0, 0
        self._gate, self._end, self._before = gate, threading.Event(), gate.memory()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._end.wait(0.05):
            self.memory = max(self.memory, self._gate.memory() - self._before)
            self.spooled = max(self.spooled, self._gate.spooled())

    @classmethod
    @contextmanager
    def over(cls, gate: Rig) -> Iterator[Watch]:
        """Watches for the time of the `with`, then insists on both being small."""
        watch = cls(gate)
        watch._thread.start()
        try:
            yield watch
        finally:
            watch._end.set()
            watch._thread.join()
        assert watch.memory < MEMORY
        assert watch.spooled == 0


def standstill(gate: Rig, counter: list[int]) -> int:
    """Waits until a counter moves no more, and nginx can do nothing about it; returns the counter."""
    eventually(lambda: counter[-1])
    while True:
        before = counter[-1]
        time.sleep(0.3)
        gate.settle()
        if counter[-1] == before:
            return before


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_upload_is_streamed(gate: Rig, backends: Backends, chunked: bool) -> None:
    size = HUGE if not chunked else HUGE >> 3
    sent, arrived, go_on = [0], [0], threading.Event()

    def swallow(handler: Handler, request: Request) -> None:
        for piece in handler.body():
            arrived[0] += piece
            assert go_on.wait(60)
        handler.start("text/plain", 0)

    def upload() -> None:
        block = bytes(BLOCK)
        if chunked:
            block = b"%x\r\n%s\r\n" % (BLOCK, block)
        for _ in range(size // BLOCK):
            client.sendall(block)
            sent[0] += BLOCK
        client.sendall(b"0\r\n\r\n" if chunked else b"")

    backends.alice.answers["swallow"] = swallow
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    with gate.dial() as client, Watch.over(gate):
        client.sendall(
            f"POST /alice/keep/swallow HTTP/1.1\r\nHost: gate\r\nAuthorization: {basic(ALICE)}\r\n{length}\r\n\r\n".encode()
        )
        thread = threading.Thread(target=upload, daemon=True)
        thread.start()
        eventually(lambda: arrived[0])
        assert standstill(gate, sent) < IN_FLIGHT, "the gateway takes in what the backend does not want yet"
        go_on.set()
        thread.join()
        assert client.recv(BLOCK).startswith(b"HTTP/1.1 200")
    assert arrived[0] == size


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_download_is_streamed(gate: Rig, backends: Backends, chunked: bool) -> None:
    size = HUGE if not chunked else HUGE >> 3
    sent = [0]

    def pour(handler: Handler, request: Request) -> None:
        handler.start("application/octet-stream", None if chunked else size)
        block = bytes(BLOCK)
        for _ in range(size // BLOCK):
            handler.piece(block)
            sent[0] += BLOCK
        handler.piece(b"")

    backends.alice.answers["pour"] = pour
    connection = gate.connect()
    with Watch.over(gate):
        connection.request("GET", "/alice/echo/pour", headers={"Authorization": basic(ALICE)})
        response = connection.getresponse()
        assert standstill(gate, sent) < IN_FLIGHT, "the gateway takes in what the client does not want yet"
        got, block = 0, memoryview(bytearray(BLOCK))
        while piece := response.readinto(block):
            got += piece
    connection.close()
    assert got == size


def test_a_backend_cannot_turn_buffering_on(gate: Rig, backends: Backends) -> None:
    """A response that nginx buffers is spooled to a disk which all users share."""
    sent = [0]

    def pour(handler: Handler, request: Request) -> None:
        handler.send_response(200)
        handler.send_header("X-Accel-Buffering", "yes")
        handler.send_header("Content-Length", str(HUGE))
        handler.end_headers()
        for _ in range(HUGE // BLOCK):
            handler.wfile.write(bytes(BLOCK))
            sent[0] += BLOCK

    backends.alice.answers["pour"] = pour
    connection = gate.connect()
    with Watch.over(gate):
        connection.request("GET", "/alice/echo/pour", headers={"Authorization": basic(ALICE)})
        connection.getresponse()
        assert standstill(gate, sent) < IN_FLIGHT
    connection.close()
