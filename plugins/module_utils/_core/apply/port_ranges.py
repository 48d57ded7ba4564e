# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs a port range for a change, and who may listen where links lead to on this host."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ..errors import GuardFailed, InvalidData
from ..model.entities import Link, UserData
from ..model.names import name_problem
from ..model.policy import Policy
from ..model.sources import SELF, Sources, effective_items, hosts_of, links_of
from ..net.resolve import is_name
from ..paths import Paths
from ..ports import loopback_filter
from ..ports.ranges import Holder, ListenerPolicy, Ports, plain_address
from ..registry.store import Registry
from .change import Proposal, Snapshot


def accounts(registry: Registry, policy: Policy, users: Iterable[str] | None) -> dict[str, int | None]:
    """The uids of `users`, or of all who are known (None); nothing where there are no port ranges."""
    ports = registry.ports(policy)
    if ports is None:
        return {}
    names = ports.holders if users is None else users
    return loopback_filter.uids(
        {user for user in names if not name_problem("user", user)}, ports, registry.paths.rootless
    )


def listener_policies(snapshot: Snapshot) -> dict[str, ListenerPolicy]:
    """For each user: who may listen where their links lead to on this host. Nothing where there are no port ranges."""
    ports, users, addresses = snapshot.ports, snapshot.state, snapshot.addresses
    if ports is None:
        return {}
    hosts = {user: {_address(host, addresses) for host in hosts_of(sources)} for user, sources in users.items()}
    here = loopback_filter.here(set().union(*hosts.values()))
    return {
        user: ListenerPolicy(
            ports.holders.get(user, Holder()).uid,
            ports.whole,
            frozenset(name for name, (source, _link) in effective_items(sources, links_of).items() if source == SELF),
            here & hosts[user],
        )
        for user, sources in users.items()
    }


def local_links(sources: Sources, local: Collection[str], addresses: Mapping[str, str]) -> list[Link]:
    """The links that lead to ports of this host, whose addresses are `local`."""
    return [
        link
        for data in sources.values()
        for link in data.links
        if not link.socket and _address(link.host, addresses) in local
    ]


def claimed(
    registry: Registry, ports: Ports | None, proposal: Proposal, uids: Mapping[str, int | None]
) -> Ports | None:
    """The port ranges with one for everybody who needs it now, and with the uids of all who have links to this host."""
    if ports is None:
        return None
    before, source, declared = proposal.before, proposal.source, proposal.declared
    states = {user: dict(before.get(user, {})) for user in [*before, *declared] if not name_problem("user", user)}
    for user in states.keys() & declared.keys():
        states[user][source] = declared[user]
    policies = listener_policies(Snapshot(states, proposal.addresses, ports))
    local = {user: local_links(sources, policies[user].local, proposal.addresses) for user, sources in states.items()}
    needing = [
        user
        for user, links in local.items()
        for link in links
        if link.port in ports.whole or (source == SELF and link in declared.get(user, UserData()).links)
    ]
    known = ports.known_as({user: uids[user] for user in uids if local.get(user) or user in ports.holders})
    return assigned(registry, known, needing)


def assigned(registry: Registry, ports: Ports, users: Iterable[str]) -> Ports:
    """The port ranges with one for each of `users`. If none is free, those of accounts that are gone are taken."""
    users = list(users)
    try:
        return ports.assigned(users)
    except InvalidData:
        if registry.paths.rootless:
            raise
        # asking for everybody's account takes a while, and the name service may be away for a moment
        gone = [user for user, uid in loopback_filter.uids(ports.holders, ports, False).items() if uid is None]
        return ports.assigned(users, {user for user in gone if not registry.sources(user)})


def enforce(paths: Paths, ports: Ports | None, *, recheck: bool = False) -> list[str]:
    """Makes the loopback guard follow the port ranges. Returns what went wrong; the minute's refresh tries it again."""
    try:
        loopback_filter.enforce(paths, ports, recheck=recheck)
    except (GuardFailed, OSError) as error:
        return [str(error)]
    return []


def _address(host: str, addresses: Mapping[str, str]) -> str:
    return plain_address(addresses.get(host, "") if is_name(host) else host)
