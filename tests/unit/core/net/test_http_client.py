# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of an answer, and for how long: real sockets that send too much, too slowly, or nonsense."""

from __future__ import annotations

import concurrent.futures
import re
import socket
import threading
import time

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.http_client import ask, split_url
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.probe import Probe, probe
from ansible_collections.vizgate.gateway.tests.unit.core.net.servers import OK, SITE, Server, link, listening, saying


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"", "it closes the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nServer: x\r\n", "it closes the connection without an answer"),
        (b"RFB 003.008\n", "its answer is not HTTP: 'RFB 003.008'"),
        (b"SSH-2.0-x\x1b[31m\r\n", "its answer is not HTTP: 'SSH-2.0-x\\x1b[31m'"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "its headers have more than 65,536 bytes"),
        (b"HTTP/1.1 what\r\n\r\n", "its answer is not HTTP: 'HTTP/1.1 what'"),
    ],
)
def test_an_answer_that_is_none(said: bytes, problem: str) -> None:
    with listening(saying(said)) as port:
        seen = probe(link(port), SITE)
    assert (seen.listening, seen.answers, seen.status, seen.milliseconds) == (True, False, 0, None)
    assert seen.problem == problem


def test_lines_may_end_as_simple_servers_end_them() -> None:
    with listening(saying(b"HTTP/1.0 204 No\nServer: x\nServer: y\n\n")) as port:
        reply = ask(("127.0.0.1", port), "/", {})
    assert (reply.status, reply.headers) == (204, {"server": "x\ny"})


def test_a_reset_is_said_as_such() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with listening(serve) as port:
        assert probe(link(port), SITE).problem == "connection reset"


def test_nobody_keeps_the_probe_waiting() -> None:
    """Not who says nothing, nor who goes on and on, a byte or a header at a time."""
    over = threading.Event()

    def endless(piece: bytes) -> Server:
        def serve(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n" if piece else b"")
            while not over.wait(0.05):
                connection.sendall(piece)

        return serve

    def look(piece: bytes) -> tuple[Probe, float]:
        with listening(endless(piece)) as port:
            started = time.monotonic()
            return probe(link(port), SITE), time.monotonic() - started

    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = list(pool.map(look, [b"", b"x", b"X: y\r\n"]))
    over.set()
    for seen, seconds in found:
        assert (seen.listening, seen.answers, seen.problem) == (True, False, "no answer within 2 s")
        assert 1.9 < seconds < 60


def test_a_body_that_never_ends_costs_its_time_and_no_more() -> None:
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.wait(0.05):
            connection.sendall(b"x")

    started = time.monotonic()
    with listening(serve) as port:
        assert probe(link(port), SITE, seconds=60).answers
        reply = ask(("127.0.0.1", port), "/", {}, body_bytes=1000, seconds=2)
    over.set()
    assert time.monotonic() - started < 40, "1000 bytes are there after 50 s"
    assert reply.status == 200
    assert re.fullmatch(b"x+", reply.body)


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nshort", b"short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nshort", b"short"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 9000, b"x" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nnonsense\r\n", b"ab"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n" + b"f" * 500 + b"\r\ncd", b"abcd"),
    ],
)
def test_bodies(said: bytes, body: bytes) -> None:
    with listening(saying(said)) as port:
        assert ask(("127.0.0.1", port), "/", {}, body_bytes=1000).body == body


def test_a_megabyte_of_tiny_chunks_takes_no_longer_than_another() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with listening(saying(head + b"1\r\nx\r\n" * 170_000)) as port:
        started = time.thread_time()
        assert len(ask(("127.0.0.1", port), "/", {}, body_bytes=2**20, seconds=60).body) == 170_000
    assert time.thread_time() - started < 3


@pytest.mark.parametrize(
    "said", [OK, OK.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"\r\n0\r\n\r\n"]
)
def test_who_keeps_the_connection_open_is_not_waited_for(said: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        saying(said.replace(b"\r\n\r\nok", b"\r\n\r\n2\r\nok") if b"chunked" in said else said)(connection)
        connection.recv(1)

    started = time.monotonic()
    with listening(serve) as port:
        assert ask(("127.0.0.1", port), "/", {}, body_bytes=1000, seconds=100).body == b"ok"
    assert time.monotonic() - started < 60


def test_a_websocket_is_closed_in_its_own_words() -> None:
    received: list[object] = []
    gone = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        received.append(connection.recv(100))
        received.append(gone.wait(0.3))
        connection.sendall(b"\x88\0")

    with listening(serve) as port:
        assert ask(("127.0.0.1", port), "/ws", {"Upgrade": "websocket"}, seconds=60).status == 101
        gone.set()
    assert received == [b"\x88\x80\0\0\0\0", False], "nobody waits for the server's last word"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://gate:1234", ("http", "gate:1234")),
        ("https://gate.example/", ("https", "gate.example")),
        ("http://[::1]:80", ("http", "[::1]:80")),
        ("", ("http", "localhost")),
    ],
)
def test_the_parts_of_the_site(url: str, expected: tuple[str, str]) -> None:
    assert split_url(url) == expected
