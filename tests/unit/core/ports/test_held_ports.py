# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that are held: who may listen there, what an administrator reads, and what systemd is told."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import PortTaken
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.listener_table import Listener
from ansible_collections.vizgate.gateway.plugins.module_utils._core.ports.held_ports import (
    Place,
    Systemd,
    bound,
    hold,
    problem,
    strangers,
)
from ansible_collections.vizgate.gateway.tests.unit.support import free_port

SHARED = socket.SO_REUSEPORT


def listening(port: int, *options: int) -> socket.socket:
    """A socket that listens on loopback; raises OSError."""
    found = socket.socket()
    try:
        for option in options:
            found.setsockopt(socket.SOL_SOCKET, option, 1)
        found.bind(("127.0.0.1", port))
        found.listen()
    except OSError:
        found.close()
        raise
    return found


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,)])
def test_who_does_not_share_cannot_listen_beside_a_held_port(options: tuple[int, ...]) -> None:
    port = free_port()
    with bound(Place(port, socket.AF_INET)), pytest.raises(OSError, match="in use") as raised:
        listening(port, *options)
    assert raised.value.errno == errno.EADDRINUSE


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_account_cannot_listen_beside_a_held_port_by_any_option() -> None:
    port = free_port()
    with bound(Place(port, socket.AF_INET)):
        # whose socket it is, is who has made it
        os.seteuid(65534)
        try:
            with pytest.raises(OSError, match="in use"):
                listening(port, SHARED, socket.SO_REUSEADDR)
        finally:
            os.seteuid(0)


def test_a_held_port_gets_no_connection() -> None:
    port = free_port()
    with bound(Place(port, socket.AF_INET)):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with listening(port, SHARED, socket.SO_REUSEADDR) as nginx:
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", port)):
                    nginx.accept()[0].close()


def test_a_port_with_connections_of_before_is_held_too() -> None:
    port = free_port()
    with (
        listening(port, SHARED, socket.SO_REUSEADDR) as nginx,
        socket.create_connection(("127.0.0.1", port)),
        nginx.accept()[0],
        bound(Place(port, socket.AF_INET)) as found,
    ):
        # or others could share it as well
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0


def test_what_can_be_held_is_held_although_another_port_is_taken() -> None:
    port, other = sorted((free_port(), free_port()))
    kept: list[str] = []
    with listening(port), pytest.raises(PortTaken, match=f"TCP port {port} is taken by "):
        hold([port, other], (), lambda name, found: kept.append(name))
    assert {f"{other}-ipv4", f"{port}-ipv4"} & set(kept) == {f"{other}-ipv4"}


def test_what_is_held_already_is_left_as_it_is() -> None:
    port = free_port()
    kept: list[str] = []
    hold([port], [f"{port}-ipv4", f"{port}-ipv6"], lambda name, found: kept.append(name))
    assert kept == []


@pytest.mark.parametrize(
    ("listener", "strange"),
    [
        (Listener("0.0.0.0", 80, uid=0, pid=7, command="nginx: master process /usr/sbin/nginx"), False),
        (Listener("0.0.0.0", 80, uid=0), False),  # as where the kernel hides whose it is
        (Listener("127.0.0.1", 80, uid=0, pid=7, command="/usr/sbin/apache2"), True),
        (Listener("127.0.0.1", 80, uid=1001, pid=7, command="nginx: master process /usr/sbin/nginx"), True),
        (Listener("127.0.0.1", 81, uid=1001, pid=7, command="python3"), False),
    ],
)
def test_everybody_but_roots_nginx_is_a_stranger(listener: Listener, strange: bool) -> None:
    assert bool(list(strangers([80], [listener]))) is strange


def test_a_problem_names_port_process_and_account() -> None:
    told = problem(80, [Listener("127.0.0.1", 80, uid=0, pid=7, command="/usr/sbin/apache2")])
    assert told == (
        "TCP port 80 is taken by process 7 (/usr/sbin/apache2) of account root. End that process, or choose another port for"
        " the gateway"
    )
    assert "ss -tanp sport = :80" in problem(80, [])


def test_systemd_is_given_what_is_bound_and_told_to_keep_it(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        systemd = Systemd({"NOTIFY_SOCKET": path, "LISTEN_FDNAMES": "80-ipv4:81-ipv4"})
        assert systemd.held == ["80-ipv4", "81-ipv4"]
        port = free_port()
        with bound(Place(port, socket.AF_INET)) as found:
            systemd.keep("80-ipv4", found)
        text, (descriptor,), *_rest = socket.recv_fds(manager, 1000, 1)
        assert text == b"FDSTORE=1\nFDPOLL=0\nFDNAME=80-ipv4"
        with socket.socket(fileno=descriptor) as kept:
            assert kept.getsockname() == ("0.0.0.0", port)
        systemd.release("81-ipv4")
        assert manager.recv(1000) == b"FDSTOREREMOVE=1\nFDNAME=81-ipv4"
