# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes a gateway, whole or not at all: the lock, the look-ups, and the order of the steps.

What is imported inside of functions is not needed by most changes, and `vizgate add` waits for every import.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .. import fs
from ..errors import InvalidData, NotServed
from ..model.entities import UserData
from ..model.names import name_problem
from ..model.outcome import FileDiff, Outcome
from ..model.policy import Policy
from ..model.sources import SELF, Declaration, has_socket, hosts_of, with_source
from ..net import resolve
from ..paths import Paths
from ..ports.ranges import Ports
from ..registry.store import Registry
from . import conflicts, planner, port_ranges
from .change import Change, Desired, Options, Plan, Proposal, Snapshot
from .desired import desired
from .publisher import Publisher

if TYPE_CHECKING:
    from ..host.passwords import Hashes

Declare = Callable[[Registry], Declaration]
DEFAULT = Options()


class _Prepared(NamedTuple):
    """What is found out before the lock is taken, as it may take long."""

    policy: Policy
    addresses: Mapping[str, str]
    uids: Mapping[str, int | None]
    hashes: Hashes


class Gateway:
    """One gateway, on the host it runs on."""

    def __init__(self, paths: Paths, actor: str = "", remote_host: str | None = None) -> None:
        """`actor` and `remote_host` are for the audit log: who changes the gateway, and from which machine. The defaults are the
        user of this process, and where that user has logged in from."""
        self.paths = paths
        self.registry = Registry(paths, actor, remote_host)
        self.publisher = Publisher(paths)

    def declare(self, source: str, declaration: Declare, options: Options = DEFAULT) -> Outcome:
        """Replaces what `source` declares.

        `declaration` is called under the lock, so that it may build on what is there, and once before.

        Raises InvalidData (with every problem found), NginxRefused, NotServed, Locked, HashingFailed, OSError; then nothing
        has changed.
        """
        problem = name_problem("source", source)
        if problem:
            raise InvalidData([problem])
        # name servers can be slow, and users' own, and hashing is meant to be: nobody else waits for them
        prepared = self._prepare(source, declaration, options)
        with contextlib.nullcontext() if options.check or options.locked else self.registry.locked():
            if not options.check:
                self.recover()
            if options.require_live:
                self.publisher.require_live()
            change = self._change(source, declaration, prepared, options)
            outcome = self.apply(change, options)
            if not options.check:
                outcome.warnings += port_ranges.enforce(self.paths, change.after.ports)
            return outcome

    def ports(self, user: str) -> range | None:
        """The user's port range, assigned now if need be; None where the policy has no ranges. Raises InvalidData, Locked."""
        policy = self.registry.policy()
        known = self.registry.ports(policy)
        if known is None:
            return None
        uids = port_ranges.accounts(self.registry, policy, [user])
        if known.of(user) is None or known.holders[user].uid != uids[user]:
            with self.registry.locked():
                self.recover()
                known = self.registry.ports(policy)
                if known is None:
                    return None
                ports = port_ranges.assigned(self.registry, known.known_as(uids), [user])
                state = {user: self.registry.sources(user)}
                self._store_ports(Snapshot(state, self.registry.addresses(), known), ports)
                known = ports
        return known.of(user)

    def withdraw(self, user: str, *, check: bool = False, diff: bool = True) -> Outcome:
        """Takes all links and logins of one user away, of all sources, and closes the user's history.

        A later user of the name inherits nothing. Raises what `declare` raises; a user without declarations is no error.
        """
        with contextlib.nullcontext() if check else self.registry.locked():
            if not check:
                self.recover()
            sources = self.registry.sources(user)
            known = sources or any(self.registry.history(user).values())
            steps = [planner.close_step(user)] if known else []
            if not check:
                # the next complete run of these sources shall not take the user for published
                for source in sources:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self.paths.fingerprint(source))
            before = Snapshot({user: sources}, self.registry.addresses())
            after = before._replace(state={user: {}})
            return self.apply(Change(before, after, [user], "withdraw", steps=steps), Options(check=check, diff=diff))

    def refresh(self) -> Outcome:
        """Looks every host name up again, publishes the addresses that changed, and makes what a reboot has taken."""
        from . import refresh  # the work of the minute's timer, not of a change

        return refresh.refresh(self)

    def replace_old_hashes(self) -> list[str]:
        """Replaces the old hashes of imported logins that have been used since the last call. Returns what went wrong."""
        from . import refresh  # as above

        return refresh.replace_old_hashes(self)

    def drift(self) -> list[FileDiff]:
        """What is not as declared, as Ansible's before/after pairs: include files, and what nginx serves."""
        from . import inspection  # a change does not look at everything

        return inspection.drift(self)

    def info(self, user: str | None = None) -> dict[str, object]:
        """What is declared, by whom, and whether it is rendered and served; for one user or for all."""
        from . import inspection  # as above

        return inspection.info(self.registry, user)

    def save_fingerprint(self, source: str, fingerprint: str) -> None:
        """Notes what a complete run of `source` was made from; "" for a run that is worth repeating."""
        fs.write(self.paths.fingerprint(source), fingerprint)

    def recover(self) -> None:
        """Finishes a transaction that was cut short after it had been decided; called under the lock, or at boot."""
        self.publisher.recover()

    def apply(self, change: Change, options: Options) -> Outcome:
        """Renders the users of a change, compares with what is there, and unless in check mode brings the difference about."""
        change = planner.with_addresses(change)
        if change.moved:
            change = planner.with_followers(change, self.registry.everything())
        wanted = desired(self.registry, change, repair=options.repair, check=options.check)
        present = _texts(wanted.files)
        plan = planner.make_plan(self.paths, change, wanted, present)
        outcome = Outcome(plan.steps)
        outcome.changed = plan.changed
        if options.diff:
            outcome.diff = planner.make_diff(self.paths, wanted, plan, present)
        if not options.check:
            self._publish(change, wanted, plan, outcome, options.require_live)
        return outcome

    def _publish(self, change: Change, wanted: Desired, plan: Plan, outcome: Outcome, require_live: bool) -> None:
        """Brings a plan about, and notes it in the audit log."""
        files = dict(plan.files)
        if files or change.steps:
            files.update(self.registry.audit_files(change.source, plan.steps, change.audit_user))
        present = _texts(files)
        if any(map(has_socket, wanted.new.values())):
            from ..host import socket_dirs  # most users have no sockets

            outcome.warnings = socket_dirs.make_folders(self.paths, wanted.new)
        if require_live:
            links = {
                link for user in change.users for link in set(wanted.new[user].links) - set(wanted.old[user].links)
            }
            if outcome.warnings and any(link.socket for link in links):
                raise NotServed(f"{outcome.warnings[0]}; nothing was changed")
            former = {**dict.fromkeys(plan.entries, ""), **wanted.former}
            self.publisher.publish_or_roll_back(files, plan.entries, present, former)
        else:
            outcome.reload = bool(self.publisher.publish(files, plan.entries) and files)
        for user, sources in change.after.state.items():
            if not sources:
                with contextlib.suppress(OSError):  # it never was there
                    os.rmdir(os.path.join(self.paths.users, user))

    def _prepare(self, source: str, declaration: Declare, options: Options) -> _Prepared:
        policy = self.registry.policy(new_policy=options.new_policy)
        expected = declaration(self.registry)
        # one user's change must not cost reading everybody's files
        others = self.registry.everything() if options.prune or options.repair else {}
        addresses: Mapping[str, str] = {}
        if not options.locked:
            users = [*({source: data} for data in expected.values()), *others.values()]
            addresses = resolve.resolve_in_turns(
                map(hosts_of, users), self.registry.addresses(), skip_known=source == SELF
            )
        uids = port_ranges.accounts(self.registry, policy, [*expected, *others])
        prepared = _Prepared(policy, addresses, uids, {})
        for user, data in expected.items():
            if any(login.password for login in data.logins) and not name_problem("user", user):
                _hashed(data, self.registry.sources(user).get(source), prepared, options)
        return prepared

    def _change(self, source: str, declaration: Declare, prepared: _Prepared, options: Options) -> Change:
        """What the declaration changes. Raises InvalidData with everything that stands against it."""
        wanted = dict(declaration(self.registry))
        all_users = options.prune or options.repair
        state = self.registry.everything() if all_users else {user: self.registry.sources(user) for user in wanted}
        if options.prune:
            for user, sources in state.items():
                if source in sources:
                    wanted.setdefault(user, UserData())
        before = Snapshot(state, self.registry.addresses(), self.registry.ports(prepared.policy))
        addresses = {**before.addresses, **prepared.addresses}
        ports = self._allowed(Proposal(source, wanted, state, addresses), before, prepared, options.check)
        after: dict[str, Mapping[str, UserData]] = dict(state)
        for user, data in wanted.items():
            sources = state.get(user, {})
            after[user] = with_source(sources, source, _hashed(data, sources.get(source), prepared, options))
        # a change that has to be live also repairs what somebody has edited by hand
        everyone = options.repair or options.require_live
        users = [user for user in sorted(after) if everyone or after[user] != state.get(user, {})]
        # what an administrator does for a user is none of the user's own changes
        actor = self.registry.actor
        audit_user = actor if source == SELF and list(wanted) == [actor] else ""
        return Change(before, Snapshot(after, addresses, ports), users, source, all_users, audit_user=audit_user)

    def _allowed(self, proposal: Proposal, before: Snapshot, prepared: _Prepared, check: bool) -> Ports | None:
        """The port ranges that the proposal takes. Raises InvalidData with everything that stands against it."""
        ports = port_ranges.claimed(self.registry, before.ports, proposal, prepared.uids)
        problems = conflicts.problems(self.paths, proposal, prepared.policy, ports)
        if problems:
            if proposal.source == SELF and not check:
                # what is said about the user's range has to stay true
                state = {user: proposal.before.get(user, {}) for user in proposal.declared}
                self._store_ports(before._replace(state=state), ports)
            raise InvalidData(problems)
        return ports

    def _store_ports(self, before: Snapshot, ports: Ports | None) -> None:
        """Stores port ranges with which nothing else changes, for the users of `before`."""
        if ports != before.ports:
            change = Change(before, before._replace(ports=ports), list(before.state), "ports")
            self.apply(change, Options(diff=False))
            port_ranges.enforce(self.paths, ports)


def _hashed(data: UserData, known: UserData | None, prepared: _Prepared, options: Options) -> UserData:
    """The data with clear passwords hashed; what is `known` keeps its hash where that is right for its password."""
    if not any(login.password for login in data.logins):
        return data
    from ..host import passwords  # most changes have none

    logins = (known or UserData()).logins
    return data._replace(logins=passwords.hashed(data.logins, logins, prepared.hashes, options.check))


def _texts(paths: Iterable[str]) -> dict[str, str | None]:
    return {path: fs.read_text(path) for path in paths}
