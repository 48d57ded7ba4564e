# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose program gets the connections to a port of this host, at a cost that does not depend on how many programs listen.

The kernel is asked about the one place, by sock_diag(7); the gateway's Lua does the same.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .listener_table import Listener

_SOCK_DIAG, _BY_FAMILY, _REQUEST, _ERROR = 4, 20, 1, 2
_LISTEN = 10
_LOOPBACK = 1
"""The interface, always the first, by which the host's connections to itself come."""
_HEADER = struct.Struct("=IHHII")
_QUESTION = struct.Struct("=BBBxI2s2x16s16xIII")
_ANSWER = struct.Struct("=xB62xI")
_ANY = 0xFFFFFFFF
_SECONDS = 2.0


class Listening:
    """What listens on this host. Where the kernel does not answer, its tables are read instead, once for each object."""

    def __init__(self) -> None:
        self._table: Sequence[Listener] | None = None
        self._is_proven = False
        """Whether the kernel has found a listener before: where it finds none, there is none."""

    def owner(self, host: str, port: int) -> int | None:
        """The account of the listener at an IP address of this host, or None."""
        try:
            uid = _ask(host, port)
            self._is_proven = self._is_proven or uid is not None or _finds_listeners()
        except OSError:
            return self._look_up(host, port)
        return uid if self._is_proven else self._look_up(host, port)

    def _look_up(self, host: str, port: int) -> int | None:
        from .listener_table import listener_at, listeners  # most hosts' kernels answer

        if self._table is None:
            self._table = listeners(commands=False)
        found = listener_at((host, port), self._table)
        return found.uid if found else None


def _finds_listeners() -> bool:
    """Whether the kernel knows the question: without its module tcp_diag it says the same as where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as mine:
        return _ask(*mine.getsockname()) == os.geteuid()


def _ask(host: str, port: int) -> int | None:
    """The account of the listener, or None where the kernel finds none; raises OSError where it does not answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = socket.inet_pton(family, host)
    packed = _QUESTION.pack(
        family, socket.IPPROTO_TCP, 0, 1 << _LISTEN, port.to_bytes(2, "big"), address, _LOOPBACK, _ANY, _ANY
    )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.send(_HEADER.pack(_HEADER.size + len(packed), _BY_FAMILY, _REQUEST, 0, 0) + packed)
        data = kernel.recv(65536)
    _size, kind, *_rest = _HEADER.unpack_from(data)
    if kind == _ERROR:
        (code,) = struct.unpack_from("=i", data, _HEADER.size)
        if code != -errno.ENOENT:
            raise OSError(-code, os.strerror(-code))
        return None
    state, uid = _ANSWER.unpack_from(data, _HEADER.size)
    return int(uid) if state == _LISTEN else None
