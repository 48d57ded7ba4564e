"""The question whether a link's target answers: a few bytes and seconds, whatever the target sends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from rig import ALICE, Rig


def drip(connection: socket.socket) -> None:
    """A byte each second, of a line that does not end."""
    while True:
        connection.sendall(b"x")
        time.sleep(1)


def flood(connection: socket.socket) -> None:
    """One long line, as fast as it goes; not for ever, as nginx may keep all of it."""
    while sum(FLOODED) < 2**26:
        connection.sendall(b"x" * 65536)
        FLOODED.append(65536)


FLOODED: list[int] = []
"""How many bytes have been taken, a line for each piece."""


@pytest.fixture
def backend() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Lets something answer on a port, of which it gives the number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk(connection: socket.socket, work: Callable[[socket.socket], None]) -> None:
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                work(connection)

        def accept(work: Callable[[socket.socket], None]) -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=talk, args=(listener.accept()[0], work), daemon=True).start()

        def start(work: Callable[[socket.socket], None]) -> int:
            threading.Thread(target=accept, args=(work,), daemon=True).start()
            return int(listener.getsockname()[1])

        yield start
        listener.shutdown(socket.SHUT_RDWR)


def test_target_that_sends_a_byte_now_and_then(gate: Rig, backend: Callable[..., int]) -> None:
    gate.declare("alice", [Link("slow", backend(drip))])
    status = gate.get("/alice/-/status/slow", ALICE)
    assert (status.json()["answers"], status.seconds < 50) == (False, True)


def test_target_whose_line_does_not_end(gate: Rig, backend: Callable[..., int]) -> None:
    gate.declare("alice", [Link("endless", backend(flood))])
    status = gate.get("/alice/-/status/endless", ALICE)
    assert (status.json()["answers"], status.seconds < 50) == (False, True)
    assert sum(FLOODED) < 2**24, "what nginx and the sockets' buffers take"
