"""Requests that two servers could read in two ways: nobody gets a second one past the gateway, or into another's answer."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterable

import h2.config
import h2.connection
import h2.events
import pytest
from conftest import Backends
from rig import ALICE, BOB, Rig, basic
from test_tls import tls, trust  # noqa: F401  # a gateway that speaks HTTP/2

LOGIN = f"Authorization: {basic(ALICE)}\r\n"
HIDDEN = f"GET /bob/echo/hidden HTTP/1.1\r\nHost: gate\r\nX-Hidden: 1\r\n{LOGIN}\r\n"
LENGTH = f"Content-Length: {len(HIDDEN)}\r\n"


def hidden_in_chunks(size: str = f"{len(HIDDEN):x}") -> str:
    """The hidden request as the only chunk of a body."""
    return f"{size}\r\n{HIDDEN}\r\n0\r\n\r\n"


def sent(gate: Rig, text: str) -> list[int]:
    """The status of every answer to a text that goes out as it is, up to the end of the connection."""
    with gate.dial() as client:
        client.settimeout(2)
        client.sendall(text.encode("latin-1"))
        got = b""
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                got += data
                gate.settle()
                client.settimeout(0.5)
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", got)]


def expect_nothing_hidden(gate: Rig, backends: Backends) -> None:
    """No backend has seen more than what was asked of it, and the next visitor gets an answer of their own."""
    assert backends.bob.seen == []
    assert len(backends.alice.seen) <= 1
    for request in backends.alice.seen:
        assert (request.target, request.header("X-Hidden")) == ("/", None)
        assert not (request.header("Transfer-Encoding") and request.header("Content-Length"))
    for path, login, name in (("/alice/echo/next", ALICE, "alice's"), ("/bob/echo/next", BOB, "bob's")):
        answer = gate.get(path, login)
        assert (answer.status, answer.backend, answer.json()["target"]) == (200, name, "/next")


@pytest.mark.parametrize(
    ("head", "body"),
    {
        "both lengths": (f"{LENGTH}Transfer-Encoding: chunked\r\n", hidden_in_chunks()),
        "both lengths, the other way": ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" + HIDDEN),
        "two lengths": (f"Content-Length: 0\r\n{LENGTH}", HIDDEN),
        "two lengths in one": (f"Content-Length: 0, {len(HIDDEN)}\r\n", HIDDEN),
        "a signed length": (f"Content-Length: +{len(HIDDEN)}\r\n", HIDDEN),
        "a negative length": ("Content-Length: -1\r\n", HIDDEN),
        "a hexadecimal length": (f"Content-Length: 0x{len(HIDDEN):x}\r\n", HIDDEN),
        "a length with a space in it": ("Content-Length: 1 0\r\n", HIDDEN),
        "another encoding": (f"{LENGTH}Transfer-Encoding: xchunked\r\n", HIDDEN),
        "two encodings": ("Transfer-Encoding: gzip, chunked\r\n", hidden_in_chunks()),
        "chunked twice": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", hidden_in_chunks()),
        "chunked and identity": ("Transfer-Encoding: chunked, identity\r\n", hidden_in_chunks()),
        "a space before the colon": (f"{LENGTH}Transfer-Encoding : chunked\r\n", hidden_in_chunks()),
        "a tab before the value": (f"{LENGTH}Transfer-Encoding:\tchunked\r\n", hidden_in_chunks()),
        "a vertical tab before the value": (f"{LENGTH}Transfer-Encoding:\x0bchunked\r\n", hidden_in_chunks()),
        "a folded line": (f"{LENGTH}Transfer-Encoding:\r\n chunked\r\n", hidden_in_chunks()),
        "a line that ends in LF": (f"{LENGTH}X: y\nTransfer-Encoding: chunked\r\n", hidden_in_chunks()),
        "a line that ends in CR": (f"{LENGTH}X: y\rTransfer-Encoding: chunked\r\n", hidden_in_chunks()),
        "a NUL in a name": (f"{LENGTH}Transfer-\x00Encoding: chunked\r\n", hidden_in_chunks()),
        "underscores": (f"{LENGTH}Transfer_Encoding: chunked\r\n", hidden_in_chunks()),
        "a chunk of negative size": ("Transfer-Encoding: chunked\r\n", hidden_in_chunks("-1")),
        "a chunk of huge size": ("Transfer-Encoding: chunked\r\n", hidden_in_chunks("1" + "0" * 16)),
        "a chunk of no size": ("Transfer-Encoding: chunked\r\n", hidden_in_chunks("")),
        "a chunk with 0x": ("Transfer-Encoding: chunked\r\n", hidden_in_chunks("0x10")),
        "a chunk that is too short": ("Transfer-Encoding: chunked\r\n", hidden_in_chunks("1")),
        "an extension with LF": ("Transfer-Encoding: chunked\r\n", f"0;x\n\r\n{HIDDEN}"),
    }.values(),
    ids=lambda value: ascii(value)[1:40],
)  # fmt: skip
@pytest.mark.usefixtures("warm")
def test_no_body_is_another_request(gate: Rig, backends: Backends, head: str, body: str) -> None:
    statuses = sent(gate, f"POST /alice/echo/ HTTP/1.1\r\nHost: gate\r\n{LOGIN}{head}\r\n{body}")
    # what is left over of a request that nginx has understood is asked like any other: without bob's login
    assert set(statuses) <= {200, 400, 401, 405, 408, 411, 413, 501, 502}
    assert statuses.count(200) <= 1
    expect_nothing_hidden(gate, backends)


@pytest.mark.parametrize("name", ["HEAD", "GET", "DELETE", "OPTIONS"])
@pytest.mark.usefixtures("warm")
def test_a_body_where_none_belongs_is_a_body(gate: Rig, backends: Backends, name: str) -> None:
    statuses = sent(gate, f"{name} /alice/echo/ HTTP/1.1\r\nHost: gate\r\n{LOGIN}{LENGTH}\r\n{HIDDEN}")
    assert statuses[:1] == [200]
    expect_nothing_hidden(gate, backends)


class Http2:
    """A client that sends what it is told, right or wrong."""

    def __init__(self, rig: Rig) -> None:
        context = trust(rig)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", rig.port), timeout=60)
        self._socket: ssl.SSLSocket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        settings = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        self._connection = h2.connection.H2Connection(settings)
        self._connection.initiate_connection()

    def ask(self, headers: Iterable[tuple[str, str]], body: bytes = b"") -> str:
        """The status; "reset" where the server ends the stream or the connection."""
        stream = self._connection.get_next_available_stream_id()
        self._connection.send_headers(stream, list(headers), end_stream=not body)
        if body:
            self._connection.send_data(stream, body, end_stream=True)
        self._socket.sendall(self._connection.data_to_send())
        try:
            while data := self._socket.recv(65536):
                for event in self._connection.receive_data(data):
                    if isinstance(event, h2.events.ResponseReceived):
                        return dict(event.headers)[b":status"].decode()
                    if isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                        return "reset"
                self._socket.sendall(self._connection.data_to_send())
        except OSError:
            pass
        return "reset"

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()


def asked(path: str = "/alice/echo/", method: str = "GET") -> list[tuple[str, str]]:
    """A request of alice's as it should be."""
    pseudo = {":method": method, ":scheme": "https", ":authority": "gate", ":path": path}
    return [*pseudo.items(), ("authorization", basic(ALICE))]


EVIL = "y\r\nX-Hidden: 1\r\n\r\n" + HIDDEN


@pytest.mark.parametrize(
    ("headers", "body"),
    {
        "chunked": ([*asked(method="POST"), ("transfer-encoding", "chunked")], hidden_in_chunks().encode()),
        "a length too short": ([*asked(method="POST"), ("content-length", "0")], HIDDEN.encode()),
        "a length too long": ([*asked(method="POST"), ("content-length", "99999")], b"x"),
        "two lengths": ([*asked(method="POST"), ("content-length", "0"), ("content-length", "9")], b"x" * 9),
        "an upgrade": ([*asked(), ("connection", "upgrade"), ("upgrade", "h2c")], b""),
        "line ends in a value": ([*asked(), ("x", EVIL)], b""),
        "a line end in a value": ([*asked(), ("x", "y\nX-Hidden: 1")], b""),
        "line ends in a name": ([*asked(), ("x: y\r\nx-hidden", "1")], b""),
        "line ends in the path": ([*asked(f"/alice/echo/ HTTP/1.1\r\nX-Hidden: 1\r\n\r\n{HIDDEN}")], b""),
        "a space in the path": ([*asked("/alice/echo/ HTTP/1.1")], b""),
        "line ends in the method": ([*asked(method=f"GET /alice/echo/ HTTP/1.1\r\nX-Hidden: 1\r\n\r\n{HIDDEN}")], b""),
        "an upper-case name": ([*asked(), ("X-Hidden", "1")], b""),
        "two paths": ([*asked(), (":path", "/bob/echo/")], b""),
        "a late path": ([*asked()[:3], *asked()[4:], (":path", "/bob/echo/")], b""),
        "a whole address": ([*asked("https://gate/bob/echo/")], b""),
    }.values(),
    ids=lambda value: ascii(value)[-40:],
)
def test_no_http2_request_becomes_two_of_http1(
    tls: Rig,  # noqa: F811
    backends: Backends,
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    backends.alice.seen.clear()
    backends.bob.seen.clear()
    client = Http2(tls)
    status = client.ask(headers, body)
    client.close()
    assert status in ("reset", "200", "400", "401", "404", "405", "501")
    assert backends.bob.seen == []
    assert len(backends.alice.seen) <= 1
    for request in backends.alice.seen:
        assert (request.header("X-Hidden"), request.header("Upgrade")) == (None, None)
        assert not (request.header("Transfer-Encoding") and request.header("Content-Length"))
    client = Http2(tls)
    assert client.ask(asked("/alice/echo/next")) == "200"
    client.close()
    assert backends.alice.seen[-1].target == "/next"
