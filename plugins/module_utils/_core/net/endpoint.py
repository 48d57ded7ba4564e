# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a link leads to, as an address or a socket, and whether that is on this machine."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from .bounded import Place

_SECONDS = 2.0


def place_of(link: Mapping[str, Any]) -> Place | None:
    """What a link leads to; None for a host name that has no address, or none that a link may lead to."""
    if link.get("socket"):
        return str(link["socket"])
    from .resolve import is_name, resolve

    host = str(link["host"])
    if is_name(host):
        host = resolve([host], {}, _SECONDS).get(host, "")
    return (host, int(link["port"])) if host else None


def is_here(place: Place) -> bool:
    """Whether a place is on this machine."""
    if isinstance(place, str):
        return True
    host = place[0]
    try:
        # sends nothing; the kernel talks to its own addresses from the same ones, and to loopback from loopback
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as route:
            route.connect((host, 9))
            return host == route.getsockname()[0] or host == "::1" or host.startswith("127.")
    except OSError:
        return False
