# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deadline for a whole exchange: real sockets and programs that send a little now and then, or never stop."""

from __future__ import annotations

import array
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps import host
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import Exceeded, NotLive
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import http_client
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.bounded import Stream, run

SECONDS = 0.5
LATE = 30
"""Seconds, far more than a call with a deadline takes on a busy machine: one that takes as long has ignored it."""


def drip(connection: socket.socket) -> None:
    """A byte now and then, each before a timeout per read would be over."""
    while True:
        connection.sendall(b"H")
        time.sleep(SECONDS / 5)


def drip_http(connection: socket.socket) -> None:
    """The beginning of an answer, and then a byte of a header now and then."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    drip(connection)


def go_on(connection: socket.socket) -> None:
    """One interim answer after the other."""
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def flood(connection: socket.socket) -> None:
    """A header that does not end, as fast as it goes."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x" * 65536)


def keep_silent(connection: socket.socket) -> None:
    """Nothing at all."""
    connection.recv(65536)
    connection.recv(65536)


@pytest.fixture
def serve(root: str) -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Lets something answer on a socket, of which it gives the path."""
    os.chmod(root, 0o711)
    path = os.path.join(root, "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        os.chmod(path, 0o777)
        server.listen()

        def accept(work: Callable[[socket.socket], None]) -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    with connection, contextlib.suppress(OSError):
                        work(connection)

        def serve(work: Callable[[socket.socket], None]) -> str:
            threading.Thread(target=accept, args=(work,), daemon=True).start()
            return path

        yield serve
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("work", [drip, drip_http, go_on, flood, keep_silent])
def test_health_question_has_one_deadline(
    serve: Callable[..., str], work: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "HEALTH_SECONDS", SECONDS)
    path, start = serve(work), time.monotonic()
    said = host.Host.ask(path, "/", {"Host": "gate"})
    assert time.monotonic() - start < LATE
    assert said == 100 if work is go_on else isinstance(said, str), "an interim answer is no good one"


@pytest.mark.parametrize("work", [drip_http, flood, keep_silent])
def test_probe_has_one_deadline(serve: Callable[..., str], work: Callable[[socket.socket], None]) -> None:
    path, start = serve(work), time.monotonic()
    reply = http_client.ask(path, "/", {}, seconds=SECONDS)
    assert time.monotonic() - start < LATE
    assert (reply.status, bool(reply.problem)) == (0, True)


@pytest.mark.parametrize("work", [drip, flood, keep_silent])
def test_control_socket_has_one_deadline(
    serve: Callable[..., str], work: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "SECONDS", SECONDS)
    monkeypatch.setattr(control, "ANSWER_BYTES", 2**20)
    path, start = serve(work), time.monotonic()
    with pytest.raises(NotLive):
        control.served(path, ["alice/x"])
    assert time.monotonic() - start < LATE


def test_reader_that_takes_nothing_is_late(serve: Callable[..., str]) -> None:
    stream = Stream(serve(lambda connection: time.sleep(LATE)), SECONDS)
    with contextlib.closing(stream), pytest.raises(TimeoutError):
        stream.send(b"x" * 2**24)


def test_program_is_read_to_its_end() -> None:
    found: list[bytes] = []
    assert run(["sh", "-c", "seq 100000; echo end >&2; exit 3"], 60, 2**20, found.append) == 3
    assert b"".join(found).splitlines()[-2:] == [b"100000", b"end"]


@pytest.mark.parametrize("script", ["while sleep 0.1; do echo x; done", "exec sleep 60"])
def test_program_that_takes_too_long_is_killed(script: str) -> None:
    start = time.monotonic()
    with pytest.raises(Exceeded, match=r"not done after 0\.5 s"):
        run(["sh", "-c", script], SECONDS, 1000, lambda data: None)
    assert time.monotonic() - start < LATE


def test_program_that_prints_too_much_is_killed() -> None:
    found: list[bytes] = []
    with pytest.raises(Exceeded, match="it prints too much"):
        run(["yes"], 60, 100_000, found.append)
    assert sum(map(len, found)) == 100_000


def test_pipe_that_somebody_else_has_kept_holds_nobody_up(root: str) -> None:
    path = os.path.join(root, "keeper")
    with socket.socket(socket.AF_UNIX) as keeper:
        keeper.bind(path)
        keeper.listen()
        kept: list[int] = []

        def keep() -> None:
            with keeper.accept()[0] as connection:
                _data, ancillary, _flags, _from = connection.recvmsg(1, socket.CMSG_SPACE(4))
                kept.extend(array.array("i", ancillary[0][2]))

        thread = threading.Thread(target=keep, daemon=True)
        thread.start()
        script = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
            " s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, (1).to_bytes(4, sys.byteorder))])"
        )
        start = time.monotonic()
        assert run(["python3", "-c", script, path], 60, 1000, lambda data: None) == 0
        assert time.monotonic() - start < LATE
        thread.join()
        for file in kept:
            os.close(file)


def test_program_gets_a_pipe_and_no_file() -> None:
    code, problem, lines = host.Host.run(["sh", "-c", "readlink /proc/self/fd/1 /proc/self/fd/2"], 60)
    assert (code, problem, [line.partition("[")[0] for line in lines]) == (0, "", ["pipe:", "pipe:"])
