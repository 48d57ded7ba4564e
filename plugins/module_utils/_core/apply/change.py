# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of a change: what was, what is to be, and the plan that leads from one to the other.

NamedTuples, not dataclasses: importing module dataclasses would take longer than a whole `vizgate add`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ..model.entities import UserData
from ..model.outcome import PlanStep
from ..model.policy import Policy
from ..model.sources import Declaration, State, hosts_of
from ..ports.ranges import Ports

Texts: TypeAlias = Mapping[str, "str | None"]
"""Path → the file's text, or None for no file."""


class Options(NamedTuple):
    """How a declaration is applied."""

    prune: bool = False
    """The declaration speaks for all users: who is not in it loses what the source had declared."""
    repair: bool = False
    """The include files and live entries of all users are repaired, not only of those for whom something changes."""
    check: bool = False
    """Nothing changes; the outcome says what would."""
    diff: bool = True
    """The outcome has a diff."""
    require_live: bool = False
    """The change counts only if nginx serves it, and is rolled back otherwise."""
    new_policy: Policy | None = None
    """In check mode: the policy of a host that is not a gateway yet."""
    locked: bool = False
    """The caller holds the lock. No host name is looked up, as that would keep others waiting."""


class Proposal(NamedTuple):
    """What a source wants to declare, before it is known whether it may."""

    source: str
    declared: Declaration
    before: State
    """What all sources have declared, at least for the users in `declared`."""
    addresses: Mapping[str, str]
    """Host name → address, as looked up just now."""


class Snapshot(NamedTuple):
    """What is declared at one moment, for all users or for some."""

    state: State
    addresses: Mapping[str, str]
    """Host name → address, "" for one without. Those of all users."""
    ports: Ports | None = None


class Change(NamedTuple):
    """From one snapshot to another. Snapshots cover all users if `all_users`, else at least `users`."""

    before: Snapshot
    after: Snapshot
    users: Sequence[str]
    """Whose include files are rendered and compared, in this order."""
    source: str
    """The source, or the program, that changes something: for the audit log."""
    all_users: bool = False
    steps: Sequence[PlanStep] = ()
    """Steps that change the audit log only."""
    audit_user: str = ""
    """The user in whose own audit log the change is noted, "" for the shared log."""
    followers: frozenset[str] = frozenset()
    """Those of `users` who are rendered only because a host that they share has moved. The plan does not show them:
    the caller may not be allowed to see their links."""

    @property
    def moved(self) -> set[str]:
        """The hosts with another address than before. A new name has not moved: nobody else uses it."""
        known = self.before.addresses
        return {host for host, address in self.after.addresses.items() if address != known.get(host, address)}

    @property
    def changing(self) -> set[str]:
        """The users for whom something else is declared than before, or whose hosts have moved."""
        before, after, moved = self.before.state, self.after.state, self.moved
        return {user for user in self.users if before.get(user, {}) != after[user] or hosts_of(after[user]) & moved}


class Desired(NamedTuple):
    """How files and nginx's live entries have to be after a change."""

    old: Mapping[str, UserData]
    """User → what all sources together declared before."""
    new: Mapping[str, UserData]
    files: Texts
    entries: Mapping[str, str]
    """Key → value, "" for one that goes."""
    former: Mapping[str, str]
    """The entries before the change."""


class Plan(NamedTuple):
    """What has to be done."""

    steps: list[PlanStep]
    files: Texts
    """The files that differ."""
    entries: Mapping[str, str]
    changed: bool
    """Whether more than addresses and port ranges changes."""
