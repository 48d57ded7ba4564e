# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users' port ranges: whose port it is, whom the gateway trusts to listen on it, and the nftables rules that guard it."""

from __future__ import annotations

import json
import pwd
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import InvalidData
from ..host.system_accounts import DYNAMIC_UIDS, FIRST_UID
from ..model.entities import Link
from ..model.names import name_problem
from ..model.policy import Policy
from ..model.targets import parse_address
from ..text import shown

SYSTEM_UIDS = FIRST_UID
"""The listeners of accounts below this number are trusted."""
TABLE = "inet vizgate"


class Holder(NamedTuple):
    """What is known of a user: the number of their range, and of their account; None for what they do not have."""

    number: int | None = None
    uid: int | None = None


class Ports(NamedTuple):
    """The ranges of a gateway whose policy has some, and who holds them."""

    start: int
    size: int
    users: int
    """How many ranges there are."""
    holders: Mapping[str, Holder] = MappingProxyType({})

    @classmethod
    def parse(cls, policy: Policy, data: object, origin: str) -> Ports:
        """Reads `{user: {number: number or null, uid: number or null}}`; raises InvalidData."""
        holders = {}
        if isinstance(data, Mapping):
            for user, held in data.items():
                if not name_problem("user", user) and isinstance(held, Mapping):
                    number, uid = (_number(held.get(key)) for key in ("number", "uid"))
                    holders[str(user)] = Holder(number, uid)
        numbers = [holder.number for holder in holders.values() if holder.number is not None]
        if not isinstance(data, Mapping) or len(holders) != len(data) or len(set(numbers)) != len(numbers):
            raise InvalidData(
                [f"{origin} is damaged; restore it from a backup, or remove it, then new ranges are assigned"]
            )
        return cls(policy.port_range_start, policy.port_range_size, policy.port_range_users, holders)

    def as_json(self) -> str:
        """The holders as text, for `parse`."""
        plain = {user: self.holders[user]._asdict() for user in sorted(self.holders)}
        return json.dumps(plain, sort_keys=True) + "\n"

    @property
    def whole(self) -> range:
        """All ports of all ranges, assigned or not."""
        return range(self.start, self.start + self.size * self.users)

    def of(self, user: str) -> range | None:
        """A user's range, or None where they have not got one yet."""
        number = self.holders.get(user, Holder()).number
        if number is None or number >= self.users:
            return None
        return range(self.start + number * self.size, self.start + (number + 1) * self.size)

    def holder_of(self, port: int) -> str:
        """In whose range a port is; "" for nobody's."""
        return next((user for user in self.holders if port in (self.of(user) or ())), "")

    def assigned(self, users: Iterable[str], gone: Collection[str] = ()) -> Ports:
        """The same with a range for each of these users: their own, or the lowest that is free.

        Of those who are `gone`, ranges are taken when no other is left. Raises InvalidData when there is none at all.
        """
        holders = dict(self.holders)
        now = self._replace(holders=holders)
        taken = {holder.number: name for name, holder in holders.items() if holder.number is not None}
        free = [number for number in range(self.users) if number not in taken]
        free += [number for number in range(self.users) if taken.get(number) in gone]
        numbers = iter(free)
        for user in sorted(set(users)):
            if now.of(user) is not None:
                continue
            number = next(numbers, None)
            if number is None:
                raise InvalidData(
                    [
                        f"user {shown(user)}: all {self.users} port ranges are taken; ask the administrator, who can raise"
                        " gateway_port_range_users"
                    ]
                )
            holders.pop(taken.get(number, ""), None)
            holders[user] = holders.get(user, Holder())._replace(number=number)
        return self._replace(holders=holders)

    def known_as(self, uids: Mapping[str, int | None]) -> Ports:
        """The same with the numbers of these users' accounts."""
        coming = {user: self.holders.get(user, Holder())._replace(uid=uid) for user, uid in uids.items()}
        return self._replace(holders={**self.holders, **coming})

    def problem(self, user: str, link: Link, own: bool) -> str | None:
        """Why a link to this host may not have its port, or nothing. `own`: the user declares it, no administrator."""
        mine = self.of(user)
        if mine is not None and link.port in mine:
            return None
        has = f"{user} has {mine.start}-{mine.stop - 1}" if mine else f"{user} has no range yet"
        if own:
            return (
                f"link {shown(link.name)}: port {link.port} of this host is not in {user}'s own range: {has};"
                " vizgate ports shows a free port"
            )
        if link.port not in self.whole:
            return None
        holder = self.holder_of(link.port)
        whose = f"{holder}'s range" if holder else "an unassigned range"
        return (
            f"link {shown(link.name)}: port {link.port} of this host is in {whose}; {has};"
            f" ports outside of {self.whole.start}-{self.whole.stop - 1} are not restricted"
        )


class ListenerPolicy(NamedTuple):
    """Who may listen where a user's links lead to on this host."""

    uid: int | None
    """The user's account, if there is one."""
    ports: range
    """All users' ranges."""
    own: frozenset[str] = frozenset()
    """The links that no administrator has seen."""
    local: frozenset[str] = frozenset()
    """The addresses of this host among the links' targets."""

    def trusted(self, link: Link, address: str) -> str:
        """What a link's entry says about the listeners that the gateway trusts besides root, or "" where it trusts all.

        ` 1001`: this account's alone. ` 1001 1000`: also those of services: accounts below 1000, and DYNAMIC_UIDS.
        """
        if link.socket or address not in self.local:
            return ""
        if link.port in self.ports or link.name in self.own:
            return f" {self.uid or 0}"
        return "" if self.uid is None else f" {self.uid} {SYSTEM_UIDS}"


def is_trusted(entry: str, uid: int) -> bool:
    """Whether an entry trusts the listeners of an account; the gateway's Lua does the same."""
    words = [int(word) for word in entry.split(" ")[2:]]
    if not words or uid == words[0]:
        return True
    return uid < words[1] or uid in DYNAMIC_UIDS if len(words) > 1 else uid == 0


def account(user: str, known: int | None) -> int | None:
    """The number of a user's account. Where the accounts are not to be had for a moment, the one that was `known`."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        pass
    try:
        if known is not None:
            pwd.getpwuid(known)
    except KeyError:
        return known
    return None


def plain_address(host: str) -> str:
    """An IP address as the kernel takes it: one that IPv6 only wraps is IPv4."""
    found = parse_address(host)
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found or host)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


_HERE = "{ local, anycast, broadcast, multicast }"
"""What of UDP comes to this host: broadcasts and multicasts leave it by another interface than lo, and a copy comes back."""
_RULES = """\
# Who may connect to users' ports on this host; written by vizgate, changes here are replaced.
table {table}
delete table {table}
table {table} {{
    # ranges that are somebody's
    set held {{
        type inet_service
        flags interval
{held}    }}
    # an account, and the ports of its user
    set owners {{
        type uid . inet_service
        flags interval
{owners}    }}
    chain output {{
        type filter hook output priority filter; policy accept;
        # openings of connections alone: an answer may go to any port
        oifname "lo" tcp dport {first}-{last} tcp flags & (fin | syn | rst | ack) == syn goto guard
        udp sport {first}-{last} udp dport 1024-65535 fib daddr type {here} jump senders
        udp dport {first}-{last} fib daddr type {here} goto datagrams
    }}
    chain senders {{
        # who asks from another user's port could later send to it, as if answering
        meta skuid 0 return
        meta skuid . th sport @owners return
        reject
    }}
    chain datagrams {{
        # UDP has no openings: what goes back the way that a question came is an answer, for as long as conntrack remembers
        ct direction reply accept
        goto guard
    }}
    chain guard {{
        meta skuid 0 accept
        meta skuid {gateway} tcp dport @held accept
        meta skuid . th dport @owners accept
        meta l4proto tcp reject with tcp reset
        reject
    }}
}}
"""


def guard_rules(ports: Ports, gateway: int) -> str:
    """The nftables file that lets to each port only its user, root, and the account number `gateway` of nginx's workers.

    It replaces the whole table in one transaction of the kernel's.
    """
    held, owners = [], []
    for user in sorted(ports.holders, key=lambda user: (ports.holders[user].number or 0, user)):
        found, uid = ports.of(user), ports.holders[user].uid
        if found is not None:
            held.append(f"{found.start}-{found.stop - 1}")
            owners += [] if uid is None else [f"{uid} . {held[-1]}"]
    first, last = ports.whole.start, ports.whole.stop - 1
    return _RULES.format(
        table=TABLE,
        held=_elements(held),
        owners=_elements(owners),
        first=first,
        last=last,
        here=_HERE,
        gateway=gateway,
    )


def _elements(found: list[str]) -> str:
    return f"        elements = {{ {', '.join(found)} }}\n" if found else ""
