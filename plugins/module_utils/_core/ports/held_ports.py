# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds TCP ports for root: nobody else can listen on them, whether nginx runs or not.

For each port there is a socket that is bound on all addresses and never listens, so no connection reaches it. It has SO_REUSEPORT,
which lets nginx, as root, listen beside it, and refuses every other account. systemd keeps the sockets: there is no process.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from ..errors import PortTaken
from ..net.listener_table import Listener, listeners_on

_ABSENT = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
"""What a host without IPv6 says."""


class Place(NamedTuple):
    """A port on all addresses of one family."""

    port: int
    family: socket.AddressFamily

    @property
    def name(self) -> str:
        """What systemd calls the socket."""
        return f"{self.port}-{'ipv6' if self.family == socket.AF_INET6 else 'ipv4'}"

    @property
    def address(self) -> str:
        """Stands for all addresses of the family."""
        return "::" if self.family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104  # it never listens


def places(ports: Iterable[int]) -> list[Place]:
    """Where nobody else may listen."""
    return [Place(port, family) for port in sorted(set(ports)) for family in (socket.AF_INET, socket.AF_INET6)]


def hold(ports: Iterable[int], held: Collection[str], keep: Callable[[str, socket.socket], None]) -> None:
    """Binds the ports that are not `held` yet, and has them kept. Raises PortTaken, after all others are held."""
    taken = []
    for place in places(ports):
        if place.name in held:
            continue
        try:
            with bound(place) as found:
                keep(place.name, found)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                taken.append(place.port)
            elif error.errno not in _ABSENT:
                raise
    if taken:
        raise PortTaken("; ".join(problem(port, listeners_on([port])) for port in sorted(set(taken))))


def bound(place: Place) -> socket.socket:
    """A socket that is bound and does not listen. Raises OSError."""
    found = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        if place.family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            found.bind((place.address, place.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            # there may be connections that nginx has accepted; the option would let others in as well, so it goes
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((place.address, place.port))
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except OSError:
        found.close()
        raise
    return found


def strangers(ports: Iterable[int], known: Iterable[Listener]) -> Iterator[Listener]:
    """Who listens on one of these ports and is not nginx."""
    wanted = set(ports)
    for listener in known:
        # of root's processes, not every kernel tells which it is
        nginx = listener.uid == 0 and (not listener.pid or listener.command.startswith("nginx: "))
        if listener.port in wanted and not nginx:
            yield listener


def problem(port: int, known: Iterable[Listener]) -> str:
    """What an administrator reads about a port that somebody else has."""
    found = next(strangers([port], known), None) or next((one for one in known if one.port == port), None)
    if found is None:
        who = f"an open connection of an unknown process; find it with: ss -tanp sport = :{port}. End that process"
    else:
        process = f"process {found.pid} ({found.command}) of " if found.pid else "a process of "
        who = f"{process}account {found.user}. End that process"
    return f"TCP port {port} is taken by {who}, or choose another port for the gateway"


class Systemd:
    """The service manager as the keeper of a unit's sockets: sd_notify(3), FDSTORE."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # an abstract socket is written with @
        self._address = re.sub("^@", "\0", environment["NOTIFY_SOCKET"])
        self.held = [name for name in environment.get("LISTEN_FDNAMES", "").split(":") if name]
        """The names of the sockets that it keeps."""

    def keep(self, name: str, found: socket.socket) -> None:
        """Gives a socket to systemd."""
        # without FDPOLL=0 it would drop what is not connected
        self._tell(f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}", found.fileno())

    def release(self, name: str) -> None:
        """Has systemd close a socket."""
        self._tell(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def wait(self) -> None:
        """Returns when systemd has read all of that; it takes nothing from a process that has ended."""
        reader, writer = os.pipe()
        self._tell("BARRIER=1", writer)
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)

    def _tell(self, text: str, *descriptors: int) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.connect(self._address)
            socket.send_fds(manager, [text.encode()], descriptors)
