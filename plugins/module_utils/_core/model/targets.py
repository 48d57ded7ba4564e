# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a link may lead: hosts, addresses, unix sockets."""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import TypeAlias

from ..text import shown

HTTP, HTTPS = "http", "https"
SOCKET = re.compile(r"(?:/[A-Za-z0-9._-]+)+")
SOCKET_CHARACTERS = 107

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

# Never a target, whatever the policy says: cloud metadata lives there, and nothing that anyone would publish.
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "0.0.0.0/8",
        "::/128",
        "224.0.0.0/3",
        "ff00::/8",
    )
)
_WRAPPING = tuple(ipaddress.ip_network(network) for network in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48"))


def host_problem(host: object) -> str | None:
    """Why `host` is neither an IP address nor an RFC 1123 name, or nothing."""
    if not isinstance(host, str):
        return f"host {shown(host)} is not a text; quote it"
    if parse_address(host):
        return None
    labels = host.lower().split(".")
    # ASCII first: there are other letters whose small form is, like the Kelvin sign's
    if (
        not host.isascii()
        or len(host) > 253
        or not all(_LABEL.fullmatch(label) for label in labels)
        or _NUMERIC_LABEL.fullmatch(labels[-1])
    ):
        return f"host {shown(host)} is neither an IP address nor a host name (letters, digits, '-' and '.')"
    return None


def socket_problem(path: object) -> str | None:
    """Why `path` cannot be a unix socket's, or nothing. Whose folder it has to be in is the gateway's to say."""
    if not isinstance(path, str) or not SOCKET.fullmatch(path) or {".", ".."} & set(path.split("/")):
        return f"socket {shown(path)} is not an absolute path of letters, digits, '.', '_' and '-'"
    if len(path) > SOCKET_CHARACTERS:
        return f"socket {shown(path)} has {len(path)} characters; {SOCKET_CHARACTERS} is the limit"
    return None


@functools.lru_cache(maxsize=4096)
def parse_address(host: str) -> Address | None:
    """The IP address that `host` is, if it is one. Zones (`fe80::1%eth0`) are none."""
    if "%" in host:
        return None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address merely wraps, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if int(address) > 1 and any(address in network for network in _WRAPPING):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


@functools.lru_cache(maxsize=4096)
def address_problem(address: Address) -> str | None:
    """Why no link may ever lead to an address, or nothing: link-local, cloud metadata, multicast, unspecified."""
    found = unwrapped(address)
    for network in _NEVER:
        if found in network:
            return f"address {address} is never allowed as a target (built-in rule {network})"
    return None
