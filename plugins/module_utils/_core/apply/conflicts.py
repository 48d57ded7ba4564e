# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against a declaration: the policy, another source, another user's port."""

from __future__ import annotations

import os

from ..host import system_accounts
from ..model.entities import Link, UserData
from ..model.names import name_problem
from ..model.policy import Policy
from ..model.sources import INVENTORY, SELF, effective_items, links_of, logins_of
from ..net.resolve import is_name
from ..paths import Paths
from ..ports.ranges import Ports
from ..text import shown
from .change import Proposal, Snapshot
from .port_ranges import listener_policies, local_links


def problems(paths: Paths, proposal: Proposal, policy: Policy, ports: Ports | None) -> list[str]:
    """Everything that stands against what is proposed, one line each."""
    found: list[str] = []
    for user, data in sorted(proposal.declared.items()):
        problem = _user_problem(paths, proposal, policy, user)
        found += [problem] if problem else []
        # what users have may stay as it is: inventory gives back what it took over, and a policy that has become
        # narrower must not keep them from removing what it refuses
        sources = proposal.before.get(user, {})
        had = sources.get(SELF, UserData()) if proposal.source == SELF else UserData()
        new = UserData(tuple(set(data.links) - set(had.links)), tuple(set(data.logins) - set(had.logins)))
        reasons = [
            reason for link in new.links for reason in (policy.link_problem(link, user), _socket(paths, user, link))
        ]
        reasons += _taken_names(proposal, user, new)
        if ports:
            reasons += _port_problems(proposal, ports, user, new)
        found += sorted(f"user {shown(user)}: {reason}" for reason in reasons if reason)
    return found


def _user_problem(paths: Paths, proposal: Proposal, policy: Policy, user: str) -> str | None:
    """Why a user can have nothing here, or nothing."""
    data = proposal.declared[user]
    problem = name_problem("user", user)
    if problem or not (data.links or data.logins):
        return problem
    had_any = bool(proposal.before.get(user)) and proposal.source == SELF
    problem = None if had_any else policy.user_problem(user)
    return problem or (None if paths.rootless else system_accounts.name_on_host_problem(user))


def _taken_names(proposal: Proposal, user: str, new: UserData) -> list[str]:
    """The names that another source has."""
    others = {name: kept for name, kept in proposal.before.get(user, {}).items() if name != proposal.source}
    if proposal.source == INVENTORY:
        others.pop(SELF, None)
    links, logins = effective_items(others, links_of), effective_items(others, logins_of)
    taken = [("link", link.name, links[link.name][0]) for link in new.links if link.name in links]
    taken += [("login", login.name, logins[login.name][0]) for login in new.logins if login.name in logins]
    return [
        f"{what} {shown(name)} belongs to source {shown(source)}; remove it there, or take another name"
        for what, name, source in taken
    ]


def _port_problems(proposal: Proposal, ports: Ports, user: str, new: UserData) -> list[str | None]:
    """The ports of this host that are not the user's."""
    own, addresses = proposal.source == SELF, proposal.addresses
    sources = {proposal.source: UserData(new.links)}
    local = listener_policies(Snapshot({user: sources}, addresses, ports))[user].local
    # where a name leads may change under everybody's feet; whom such a link trusts is in its entry
    return [
        ports.problem(user, link, own=own)
        for link in local_links(sources, local, addresses)
        if own or not is_name(link.host)
    ]


def _socket(paths: Paths, user: str, link: Link) -> str | None:
    folder = paths.sockets(user)
    if link.socket and os.path.dirname(link.socket) != folder:
        return f"link {shown(link.name)}: socket {shown(link.socket)} is not in {folder}; put it there"
    return None
