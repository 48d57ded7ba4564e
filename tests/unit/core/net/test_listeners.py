# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a listener is: by the kernel's answer about the one place, and by its tables where it does not answer."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import listener_table, listeners
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.listeners import Listening

ME = os.geteuid()


def refused(host: str, port: int) -> int | None:
    raise PermissionError("no such socket for you")


def deaf(host: str, port: int) -> int | None:
    """A kernel without tcp_diag: it finds nothing."""
    return None


@pytest.fixture(params=["answers", "refuses", "finds nothing"])
def listening(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Listening:
    if request.param == "answers":

        def tables(commands: bool = True) -> tuple[listener_table.Listener, ...]:
            raise AssertionError("the kernel's tables are read")

        monkeypatch.setattr(listener_table, "listeners", tables)
    else:
        monkeypatch.setattr(listeners, "_ask", {"refuses": refused, "finds nothing": deaf}[request.param])
    return Listening()


@contextmanager
def server(address: str, only6: bool = False) -> Iterator[int]:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as mine:
        if ":" in address:
            mine.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only6)
        try:
            mine.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        mine.listen()
        yield mine.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"])
def test_ipv4(listening: Listening, address: str) -> None:
    with server(address) as port:
        assert listening.owner("127.0.0.1", port) == ME


@pytest.mark.parametrize("address", ["::1", "::"])
def test_ipv6(listening: Listening, address: str) -> None:
    with server(address) as port:
        assert listening.owner("::1", port) == ME


def test_other_places_are_others(listening: Listening) -> None:
    with server("127.0.0.2") as port:
        assert listening.owner("127.0.0.1", port) is None


def test_nothing_listens(listening: Listening) -> None:
    with server("127.0.0.1") as port:
        pass
    assert listening.owner("127.0.0.1", port) is None


def test_a_connection_is_no_listener(listening: Listening) -> None:
    with server("127.0.0.1") as port, socket.create_connection(("127.0.0.1", port)) as client:
        assert listening.owner(*client.getsockname()) is None


def test_ipv6_alone_gets_nothing_of_ipv4() -> None:
    with server("::", only6=True) as port:
        assert Listening().owner("127.0.0.1", port) is None
        assert Listening().owner("::1", port) == ME


def test_a_listener_on_one_interface_is_found() -> None:
    """It gets connections that come by that interface, whoever listens on all."""
    with socket.socket() as mine:
        try:
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        except PermissionError:
            pytest.skip("this kernel lets root alone choose an interface")
        mine.bind(("127.0.0.1", 0))
        mine.listen()
        assert Listening().owner(*mine.getsockname()) == ME
