# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the minute's timer does: new addresses of host names, ended old hashes, folders that a reboot has taken."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

from .. import fs
from ..errors import NotLive, VizgateError
from ..host import passwords, socket_dirs
from ..model.entities import Login, UserData
from ..model.outcome import Outcome
from ..model.parse import password_problem
from ..model.sources import SELF, Declaration, State, effective_data, hosts_of
from ..net import resolve
from ..ports.ranges import Ports
from ..registry.store import Registry
from ..text import shown
from . import control, port_ranges
from .change import Change, Options, Snapshot

if TYPE_CHECKING:
    from .gateway import Gateway

_LEGACY = re.compile(r"^[^:\n]+:(?:\$apr1\$|\{SHA\})", re.MULTILINE)
"""The logins of a password file that have the hashes of the old script."""


def refresh(gateway: Gateway) -> Outcome:
    """Looks every host name up again, publishes the addresses that changed, and makes what a reboot has taken."""
    registry, paths = gateway.registry, gateway.paths
    # reading thousands of users takes seconds, and nobody waits for those
    state = registry.everything()
    resolved = resolve.resolve_in_turns(map(hosts_of, state.values()), registry.addresses())
    data = {user: effective_data(sources) for user, sources in state.items()}
    policy = registry.policy()
    uids = port_ranges.accounts(registry, policy, None)
    with registry.locked():
        gateway.recover()
        with contextlib.suppress(NotLive):
            control.tidy(paths.control)
        known = registry.addresses()
        moved = {host for host, address in resolved.items() if known.get(host) != address}
        needed = {host for sources in state.values() for host in hosts_of(sources)}
        ports = registry.ports(policy)
        held = ports and ports.known_as({user: uid for user, uid in uids.items() if user in ports.holders})
        warnings = port_ranges.enforce(paths, held, recheck=True)
        ended = _users_with_ended_logins(registry, state)
        outcome = Outcome()
        idle = not moved and not ended and held == ports and known.keys() <= needed
        if not idle or not socket_dirs.are_made(paths, data):
            state = registry.everything()
            affected = ended | _other_accounts(ports, held)
            users = [user for user in sorted(state) if user in affected or hosts_of(state[user]) & moved]
            before = Snapshot(state, known, ports)
            after = Snapshot(state, {**known, **resolved}, held)
            outcome = gateway.apply(Change(before, after, users, "refresh", all_users=True), Options(diff=False))
            data = {user: effective_data(sources) for user, sources in state.items()}
            warnings += socket_dirs.make_folders(paths, data)
        outcome.warnings = warnings
        return outcome


def _other_accounts(ports: Ports | None, held: Ports | None) -> set[str]:
    """The users whose accounts have another uid than before."""
    if not ports or not held:
        return set()
    return {user for user, holder in held.holders.items() if holder != ports.holders[user]}


def _users_with_ended_logins(registry: Registry, state: State) -> set[str]:
    """The users whose password files still have an old hash, though the policy's last day for those is over."""
    if not registry.legacy_ended():
        return set()
    users = [
        user for user, sources in state.items() if any(login.is_legacy for login in effective_data(sources).logins)
    ]
    paths = {user: os.path.join(registry.paths.includes, "logins.d", user + ".htpasswd") for user in users}
    return {user for user, path in paths.items() if _LEGACY.search(fs.read_text(path) or "")}


def replace_old_hashes(gateway: Gateway) -> list[str]:
    """Replaces the old hashes of imported logins that have been used since the last call. Returns what went wrong.

    nginx knows them from requests, keeps them in memory for a few minutes, and tells root alone; `control`.
    """
    wrong = []
    with contextlib.suppress(NotLive):
        for user, name, password in control.passwords(gateway.paths.control):
            try:
                _replace_old_hash(gateway, user, name, password.decode())
            except UnicodeDecodeError:
                pass  # nobody could type it at the command either; its hash stays until the policy's end
            except (VizgateError, OSError) as error:
                wrong.append(f"user {shown(user)}: login {shown(name)}: its old hash stays: {error}")
    return wrong


def _replace_old_hash(gateway: Gateway, user: str, name: str, password: str) -> None:
    own = gateway.registry.sources(user).get(SELF, UserData())
    old = next((login for login in own.logins if login.name == name and login.is_legacy), None)
    # what nginx says is looked at again: it may have been about a hash that is there no longer
    if not old or password_problem(password) or not passwords.verify_password(password, old.password_hash):
        return
    new = Login(name, passwords.hash_password(password))

    def declaration(registry: Registry) -> Declaration:
        data = registry.sources(user).get(SELF, UserData())
        return {user: data._replace(logins=tuple(new if login == old else login for login in data.logins))}

    gateway.declare(SELF, declaration, Options(diff=False))
