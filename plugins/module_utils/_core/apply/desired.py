# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How files and live entries have to be for what is declared."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping

from .. import fs
from ..errors import InvalidData
from ..model.entities import UserData
from ..model.sources import effective_data
from ..paths import Paths
from ..registry.store import Registry
from ..render import user_files
from .change import Change, Desired, Snapshot
from .port_ranges import listener_policies


def desired(registry: Registry, change: Change, *, repair: bool, check: bool) -> Desired:
    """What a change leaves; with `repair` also without the include files of users for whom nothing is declared."""
    paths, before, after = registry.paths, change.before, change.after
    kept = registry.legacy_ended(), registry.old_addresses()
    old = {user: effective_data(before.state.get(user, {}), *kept) for user in change.users}
    new = {user: effective_data(after.state[user], *kept) for user in change.users}
    files = _registry_files(registry, change)
    former = _entries(_of_users(before, change.users), old)
    entries: dict[str, str] = dict.fromkeys(former, "")
    # in check mode on a host that is yet to become a gateway there are no templates
    can_render = os.path.isdir(paths.templates)
    if not can_render and not check and any(data.links or data.logins for data in new.values()):
        raise InvalidData(
            [f"{paths.templates} is missing: an earlier version is installed here; run role gateway first"]
        )
    if can_render or not check:
        _render(registry, _of_users(after, change.users), new, files, entries)
    if repair:
        files.update(dict.fromkeys(orphaned_files(paths, after.state), None))
    if after.addresses != before.addresses:
        files[paths.addresses] = json.dumps(after.addresses, indent=1, sort_keys=True) + "\n"
    if after.ports and after.ports != before.ports:
        files[paths.ports] = after.ports.as_json()
    return Desired(old, new, files, entries, former)


def current_entries(registry: Registry, snapshot: Snapshot) -> dict[str, str]:
    """The entries for what is declared now."""
    kept = registry.legacy_ended(), registry.old_addresses()
    return _entries(snapshot, {user: effective_data(sources, *kept) for user, sources in snapshot.state.items()})


def orphaned_files(paths: Paths, users: Iterable[str]) -> list[str]:
    """Include files of users who are not among `users`."""
    expected = {os.path.join(paths.includes, path) for user in users for path in user_files.file_names(user)}
    present = []
    for folder, ending in user_files.FOLDERS.items():
        below = os.path.join(paths.includes, folder)
        present += [os.path.join(below, name) for name in fs.listed(below) if name.endswith(ending)]
    return sorted(set(present) - expected)


def _of_users(snapshot: Snapshot, users: Iterable[str]) -> Snapshot:
    return snapshot._replace(state={user: snapshot.state.get(user, {}) for user in users})


def _entries(snapshot: Snapshot, users: Mapping[str, UserData]) -> dict[str, str]:
    policies = listener_policies(snapshot)
    entries: dict[str, str] = {}
    for user, data in users.items():
        entries.update(user_files.entries(user, data, snapshot.addresses, policies.get(user)))
    return entries


def _render(
    registry: Registry,
    snapshot: Snapshot,
    users: Mapping[str, UserData],
    files: dict[str, str | None],
    entries: dict[str, str],
) -> None:
    """Adds the include files of the users, and their entries."""
    paths, policies, style = registry.paths, listener_policies(snapshot), registry.url_style()
    for user, data in users.items():
        mine = user_files.entries(user, data, snapshot.addresses, policies.get(user))
        texts: dict[str, str | None] = dict.fromkeys(user_files.file_names(user))
        texts.update(user_files.render(paths.templates, user, data, mine, style))
        files.update({os.path.join(paths.includes, path): text for path, text in texts.items()})
        entries.update(mine)


def _registry_files(registry: Registry, change: Change) -> dict[str, str | None]:
    """The registry files that change, with their new text."""
    files: dict[str, str | None] = {}
    for user in change.users:
        before, after = change.before.state.get(user, {}), change.after.state[user]
        for name, data in after.items():
            if data != before.get(name):
                files[registry.file(user, name)] = json.dumps(data.as_json(), sort_keys=True) + "\n"
        for name in before.keys() - after.keys():
            files[registry.file(user, name)] = None
    return files
