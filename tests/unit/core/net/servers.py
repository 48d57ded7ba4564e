# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of targets share: real sockets that behave as a test says."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

SITE = {"url": "http://gate.example:1234"}
ME = pwd.getpwuid(os.getuid()).pw_name
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Server = Callable[[socket.socket], None]


@contextlib.contextmanager
def listening(serve: Server, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Accepts connections and hands each to `serve`, in a thread of its own; gives the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as server:
        threading.Thread(target=accept, args=(server, serve), daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def accept(server: socket.socket, serve: Server) -> None:
    def work(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection)

    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=work, args=(server.accept()[0],), daemon=True).start()


def saying(data: bytes) -> Server:
    """Reads a request and answers it with these bytes."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return serve


def link(port: int = 0, host: str = "127.0.0.1", prefix: str = "strip", **more: Any) -> dict[str, Any]:
    """What a link's entry tells of its target."""
    return {"url": "/alice/run/", "prefix": prefix, "host": host, "port": port, **more}
