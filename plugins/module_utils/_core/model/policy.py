# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the administrator allows: one table of fields, and what follows from them."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import InvalidData
from ..text import shown
from .entities import Link
from .parse import Reader
from .targets import Address, Network, address_problem, parse_address, unwrapped
from .urls import HOST, SUBDOMAIN, label_of

SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's file of the authorities that it trusts."""
LABEL_CHARACTERS = 63
"""Of a host name, what stands before a dot."""
PATH = "path"
"""With SUBDOMAIN, how users' addresses differ: https://gate.example.org/alice/train/, or https://alice.gate.example.org/train/."""
DAY = re.compile(r"(?:[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))?")
"""A day as it is written in a policy, or none."""

_LABEL_OF_LINK = re.compile(r"[a-z0-9-]+")
# one star in a label: a regular expression of many can take for ever to say no
_PATTERN_LABEL = re.compile(r"[a-z0-9][a-z0-9-]*\*?[a-z0-9-]*|\*[a-z0-9-]*")
_NUMERIC = re.compile(r"[0-9.]+")
_CALLED: dict[type, str] = {str: "text", bool: "truth value", int: "whole number"}


class Policy(NamedTuple):
    """What the administrator allows. Its fields are the keys of the policy file, with their types and defaults, and `origin`."""

    allowed_hosts: tuple[str, ...] = ()
    """Networks, and patterns of host names: a `*` stands for one whole or part of a label."""
    allowed_ports: tuple[str, ...] = ()
    """Ports and ranges, like `1024-65535`."""
    origin: str = "the site policy"
    """Where the policy was read from, for messages."""
    url: str = ""
    """Where browsers find the gateway, like `http://gate.example.org:1234`."""
    backend_ca: str = SYSTEM_CA
    """A file of the authorities whose certificates targets may have."""
    url_style: str = PATH
    """Whether users have paths below `url`, or host names."""
    self_service: bool = False
    """Whether users declare links and logins of their own, by the command `vizgate`."""
    links_per_user: int = 200
    logins_per_user: int = 50
    legacy_hashes_until: str = ""
    """The last day, like `2027-03-31`, on which logins with the hashes of the old script open anything; "" for no end."""
    old_addresses: bool = True
    """Whether the former names of imported links redirect to the links."""
    port_range_start: int = 0
    """The first port of users' own ranges, 0 for a gateway without."""
    port_range_size: int = 100
    """How many ports a range has."""
    port_range_users: int = 100
    """How many ranges there are."""

    @classmethod
    def parse(cls, data: object, origin: str) -> Policy:
        """Reads a mapping with the fields as keys, all but `allowed_hosts` and `allowed_ports` optional.

        Both of these are lists; ports may be numbers. Raises InvalidData with every problem.
        """
        if not isinstance(data, Mapping):
            raise InvalidData([f"{origin}: {shown(data)} is not a mapping"])
        reader = Reader()
        defaults = {key: value for key, value in cls._field_defaults.items() if key != "origin"}
        reader.keys((), origin, data, defaults)
        found: dict[str, Any] = {}
        for key, default in defaults.items():
            if isinstance(default, tuple):
                found[key] = _read_lines(reader, origin, key, data.get(key))
            elif key in data:
                value, kind = data[key], type(default)
                found[key] = value
                if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
                    reader.refuse((key,), f"{origin}: {key}: {shown(value)} is no {_CALLED[kind]}")
        if reader.problems:
            raise InvalidData(problem.text for problem in reader.problems)
        return cls(origin=origin, **found).checked()

    def checked(self) -> Policy:
        """The policy; raises InvalidData with everything that is wrong in it."""
        rules = _rules(self)
        problems = list(rules.problems)
        if self.url_style not in (PATH, SUBDOMAIN):
            problems.append(f"{self.origin}: url_style {shown(self.url_style)} is neither {PATH} nor {SUBDOMAIN}")
        if not DAY.fullmatch(self.legacy_hashes_until):
            problems.append(
                f"{self.origin}: legacy_hashes_until {shown(self.legacy_hashes_until)} is not a day like 2027-03-31, or empty"
            )
        problems += _range_problems(self, rules.ports)
        if problems:
            raise InvalidData(problems)
        return self

    def user_problem(self, user: str) -> str | None:
        """Why a user of a valid name can have no address here, or nothing: not every name can be a host's."""
        if self.url_style != SUBDOMAIN:
            return None
        if "--" in user:
            return (
                f"user {shown(user)}: '--' separates link and user in host names, so a user name cannot have it"
                f" (url_style {SUBDOMAIN}, {self.origin}); take another name"
            )
        if "_" in user or user.endswith("-"):
            return (
                f"user {shown(user)}: this gateway gives every user a host name, and a host name cannot have '_' or end in '-'"
                f" (url_style {SUBDOMAIN}, {self.origin}); take another name"
            )
        return None

    def link_problem(self, link: Link, user: str = "") -> str | None:
        """Why the policy refuses a link of the user's, with the policy line that does, or nothing."""
        problem = self._host_name_problem(link, user) if link.mode == HOST else None
        if problem:
            return f"link {shown(link.name)}: {problem}"
        if link.socket:
            return None
        address = parse_address(link.host)
        if address:
            problem = address_problem(address)
            if problem:
                return f"link {shown(link.name)}: {problem}"
        if not self._allows(link.host, address):
            return (
                f"link {shown(link.name)}: host {shown(link.host)} is not in"
                f" allowed_hosts: {', '.join(self.allowed_hosts)} ({self.origin})"
            )
        if not any(link.port in ports for ports in _rules(self).ports):
            return (
                f"link {shown(link.name)}: port {link.port} is not in"
                f" allowed_ports: {', '.join(self.allowed_ports)} ({self.origin})"
            )
        return None

    def _host_name_problem(self, link: Link, user: str) -> str | None:
        """Why a link can have no host name of its own, or nothing."""
        if self.url_style != SUBDOMAIN:
            return (
                f"prefix 'host' needs url_style {SUBDOMAIN}, but this gateway uses paths (url_style"
                f" {self.url_style}, {self.origin}); use 'keep' or 'strip', or ask the administrator to set"
                f" gateway_url_style: {SUBDOMAIN}"
            )
        label = label_of(user, link.name)
        if not _LABEL_OF_LINK.fullmatch(link.name):
            return f"with prefix 'host' the name is a part of host name {shown(label)}; take one of letters, digits and '-'"
        if label.startswith("xn--"):
            return f"host name {shown(label)} begins with 'xn--', which is reserved for internationalised names; choose another name"
        if len(label) > LABEL_CHARACTERS:
            return (
                f"host name {shown(label)} has {len(label)} characters, and {LABEL_CHARACTERS} is the limit; take a shorter"
                " name"
            )
        return None

    def _allows(self, host: str, address: Address | None) -> bool:
        rules = _rules(self)
        if address is None:
            return rules.names.fullmatch(host) is not None
        address = unwrapped(address)
        return any(address in network for network in rules.networks)


class _Rules(NamedTuple):
    """What the lines of a policy mean."""

    networks: list[Network]
    names: re.Pattern[str]
    ports: list[range]
    problems: list[str]


@functools.lru_cache(maxsize=16)
def _rules(policy: Policy) -> _Rules:
    networks: list[Network] = []
    names: list[str] = []
    ports: list[range] = []
    problems = []
    for line in policy.allowed_hosts:
        labels = line.lower().split(".") if line.isascii() and len(line) <= 253 else [""]
        if all(_PATTERN_LABEL.fullmatch(label) for label in labels) and not _NUMERIC.fullmatch(line):
            names.append(re.escape(line.lower()).replace(r"\*", "[a-z0-9-]+"))
        elif re.fullmatch(r"[0-9a-fA-F.:]*(?:/[0-9]+)?", line) and line:
            try:
                networks.append(ipaddress.ip_network(line))
            except ValueError as error:
                problems.append(f"{policy.origin}: allowed_hosts: {error}")
        else:
            problems.append(f"{policy.origin}: allowed_hosts: {shown(line)} is neither a network nor a name pattern")
    for line in policy.allowed_ports:
        match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", line)
        if match and 1 <= int(match[1]) <= int(match[2] or match[1]) <= 65535:
            ports.append(range(int(match[1]), int(match[2] or match[1]) + 1))
        else:
            problems.append(
                f"{policy.origin}: allowed_ports: {shown(line)} is neither a port nor a range like 1024-65535"
            )
    return _Rules(networks, re.compile("|".join(names) or r"(?!)"), ports, problems)


def _read_lines(reader: Reader, origin: str, key: str, lines: object) -> tuple[str, ...]:
    """The lines of a list, which are texts, or for ports also numbers."""
    kinds = (str, int) if key == "allowed_ports" else (str,)
    if not isinstance(lines, list):
        reader.refuse((key,), f"{origin}: {key} is not a list")
        return ()
    for line in lines:
        if isinstance(line, bool) or not isinstance(line, kinds):
            reader.refuse((key,), f"{origin}: {key}: {shown(line)} is not a text; quote it")
    return tuple(map(str, lines))


def _range_problems(policy: Policy, allowed: Iterable[range]) -> list[str]:
    """What is wrong with users' port ranges, if the policy has any."""
    start, size, users = policy.port_range_start, policy.port_range_size, policy.port_range_users
    if start == 0:
        return []
    last = start + size * users - 1
    if min(size, users) < 1 or start < 1024 or last > 65535:
        return [
            f"{policy.origin}: {users} port ranges of {size} from {start} on are ports {start}-{last}; choose"
            " port_range_start, port_range_size and port_range_users so that they lie in 1024-65535"
        ]
    port, found = start, True
    while found and port <= last:
        reached = [ports.stop for ports in allowed if port in ports]
        found, port = bool(reached), max(reached, default=port)
    if not found:
        return [f"{policy.origin}: port {port} of users' port ranges {start}-{last} is not in allowed_ports; allow it"]
    return []
