# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what others write, from a socket or a program: one deadline and a number of bytes for the whole of it.

A timeout of a socket's begins again with every byte that arrives, so that whoever sends one now and then is never late.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from ..errors import Exceeded

if TYPE_CHECKING:
    import ssl

Place: TypeAlias = "tuple[str, int] | str"
"""What to connect to: an IP address and a port, or the path of a unix socket."""


class Stream:
    """A connection that is read until a deadline, whatever the other side does. Raises OSError; TimeoutError is late."""

    def __init__(self, place: Place, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.got = b""
        self.first: float | None = None
        """When the first byte arrived, on the monotonic clock."""
        family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self.socket: socket.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._hurry().connect(place)
        except OSError:
            self.socket.close()
            raise

    def _hurry(self) -> socket.socket:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.socket.settimeout(left)
        return self.socket

    def secure(self, context: ssl.SSLContext, name: str | None) -> None:
        """Begins TLS; a `name` is said to the other side, and its certificate compared with."""
        self.socket = context.wrap_socket(self._hurry(), server_hostname=name)

    def send(self, data: bytes) -> None:
        """Sends all of it: Python counts the timeout of sendall, and of TLS's handshake, for the whole."""
        self._hurry().sendall(data)

    def close(self) -> None:
        """Ends the connection."""
        self.socket.close()

    def read(self, enough: Callable[[bytes | bytearray], bool]) -> None:
        """Reads until what has been `got` is enough, or the other side ends; `enough` has to know a greatest length."""
        got = bytearray(self.got)
        try:
            while not enough(got):
                more = self._hurry().recv(65536)
                if not more:
                    return
                self.first = self.first or time.monotonic()
                got += more
        finally:
            self.got = bytes(got)


def run(command: Iterable[str], seconds: float, most: int, write: Callable[[bytes], object]) -> int:
    """The exit code of a program; everything it prints is given to `write`, up to `most` bytes. Raises Exceeded.

    The program gets a pipe, and none of this process's own files. It is over when the process ends: somebody to whom it
    has handed the pipe holds nobody up.
    """
    import subprocess  # most of those who import this module only talk to sockets

    deadline = time.monotonic() + seconds
    with subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        ended = os.pidfd_open(process.pid)
        pipe = process.stdout.fileno() if process.stdout else -1
        open_files = {pipe, ended}
        try:
            while True:
                ready = select.select(open_files, [], [], max(0.0, deadline - time.monotonic()))[0]
                if not ready:
                    raise Exceeded(f"not done after {seconds:g} s")
                if pipe not in ready:
                    return process.wait()
                data = os.read(pipe, 65536)
                if not data:
                    open_files.discard(pipe)
                write(data[:most])
                if len(data) > most:
                    raise Exceeded("it prints too much")
                most -= len(data)
        finally:
            os.close(ended)
            process.kill()
