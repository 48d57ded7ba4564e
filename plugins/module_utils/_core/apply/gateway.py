# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings what is declared to the running gateway: validate, stage, let nginx look at it, swap, publish. Or nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from types import SimpleNamespace
from typing import TypeVar

from .. import fs
from ..errors import GuardFailed, InvalidData, NginxRefused, NotLive, NotServed, VizgateError
from ..host import passwords, socket_dirs, system_accounts
from ..model.data import Link, Login, Policy, UserData, name_problem, password_problem, printable, shown
from ..model.urls import HOST
from ..net import resolve
from ..net.listeners import Listening
from ..paths import Paths
from ..ports import loopback_filter
from ..ports.ranges import Holder, Ports, Watch, plain_address
from ..registry import audit
from ..registry.store import CLOSE, Registry, whence
from ..render import user_files
from . import control

INVENTORY, SELF = "inventory", "self"
"""The sources that have rules of their own: what users declare themselves yields to what inventory declares."""
TRIAL_SECONDS = 120.0
LIVE = "what nginx serves"
"""What is compared with the declared beside the include files."""

Declaration = Mapping[str, UserData]
"""User → what the source at hand declares for the user from now on; empty data withdraws everything."""


class Outcome(SimpleNamespace):
    """What a run changed, or in check mode would change."""

    def __init__(self, plan: Iterable[dict[str, str]] = ()) -> None:
        self.changed = False
        self.plan = list(plan)
        """`{action, url, target, user}`, changes also with `was` and `now`: action is add, change, remove, take over (by
        inventory from self), give back, repair, close (of a history) or unresolved; for logins add login, …"""
        self.diff: list[dict[str, str]] = []
        """Ansible's before/after pairs: URLs first, then include files, never a secret."""
        self.reload = False
        """The change is on disk, but nginx has to be reloaded (or started) to serve it."""
        self.warnings: list[str] = []
        """What went wrong for one user only, and is tried again by every run."""

    @property
    def unsettled(self) -> bool:
        """Whether running the same again might end otherwise."""
        return self.reload or any(step["action"] == "unresolved" for step in self.plan)


class Gateway:
    """One gateway, on the host it runs on."""

    def __init__(self, paths: Paths, by: str = "", whence: str | None = None) -> None:
        """`by`: on whose behalf it is changed, and from where; whoever runs this process where nothing is given."""
        self.paths = paths
        self.registry = Registry(paths, by, whence)

    def declare(
        self,
        source: str,
        declaration: Callable[[Registry], Declaration],
        *,
        complete: bool = False,
        check: bool = False,
        verify: bool = False,
        diff: bool = True,
        serve: bool = False,
        coming: Policy | None = None,
        locked: bool = False,
    ) -> Outcome:
        """Replaces what `source` declares.

        `declaration` is called under the lock, so that it may build on what is there, and once before. With `complete` it
        speaks for all users: who is not in it loses what the source had declared. With `verify` the include files and live
        entries of all users are put right too, not only of those for whom something changes. `check` only tells; on a
        host that is yet to become a gateway it does so by the policy that is `coming`. Without `diff` the outcome has none.
        With `serve` a change counts only if nginx serves it. Who has `locked` the gateway says so, and has no
        name looked up.

        Raises InvalidData (with every problem found), NginxRefused, NotServed, Locked; then nothing has changed.
        """
        problem = name_problem("source", source)
        if problem:
            raise InvalidData([problem])
        policy = self.registry.policy(coming=coming)
        # name servers can be slow, and users' own, and hashing is meant to be: nobody else waits for them
        expected = declaration(self.registry)
        # one user's change must not cost reading everybody's files
        everybody = complete or verify
        others = self.registry.everything() if everybody else {}
        coming_users = [*({source: data} for data in expected.values()), *others.values()]
        looked_up = {} if locked else self._look_up(coming_users, known_will_do=source == SELF)
        uids = self._accounts(policy, [*expected, *others])
        hashes: Hashes = {}
        for user, data in expected.items():
            if any(login.password for login in data.logins) and not name_problem("user", user):
                _hashed(data.logins, self.registry.sources(user).get(source, UserData()).logins, check, hashes)
        with contextlib.nullcontext() if check or locked else self.registry.locked():
            if not check:
                self.recover()
            # putting back would need room on the disk, so better nothing is begun
            if serve and (reason := self._contradiction({})):
                raise NotServed(f"nginx does not serve, so nothing was changed: {reason}")
            wanted = dict(declaration(self.registry))
            before = self.registry.everything() if everybody else {user: self.registry.sources(user) for user in wanted}
            if complete:
                for user, sources in before.items():
                    if source in sources:
                        wanted.setdefault(user, UserData())
            known_ports = self.registry.ports(policy)
            ports = self._claimed(known_ports, source, wanted, before, looked_up, uids)
            self._refuse(source, wanted, before, policy, looked_up, (known_ports, ports), check)
            after = dict(before)
            for user, data in wanted.items():
                old = before.get(user, {}).get(source, UserData())
                data = data._replace(logins=_hashed(data.logins, old.logins, check, hashes))
                sources = {name: kept for name, kept in before.get(user, {}).items() if name != source}
                if source == INVENTORY:
                    sources = _handed_over(sources, data)
                after[user] = {**sources, source: data} if data.links or data.logins else sources
            # whoever insists on being served gets what somebody has edited by hand put right, too
            users = [user for user in sorted(after) if verify or serve or after[user] != before.get(user, {})]
            # what an administrator does for a user is none of the user's own changes
            log = self.registry.by if source == SELF and list(wanted) == [self.registry.by] else ""
            outcome = self._transact(
                before,
                after,
                users,
                looked_up,
                check=check,
                verify=verify,
                everybody=everybody,
                diff=diff,
                serve=serve,
                cause=source,
                log=log,
                ports=(known_ports, ports),
            )
            if not check:
                outcome.warnings += self._enforce(ports)
            return outcome

    def ports(self, user: str) -> range | None:
        """The user's port range, assigned now if need be; None where the policy has no ranges. Raises InvalidData, Locked."""
        policy = self.registry.policy()
        known = self.registry.ports(policy)
        if known is None:
            return None
        uids = self._accounts(policy, [user])
        if known.of(user) is None or known.holders[user].uid != uids[user]:
            with self.registry.locked():
                self.recover()
                known = self.registry.ports(policy)
                if known is None:
                    return None
                ports = self._assigned(known.known_as(uids), [user])
                state = {user: self.registry.sources(user)}
                self._keep([user], state, known, ports)
                known = ports
        return known.of(user)

    def withdraw(self, user: str, *, check: bool = False, diff: bool = True) -> Outcome:
        """Takes all links and logins of one user away, whoever has declared them, and closes the user's history.

        Whoever gets the name later inherits nothing. Raises as `declare` does; a user of whom nothing is there is no error.
        """
        with contextlib.nullcontext() if check else self.registry.locked():
            if not check:
                self.recover()
            before = {user: self.registry.sources(user)}
            known = before[user] or any(self.registry.history(user).values())
            steps = [_close_step(user)] if known else []
            if not check:
                # the next complete run of these sources shall not take the user for published
                for source in before[user]:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self.paths.digest(source))
            return self._transact(
                before,
                {user: {}},
                [user],
                {},
                check=check,
                verify=False,
                everybody=False,
                diff=diff,
                cause="withdraw",
                steps=steps,
            )

    def refresh(self) -> Outcome:
        """Looks every host name up again, publishes the addresses that changed, and makes what a reboot has taken."""
        # reading thousands of users takes seconds, and nobody waits for those
        state = self.registry.everything()
        looked_up = self._look_up(state.values())
        users_of_sockets = [user for user, sources in state.items() if _has_socket(merged(sources))]
        policy = self.registry.policy()
        uids = self._accounts(policy, None)
        with self.registry.locked():
            self.recover()
            with contextlib.suppress(NotLive):
                control.tidy(self.paths.control)
            known = self.registry.addresses()
            moved = {host for host, address in looked_up.items() if known.get(host) != address}
            needed = {host for sources in state.values() for host in _hosts(sources)}
            ports = self.registry.ports(policy)
            held = ports and ports.known_as({user: uid for user, uid in uids.items() if user in ports.holders})
            warnings = self._enforce(held, anew=True)
            ended = self._users_with_ended_logins(state)
            if (
                not moved
                and not ended
                and held == ports
                and known.keys() <= needed
                and all(map(self._has_socket_folder, users_of_sockets))
            ):
                outcome = Outcome()
                outcome.warnings = warnings
                return outcome
            state = self.registry.everything()
            others = (
                {user for user, holder in held.holders.items() if holder != ports.holders[user]}
                if held and ports
                else set()
            )
            users = [user for user in sorted(state) if user in others | ended or _hosts(state[user]) & moved]
            outcome = self._transact(
                state,
                state,
                users,
                looked_up,
                check=False,
                verify=False,
                everybody=True,
                diff=False,
                cause="refresh",
                ports=(ports, held),
            )
            outcome.warnings = warnings + self._make_socket_folders(
                {user: merged(sources) for user, sources in state.items()}
            )
            return outcome

    def replace_old_hashes(self) -> list[str]:
        """Replaces the old hashes of imported logins that have been used since the last call. Returns what went wrong.

        nginx knows them from requests, keeps them in memory for a few minutes, and tells root alone; `control`.
        """
        wrong = []
        with contextlib.suppress(NotLive):
            for user, name, password in control.passwords(self.paths.control):
                try:
                    self._replace_old_hash(user, name, password.decode())
                except UnicodeDecodeError:
                    pass  # nobody could type it at the command either; its hash stays until the policy's end
                except (VizgateError, OSError) as error:
                    wrong.append(f"user {shown(user)}: login {shown(name)}: its old hash stays: {error}")
        return wrong

    def _replace_old_hash(self, user: str, name: str, password: str) -> None:
        own = self.registry.sources(user).get(SELF, UserData())
        old = next((login for login in own.logins if login.name == name and login.is_legacy), None)
        # what nginx says is looked at again: it may have been about a hash that is there no longer
        if not old or password_problem(password) or not passwords.verify_password(password, old.password_hash):
            return
        new = Login(name, passwords.hash_password(password))

        def declaration(registry: Registry) -> Declaration:
            data = registry.sources(user).get(SELF, UserData())
            return {user: data._replace(logins=tuple(new if login == old else login for login in data.logins))}

        self.declare(SELF, declaration, diff=False)

    def _users_with_ended_logins(self, state: Mapping[str, Mapping[str, UserData]]) -> set[str]:
        """The users whose password files still have an old hash, though the policy's last day for those is over."""
        if not self.registry.legacy_ended():
            return set()
        users = [user for user, sources in state.items() if any(login.is_legacy for login in merged(sources).logins)]
        paths = {user: os.path.join(self.paths.includes, "logins.d", user + ".htpasswd") for user in users}
        return {user for user, path in paths.items() if _LEGACY.search(_read(path) or "")}

    def drift(self) -> list[dict[str, str]]:
        """What is not as declared, as Ansible's before/after pairs: include files, and what nginx serves."""
        state = self.registry.everything()
        ports = self.registry.ports(self.registry.policy())
        files = self._transact(
            state,
            state,
            sorted(state),
            {},
            check=True,
            verify=True,
            everybody=True,
            diff=True,
            cause="",
            ports=(ports, ports),
        ).diff
        try:
            expected = self._expected(state)
            served = control.served(self.paths.control, list(expected))
        except NotLive:
            return files  # whoever asks is told that in other words
        differing = [key for key in expected if served.get(key) != expected[key]]
        before, after = ("".join(_serving(key, of[key]) for key in differing) for of in (served, expected))
        return files + (
            [{"before_header": LIVE, "after_header": LIVE, "before": before, "after": after}] if differing else []
        )

    def remember(self, source: str, seen: str) -> None:
        """Notes what a complete run of `source` was made from; "" for a run that is worth repeating."""
        fs.write(self.paths.digest(source), seen)

    def info(self, user: str | None = None) -> dict[str, object]:
        """What is declared, by whom, and whether it is rendered and served; for one user or for all.

        Returns `{users: {name: {links, logins}}, live}`, where `live` says whether nginx runs with the gateway's
        configuration.
        """
        state = self.registry.everything() if user is None else {user: self.registry.sources(user)}
        expected = self._expected(state)
        watching = self._known_ports() is not None
        listening = Listening()
        try:
            served, live = control.served(self.paths.control, list(expected)), True
        except NotLive:
            served, live = {}, False
        users = {}
        for name, sources in state.items():
            rendered = dict(
                _ENTRY.findall(_read(os.path.join(self.paths.includes, user_files.file_names(name)[0])) or "")
            )
            state_of = {"rendered": rendered, "live": served}
            links, logins = owned(sources, _links), owned(sources, _logins)
            users[name] = {
                "links": [
                    {
                        **link.as_json(),
                        "url": url(name, link),
                        "target": link.target,
                        "prefix": link.mode,
                        "source": source,
                        "yields_to": yields_to,
                        "moving": link.name in data.moving,
                        **({"quarantined": loopback_filter.squatter(expected[key], listening)} if watching else {}),
                        **{what: not yields_to and found.get(key) == expected[key] for what, found in state_of.items()},
                    }
                    for source, data in sources.items()
                    for link in data.links
                    for key in [f"{name}/{link.name}"]
                    for yields_to in [_yields(source, links[link.name][0])]
                ],
                "logins": [
                    {
                        "name": login.name,
                        "source": source,
                        "yields_to": yields_to,
                        "legacy": login.is_legacy,
                        **{what: not yields_to and found.get(key) == expected[key] for what, found in state_of.items()},
                    }
                    for source, data in sources.items()
                    for login in data.logins
                    for key in [name + "/"]
                    for yields_to in [_yields(source, logins[login.name][0])]
                ],
            }
        return {"users": users, "live": live}

    def _expected(self, state: Mapping[str, Mapping[str, UserData]]) -> dict[str, str]:
        """The entries of these users."""
        addresses = self.registry.addresses()
        watches = _watches(self._known_ports(), state, addresses)
        kept = self.registry.legacy_ended(), self.registry.old_addresses()
        found: dict[str, str] = {}
        for user, sources in state.items():
            found.update(user_files.entries(user, merged(sources, *kept), addresses, watches.get(user)))
        return found

    def _known_ports(self) -> Ports | None:
        # what a gateway tells about itself it tells without a policy, too
        return self.registry.ports(self.registry.policy()) if os.path.exists(self.paths.policy) else None

    def _accounts(self, policy: Policy, users: Iterable[str] | None) -> dict[str, int | None]:
        """The numbers of the accounts of `users`, or of all that are known; nothing where there are no port ranges."""
        ports = self.registry.ports(policy)
        if ports is None:
            return {}
        names = ports.holders if users is None else users
        return loopback_filter.uids(
            {user for user in names if not name_problem("user", user)}, ports, self.paths.root != "/"
        )

    def _claimed(
        self,
        ports: Ports | None,
        source: str,
        wanted: Declaration,
        before: Mapping[str, Mapping[str, UserData]],
        looked_up: Mapping[str, str],
        uids: Mapping[str, int | None],
    ) -> Ports | None:
        """The port ranges with one for everybody who needs it now, and with the accounts of all who have links to this
        host."""
        if ports is None:
            return None
        states = {user: dict(before.get(user, {})) for user in [*before, *wanted] if not name_problem("user", user)}
        for user in states.keys() & wanted.keys():
            states[user][source] = wanted[user]
        addresses = {**self.registry.addresses(), **looked_up}
        watches = _watches(ports, states, addresses)
        local = {user: _local_links(sources, watches[user].local, addresses) for user, sources in states.items()}
        needing = [
            user
            for user, links in local.items()
            for link in links
            if link.port in ports.whole or (source == SELF and link in wanted.get(user, UserData()).links)
        ]
        coming = ports.known_as({user: uids[user] for user in uids if local.get(user) or user in ports.holders})
        return self._assigned(coming, needing)

    def _assigned(self, ports: Ports, users: Iterable[str]) -> Ports:
        users = list(users)
        try:
            return ports.assigned(users)
        except InvalidData:
            if self.paths.root != "/":
                raise
            # asking for everybody's account takes a while, and the name service may be away for a moment
            known = [user for user, uid in loopback_filter.uids(ports.holders, ports, False).items() if uid is None]
            return ports.assigned(users, {user for user in known if not self.registry.sources(user)})

    def _keep(
        self,
        users: list[str],
        state: Mapping[str, Mapping[str, UserData]],
        known: Ports | None,
        ports: Ports | None,
    ) -> None:
        """Brings port ranges about with which nothing else changes."""
        if ports != known:
            state = {user: state.get(user, {}) for user in users}
            self._transact(
                state,
                state,
                users,
                {},
                check=False,
                verify=False,
                everybody=False,
                diff=False,
                cause="ports",
                ports=(known, ports),
            )
            self._enforce(ports)

    def _enforce(self, ports: Ports | None, *, anew: bool = False) -> list[str]:
        """Makes the loopback guard follow the port ranges; what went wrong is tried again by the minute's refresh."""
        try:
            loopback_filter.enforce(self.paths, ports, anew=anew)
        except (GuardFailed, OSError) as error:
            return [str(error)]
        return []

    def recover(self) -> None:
        """Finishes a transaction that was cut short after it had been decided; called under the lock, or at boot."""
        _clear(self.paths.trial)
        notes = fs.redo(self.paths.journal)
        if notes is not None:
            try:
                control.publish(self.paths.control, notes)
            except NotLive:
                pass  # nginx reads the include files when it starts
            fs.close(self.paths.journal)

    def _transact(
        self,
        before: Mapping[str, Mapping[str, UserData]],
        after: Mapping[str, Mapping[str, UserData]],
        users: list[str],
        looked_up: Mapping[str, str],
        *,
        check: bool,
        verify: bool,
        everybody: bool,
        diff: bool,
        cause: str,
        serve: bool = False,
        log: str = "",
        steps: list[dict[str, str]] | None = None,
        ports: tuple[Ports | None, Ports | None] = (None, None),
    ) -> Outcome:
        """Renders `users`, compares with what is there, and unless in check mode brings the difference about.

        `before` and `after` speak for `everybody`, or for `users` alone; so do the port ranges of both. `steps` are a change,
        too, even if only of the audit log.
        """
        known = self.registry.addresses()
        hosts = {host for user in users for host in _hosts(after[user]) if resolve.is_name(host)}
        found = {host: looked_up.get(host) or known.get(host, "") for host in hosts}
        # of a name that was not known nobody else has made anything
        moved = {host for host in found if found[host] != known.get(host, found[host])}
        needed = {host for sources in after.values() for host in _hosts(sources)} if everybody else known.keys()
        addresses = {**{host: known[host] for host in known.keys() & needed}, **found}
        planned = list(users)
        if moved:
            # whoever shares a host with these users follows it, too
            others = {user: state for user, state in self.registry.everything().items() if user not in after}
            before, after = {**before, **others}, {**after, **others}
            asked_for = set(users)
            users = [user for user in sorted(after) if user in asked_for or _hosts(after[user]) & moved]
        kept = self.registry.legacy_ended(), self.registry.old_addresses()
        old = {user: merged(before.get(user, {}), *kept) for user in users}
        new = {user: merged(after[user], *kept) for user in users}
        # of those who only follow nothing is told, as whoever asks need not know what they have
        outcome = Outcome(_plan(before, {user: after[user] for user in planned}, addresses))

        files = self._declarations(before, after, users)
        former: dict[str, str] = {}
        watches = _watches(ports[0], {user: before.get(user, {}) for user in users}, known)
        for user in users:
            former.update(user_files.entries(user, old[user], known, watches.get(user)))
        entries: dict[str, str] = dict.fromkeys(former, "")
        # in check mode on a host that is yet to become a gateway there are no templates
        if os.path.isdir(self.paths.templates) or not check:
            watches = _watches(ports[1], {user: after[user] for user in users}, addresses)
            self._render(new, addresses, watches, files, entries)
        if verify:
            files.update(dict.fromkeys(self._strangers(after), None))
        if addresses != known:
            files[self.paths.addresses] = json.dumps(addresses, indent=1, sort_keys=True) + "\n"
        if ports[1] and ports[1] != ports[0]:
            files[self.paths.ports] = ports[1].as_json()

        present = {path: _read(path) for path in files}
        entries = {**_replaced(files, present), **entries}
        files = {path: text for path, text in files.items() if text != present[path]}
        outcome.changed = bool(steps) or any(path not in (self.paths.addresses, self.paths.ports) for path in files)
        changing = {user for user in users if before.get(user, {}) != after[user] or _hosts(after[user]) & moved}
        outcome.plan += self._repairs(files, changing) + (steps or [])
        if diff:
            outcome.diff = _diff(old, new) + _file_diff(self.paths.includes, files, present)
        if not check:
            if files or steps:
                files.update(self._audited(outcome, cause, log))
            present = {path: _read(path) for path in files}
            outcome.warnings = self._make_socket_folders(new)
            changed = {link for user in users for link in set(new[user].links) - set(old[user].links)}
            if serve and outcome.warnings and any(link.socket for link in changed):
                raise NotServed(f"{outcome.warnings[0]}; nothing was changed")
            if serve:
                self._insist(files, entries, present, {**dict.fromkeys(entries, ""), **former})
            else:
                outcome.reload = bool(self._bring_about(files, entries) and files)
            self._drop_empty_folders(after)
        return outcome

    def _render(
        self,
        users: Mapping[str, UserData],
        addresses: Mapping[str, str],
        watches: Mapping[str, Watch],
        files: dict[str, str | None],
        entries: dict[str, str],
    ) -> None:
        """Adds the include files of the users, and their entries."""
        style = self.registry.url_style()
        for user, data in users.items():
            rendered = user_files.render(self.paths.templates, user, data, addresses, watches.get(user), style=style)
            texts = {**dict.fromkeys(user_files.file_names(user)), **rendered.files}
            files.update({os.path.join(self.paths.includes, path): text for path, text in texts.items()})
            entries.update(rendered.entries)

    def _insist(
        self,
        files: Mapping[str, str | None],
        entries: Mapping[str, str],
        present: Mapping[str, str | None],
        former: Mapping[str, str],
    ) -> None:
        """Brings a change about that nginx serves, or puts back the files that are `present` and the `former` entries."""
        try:
            reason = self._bring_about(files, entries, insist=True) or self._contradiction(entries)
        except OSError as error:
            if not os.path.exists(self.paths.journal):
                raise  # before anything was decided
            reason = str(error)
        if not reason:
            return
        try:
            self._put_back(present, former)
        except OSError as error:
            raise NotServed(
                f"nginx does not serve the change yet ({reason}), and it cannot be put back ({error})"
            ) from None
        for path in present:
            if path.startswith(self.paths.users):
                with contextlib.suppress(OSError):  # others' declarations are in it
                    os.rmdir(os.path.dirname(path))
        raise NotServed(f"nginx does not serve the change, so nothing was changed: {reason}")

    def _contradiction(self, entries: Mapping[str, str]) -> str:
        """Why nginx does not serve the entries that have been published, or nothing."""
        try:
            return "" if control.served(self.paths.control, list(entries)) == entries else "another change came between"
        except NotLive as error:
            return str(error)

    def _refuse(
        self,
        source: str,
        wanted: Declaration,
        before: Mapping[str, Mapping[str, UserData]],
        policy: Policy,
        looked_up: Mapping[str, str],
        ports: tuple[Ports | None, Ports | None],
        check: bool,
    ) -> None:
        """Raises InvalidData with everything that stands against the declaration."""
        try:
            self._refuse_conflicts(source, wanted, before, policy, ports[1], looked_up)
        except InvalidData:
            if source == SELF and not check:
                # what is said about the user's range has to stay true
                self._keep(list(wanted), before, *ports)
            raise

    def _refuse_conflicts(
        self,
        source: str,
        wanted: Declaration,
        before: Mapping[str, Mapping[str, UserData]],
        policy: Policy,
        ports: Ports | None,
        looked_up: Mapping[str, str],
    ) -> None:
        """Raises InvalidData with everything that the policy or another source stands against."""
        problems = []
        addresses = {**self.registry.addresses(), **looked_up} if ports else {}
        for user, data in sorted(wanted.items()):
            problem = name_problem("user", user)
            had_any = bool(before.get(user)) and source == SELF
            if not problem and (data.links or data.logins) and not had_any:
                problem = policy.user_problem(user)
            if not problem and (data.links or data.logins) and self.paths.root == "/":
                problem = system_accounts.name_on_host_problem(user)
            if problem:
                problems.append(problem)
            others = {name: kept for name, kept in before.get(user, {}).items() if name != source}
            if source == INVENTORY:
                others.pop(SELF, None)
            # what users have may stay as it is: inventory gives back what it took over, and a policy that has become
            # narrower must not keep them from removing what it refuses
            had = before.get(user, {}).get(source, UserData()) if source == SELF else UserData()
            links, logins = owned(others, _links), owned(others, _logins)
            found: list[str | None] = []
            for link in set(data.links) - set(had.links):
                found += [policy.link_problem(link, user), self._socket_problem(user, link)]
                found += [_taken("link", link.name, links[link.name][0])] if link.name in links else []
            if ports:
                coming = UserData(tuple(set(data.links) - set(had.links)))
                local = _watches(ports, {user: {source: coming}}, addresses)[user].local
                for link in _local_links({source: coming}, local, addresses):
                    # where a name leads may change under everybody's feet; whom such a link trusts is in its entry
                    if source == SELF or not resolve.is_name(link.host):
                        found.append(ports.problem(user, link, own=source == SELF))
            for login in set(data.logins) - set(had.logins):
                found += [_taken("login", login.name, logins[login.name][0])] if login.name in logins else []
            problems += sorted(f"user {shown(user)}: {text}" for text in found if text)
        if problems:
            raise InvalidData(problems)

    def _socket_problem(self, user: str, link: Link) -> str | None:
        folder = self.paths.sockets(user)
        if link.socket and os.path.dirname(link.socket) != folder:
            return f"link {shown(link.name)}: socket {shown(link.socket)} is not in {folder}; put it there"
        return None

    def _has_socket_folder(self, user: str) -> bool:
        return socket_dirs.is_made(self.paths.sockets(user), user, rootless=self.paths.root != "/")

    def _make_socket_folders(self, users: Mapping[str, UserData]) -> list[str]:
        """Makes them for those who have links to sockets. Returns what went wrong, which costs only its own user's links."""
        wrong = []
        for user, data in users.items():
            if _has_socket(data):
                try:
                    socket_dirs.make_folder(self.paths.sockets(user), user, rootless=self.paths.root != "/")
                except OSError as error:
                    wrong.append(f"user {shown(user)}: no folder for sockets: {error}")
        return wrong

    def _declarations(
        self,
        before: Mapping[str, Mapping[str, UserData]],
        after: Mapping[str, Mapping[str, UserData]],
        users: Iterable[str],
    ) -> dict[str, str | None]:
        """The registry files that change, with their coming text."""
        files: dict[str, str | None] = {}
        for user in users:
            for name, data in after[user].items():
                if data != before.get(user, {}).get(name):
                    files[self.registry.file(user, name)] = json.dumps(data.as_json(), sort_keys=True) + "\n"
            for name in before.get(user, {}).keys() - after[user].keys():
                files[self.registry.file(user, name)] = None
        return files

    def _put_back(self, files: Mapping[str, str | None], entries: Mapping[str, str]) -> None:
        try:
            self._bring_about(files, entries, ending=fs.OLD)
        except OSError:
            # wherever it got to: the whole once more does no harm, and half of it would
            self._bring_about(files, entries, ending=fs.OLD)

    def _bring_about(
        self,
        files: Mapping[str, str | None],
        entries: Mapping[str, str],
        *,
        insist: bool = False,
        ending: str = fs.NEW,
    ) -> str:
        """Swaps the files and publishes the entries. Returns why nginx does not serve them before a reload, or nothing.

        With `insist`, the journal of what is not served stays, for the way back to take its place.
        """
        if files:
            fs.stage(files, ending)
            try:
                # what was there before goes back whatever nginx says about it
                if ending == fs.NEW:
                    self._test([path + ending for path in files if path.endswith(".map")])
            except BaseException:
                fs.unstage(files, ending)
                raise
            fs.commit(self.paths.journal, files, entries, ending)
        reason = ""
        try:
            control.publish(self.paths.control, entries)
        except NotLive as error:
            reason = str(error)
        if files and not (insist and reason):
            fs.close(self.paths.journal)
        return reason

    def _look_up(self, users: Iterable[Mapping[str, UserData]], known_will_do: bool = False) -> dict[str, str]:
        """Host name → address for all the hosts of the users that have one, or only for those not known yet."""
        known = self.registry.addresses()
        skipped = known.keys() if known_will_do else ()
        # one name of each user, then another of each: who has many that no name server answers delays only their own
        turns = [turn for sources in users for turn in enumerate(sorted(_hosts(sources)))]
        turns.sort(key=lambda turn: turn[0])
        return resolve.resolve((host for _number, host in turns if host not in skipped), known)

    def _strangers(self, users: Iterable[str]) -> list[str]:
        """Per-user include files of nobody for whom anything is declared."""
        expected = {os.path.join(self.paths.includes, path) for user in users for path in user_files.file_names(user)}
        found = []
        for folder, ending in user_files.FOLDERS.items():
            below = os.path.join(self.paths.includes, folder)
            found += [os.path.join(below, name) for name in _listed(below) if name.endswith(ending)]
        return sorted(set(found) - expected)

    def _test(self, maps: list[str]) -> None:
        """Lets nginx read the staged map files, in a configuration of their own."""
        if not maps:
            return
        folder = self.paths.trial
        os.mkdir(folder, mode=0o700)
        try:
            lines = [f"        include {path};" for path in maps]
            temporary = "\n".join(
                f"    {name}_temp_path {folder}/body;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            text = _TRIAL.format(folder=folder, temporary=temporary, includes="\n".join(lines))
            path = os.path.join(folder, "nginx.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            refusal = _refusal(path)
        finally:
            _clear(folder)
        if refusal:
            raise NginxRefused(f"nginx refuses the include files, nothing was changed: {refusal}")

    def _drop_empty_folders(self, users: Mapping[str, Mapping[str, UserData]]) -> None:
        for user, sources in users.items():
            if not sources:
                try:
                    os.rmdir(os.path.join(self.paths.users, user))
                except OSError:
                    pass  # it never was there

    def _repairs(self, files: Iterable[str], changing: set[str]) -> list[dict[str, str]]:
        """A step for every include file that differs though nothing else is declared than before."""
        steps = []
        for path in files:
            user = os.path.basename(path).rpartition(".")[0]
            if path.startswith(self.paths.includes) and user not in changing:
                steps.append({"action": "repair", "url": f"/{user}/", "target": path, "user": user})
        return steps

    def _audited(self, outcome: Outcome, cause: str, log: str) -> dict[str, str]:
        """The audit log with the changes added: of the user `log`, so that nobody floods another's, or everybody else's."""
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "source": cause,
            "by": self.registry.by,
            "from": whence() if self.registry.whence is None else self.registry.whence,
        }
        # lists, as a text that grows by each of many thousand steps would be copied as often
        lines: dict[audit.Log, list[str]] = {}
        steps = [step for step in outcome.plan if step["action"] != "unresolved"]
        for step in steps:
            for found in self._logs(step, log):
                lines.setdefault(found, []).append(json.dumps({**line, **step}) + "\n")
        needs_room = bool(log) and any(map(audit.adds, steps))
        files: dict[str, str] = {}
        for found, texts in lines.items():
            files.update(found.extended("".join(texts), needs_room))
        return files

    def _logs(self, step: Mapping[str, str], log: str) -> list[audit.Log]:
        """Where a step is noted. The end of a history, in all logs: any may lose its oldest lines before the others do."""
        own, shared = audit.own(self.paths, step["user"]), audit.shared(self.paths)
        if log:
            return [audit.own(self.paths, log)]
        return [shared, own] if step["action"] == CLOSE and os.path.exists(own.path) else [shared]


_ENTRY = re.compile(r'^"([^"]+)" "([^"]*)";$', re.MULTILINE)
"""The entries of a map file, as they are rendered."""

_LEGACY = re.compile(r"^[^:\n]+:(?:\$apr1\$|\{SHA\})", re.MULTILINE)
"""The logins of a password file that have the hashes of the old script."""

_KEY = re.compile(r'^[ \t]*"?([^"\s;#]+)', re.MULTILINE)
"""The keys of a map file."""

_TRIAL = """\
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
{temporary}
    map_hash_max_size 524288;
    map_hash_bucket_size 256;
    map $arg_key $entry {{
{includes}
    }}
    server {{
        listen unix:{folder}/s;
        return 200 $entry;
    }}
}}
"""


Item = TypeVar("Item", Link, Login)


def owned(sources: Mapping[str, UserData], items: Callable[[UserData], Iterable[Item]]) -> dict[str, tuple[str, Item]]:
    """Name → which source has it, and what it is, of a user's links or logins. The user's own yield to all others."""
    return {
        item.name: (source, item)
        for source in sorted(sources, key=lambda source: source != SELF)
        for item in items(sources[source])
    }


def _taken(what: str, name: str, source: str) -> str:
    return f"{what} {shown(name)} belongs to source {shown(source)}; remove it there, or take another name"


def _yields(source: str, owner: str) -> str:
    return owner if owner != source else ""


def _has_socket(data: UserData) -> bool:
    return any(link.socket for link in data.links)


def _links(data: UserData) -> Iterable[Link]:
    return data.links


def _logins(data: UserData) -> Iterable[Login]:
    return data.logins


def merged(sources: Mapping[str, UserData], legacy_ended: bool = False, old_addresses: bool = True) -> UserData:
    """What all sources declare for one user, together; once the time of old hashes has ended, without the logins that have one, and
    without `old_addresses` without the former names of links."""
    links, logins = owned(sources, _links), owned(sources, _logins)
    opening = [logins[name][1] for name in sorted(logins) if not (legacy_ended and logins[name][1].is_legacy)]
    renamed = tuple(pair for pair in sources.get(SELF, UserData()).renamed if pair[1] in links) if old_addresses else ()
    return UserData(tuple(links[name][1] for name in sorted(links)), tuple(opening), renamed=renamed)


def _handed_over(sources: Mapping[str, UserData], coming: UserData) -> dict[str, UserData]:
    """The sources without those of the user's own links that were waiting for inventory to declare them."""
    own = sources.get(SELF, UserData())
    gone = set(own.moving) & {link.name for link in coming.links}
    rest = UserData(
        tuple(link for link in own.links if link.name not in gone),
        own.logins,
        tuple(name for name in own.moving if name not in gone),
        own.renamed,
    )
    others = {name: data for name, data in sources.items() if name != SELF}
    return {**others, SELF: rest} if rest.links or rest.logins else others


def _hosts(sources: Mapping[str, UserData]) -> set[str]:
    return {link.host for data in sources.values() for link in data.links if not link.socket}


def _address(host: str, addresses: Mapping[str, str]) -> str:
    return plain_address(addresses.get(host, "") if resolve.is_name(host) else host)


def _watches(
    ports: Ports | None, users: Mapping[str, Mapping[str, UserData]], addresses: Mapping[str, str]
) -> dict[str, Watch]:
    """For each of the users who may listen where their links lead to on this host; nothing where there are no ranges."""
    if ports is None:
        return {}
    hosts = {user: {_address(host, addresses) for host in _hosts(sources)} for user, sources in users.items()}
    here = loopback_filter.here(set().union(*hosts.values()))
    return {
        user: Watch(
            ports.holders.get(user, Holder()).uid,
            ports.whole,
            frozenset(name for name, (source, _link) in owned(sources, _links).items() if source == SELF),
            here & hosts[user],
        )
        for user, sources in users.items()
    }


def _local_links(sources: Mapping[str, UserData], local: Collection[str], addresses: Mapping[str, str]) -> list[Link]:
    """The links that lead to ports of this host."""
    return [
        link
        for data in sources.values()
        for link in data.links
        if not link.socket and _address(link.host, addresses) in local
    ]


Hashes = dict[tuple[str, str], str]
"""A clear password and the hash that its login has had → the hash that it gets."""


def _hashed(logins: Iterable[Login], known: Iterable[Login], check: bool, hashes: Hashes) -> tuple[Login, ...]:
    """The logins with clear passwords hashed, and `hashes` with what has been found out; a hash that is already right for
    its password stays.

    In check mode nothing is hashed: the host may not have htpasswd yet.
    """
    former = {login.name: login.password_hash for login in known}
    found = []
    for login in logins:
        if login.password:
            old = former.get(login.name, "")
            pair = login.password, old
            if pair not in hashes:
                right = old and passwords.verify_password(login.password, old)
                hashes[pair] = old if right else "" if check else passwords.hash_password(login.password)
            login = Login(login.name, hashes[pair])
        found.append(login)
    return tuple(found)


def _plan(
    before: Mapping[str, Mapping[str, UserData]],
    after: Mapping[str, Mapping[str, UserData]],
    addresses: Mapping[str, str],
) -> list[dict[str, str]]:
    plan = []
    for user, sources in after.items():
        links, former_links = owned(sources, _links), owned(before.get(user, {}), _links)
        for name in sorted(links):
            link = links[name][1]
            action = _action(former_links.get(name), links[name])
            if action:
                plan.append(_step(action, user, link))
                if name in former_links:
                    plan[-1].update(was=_told(former_links[name][1]), now=_told(link))
            if resolve.is_name(link.host) and not addresses.get(link.host):
                plan.append(_step("unresolved", user, link))
        plan += [_step("remove", user, former_links[name][1]) for name in sorted(former_links.keys() - links.keys())]
        logins, former_logins = owned(sources, _logins), owned(before.get(user, {}), _logins)
        for name in sorted(logins):
            action = _action(former_logins.get(name), logins[name])
            if action:
                plan.append(_login_step(f"{action} login", user, name))
        plan += [_login_step("remove login", user, name) for name in sorted(former_logins.keys() - logins.keys())]
    return plan


def _action(was: tuple[str, Item] | None, now: tuple[str, Item]) -> str:
    """What happens to a name; "" where nothing does."""
    if was is None:
        return "add"
    if was[0] == SELF != now[0]:
        return "take over"
    if now[0] == SELF != was[0]:
        return "give back"
    return "change" if was[1] != now[1] else ""


def url(user: str, link: Link) -> str:
    """A link's address below the gateway's own; `model.urls` knows where that is for users with host names."""
    return f"/{user}/{link.name}/"


def _serving(key: str, entry: str) -> str:
    """A line of what nginx serves; a generation of logins says nothing to anybody."""
    if not entry or key.endswith(user_files.OLD_LOGINS):
        return ""
    return f"/{key} opened by the logins as of {entry[:7]}\n" if key.endswith("/") else f"/{key}/ -> {entry}\n"


def _step(action: str, user: str, link: Link) -> dict[str, str]:
    # what prints the full address has to know that the link has a host name
    prefix = {"prefix": HOST} if link.mode == HOST else {}
    return {"action": action, "url": url(user, link), "target": link.target, "user": user, **prefix}


def _login_step(action: str, user: str, name: str) -> dict[str, str]:
    return {"action": action, "url": f"/{user}/", "target": name, "user": user}


def _close_step(user: str) -> dict[str, str]:
    return {"action": CLOSE, "url": f"/{user}/", "target": "history", "user": user}


def _told(link: Link) -> str:
    """All that a link says, on one line."""
    description = f"  # {shown(link.description)}" if link.description else ""
    unverified = "" if link.verify else ", unverified"
    return f"{link.target} ({link.kind}, prefix {link.mode}{unverified}){description}"


def _diff(old: Mapping[str, UserData], new: Mapping[str, UserData]) -> list[dict[str, str]]:
    """The URLs and logins before and after, of the users for whom they differ."""
    differing = [user for user in new if old[user] != new[user]]
    if not differing:
        return []

    def lines(state: Mapping[str, UserData], former: Mapping[str, UserData]) -> str:
        found = []
        for user in differing:
            for link in state[user].links:
                found.append(f"{url(user, link)} -> {_told(link)}\n")
            known = {login.name: login for login in former[user].logins}
            for login in state[user].logins:
                changed = " (password changes)" if known.get(login.name, login) != login else ""
                found.append(f"/{user}/ opened by login {login.name}{changed}\n")
        return "".join(found)

    return [{"before_header": "links", "after_header": "links", "before": lines(old, old), "after": lines(new, old)}]


def _file_diff(
    includes: str, files: Mapping[str, str | None], present: Mapping[str, str | None]
) -> list[dict[str, str]]:
    """The include files that change: maps and pages as text, password files by the names in them alone."""
    found = []
    for path, text in files.items():
        if path.startswith(includes):
            found.append(
                {
                    "before_header": path,
                    "after_header": path,
                    "before": _presentable(path, present[path]),
                    "after": _presentable(path, text),
                }
            )
    return found


def _replaced(files: dict[str, str | None], present: Mapping[str, str | None]) -> dict[str, str]:
    """The entries of the maps that are `present` and will be others, withdrawn: somebody may have written some by hand, and
    nginx has read them since. Of `files` that are to go, maps become empty ones: nginx, which may have listed the folder
    in this moment, would not forgive one that is gone."""
    entries: dict[str, str] = {}
    for path, text in present.items():
        if path.endswith(".map") and text is not None and text != files[path]:
            entries.update(dict.fromkeys(_KEY.findall(text), ""))
            files[path] = files[path] or user_files.EMPTY
    return entries


def _presentable(path: str, text: str | None) -> str:
    text = text or ""
    if path.endswith(".htpasswd"):
        return "".join(line.partition(":")[0] + ":(hash not shown)\n" for line in text.splitlines())
    # a terminal would obey control characters
    return "\n".join(map(printable, text.split("\n")))


def _refusal(configuration: str) -> str:
    """What nginx has against a configuration, or nothing. Not by module subprocess, whose import takes longer."""
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin"]
    program = next(filter(os.path.isfile, (os.path.join(folder, "nginx") for folder in folders)), None)
    if program is None:
        raise NginxRefused("nginx is not installed on this host; role gateway does that")
    said = os.memfd_create("said")
    try:
        actions = [(os.POSIX_SPAWN_DUP2, said, 1), (os.POSIX_SPAWN_DUP2, said, 2)]
        command = [program, "-t", "-q", "-c", configuration, "-e", "stderr"]
        pid = os.posix_spawn(program, command, os.environ, file_actions=actions)
        ended = os.pidfd_open(pid)
        try:
            waiting = select.poll()
            waiting.register(ended)
            if not waiting.poll(int(TRIAL_SECONDS * 1000)):
                signal.pidfd_send_signal(ended, signal.SIGKILL)
                os.write(said, f"nginx -t is not done after {TRIAL_SECONDS} s\n".encode())
        finally:
            os.close(ended)
        _pid, status = os.waitpid(pid, 0)
        return os.pread(said, 65536, 0).decode(errors="replace").strip() or "no reason given" if status else ""
    finally:
        os.close(said)


def _clear(folder: str) -> None:
    """Removes a folder with the files and empty folders that nginx has made in it, unless it is gone already."""
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)
        os.rmdir(folder)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
