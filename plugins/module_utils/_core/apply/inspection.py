# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared, and whether it is rendered and served as declared."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import fs
from ..errors import NotLive
from ..model.entities import UserData
from ..model.outcome import FileDiff
from ..model.sources import State, effective_items, links_of, logins_of
from ..net.listeners import Listening
from ..ports import loopback_filter
from ..registry.store import Registry
from ..render import user_files
from . import control
from .change import Change, Options, Snapshot
from .desired import current_entries
from .planner import link_path

if TYPE_CHECKING:
    from .gateway import Gateway

LIVE = "what nginx serves"
"""What is compared with the declared beside the include files."""

_ENTRY = re.compile(r'^"([^"]+)" "([^"]*)";$', re.MULTILINE)
"""The entries of a map file, as they are rendered."""


def drift(gateway: Gateway) -> list[FileDiff]:
    """What is not as declared, as Ansible's before/after pairs: include files, and what nginx serves."""
    registry = gateway.registry
    state = registry.everything()
    snapshot = Snapshot(state, registry.addresses(), registry.ports(registry.policy()))
    change = Change(snapshot, snapshot, sorted(state), "", all_users=True)
    files = gateway.apply(change, Options(check=True, repair=True)).diff
    try:
        expected = current_entries(registry, _snapshot(registry, state))
        served = control.served(gateway.paths.control, list(expected))
    except NotLive:
        return files  # the caller reports that in other words
    differing = [key for key in expected if served.get(key) != expected[key]]
    before, after = ("".join(_served_line(key, of[key]) for key in differing) for of in (served, expected))
    live = {"before_header": LIVE, "after_header": LIVE, "before": before, "after": after}
    return files + ([live] if differing else [])


class _Facts(NamedTuple):
    """What a link or login is compared with."""

    expected: Mapping[str, str]
    states: Mapping[str, Mapping[str, str]]
    """`rendered` and `live` → entries."""
    listening: Listening | None
    """Who listens on this host, where that matters."""

    def of(self, key: str, overridden_by: str) -> dict[str, bool]:
        """Whether an entry is rendered and served."""
        expected = self.expected
        return {what: not overridden_by and found.get(key) == expected[key] for what, found in self.states.items()}


def info(registry: Registry, user: str | None = None) -> dict[str, object]:
    """What is declared, by whom, and whether it is rendered and served; for one user or for all.

    Returns `{users: {name: {links, logins}}, live}`, where `live` says whether nginx runs with the gateway's
    configuration.
    """
    paths = registry.paths
    state = registry.everything() if user is None else {user: registry.sources(user)}
    snapshot = _snapshot(registry, state)
    expected = current_entries(registry, snapshot)
    listening = Listening() if snapshot.ports is not None else None
    try:
        served, live = control.served(paths.control, list(expected)), True
    except NotLive:
        served, live = {}, False
    users = {}
    for name, sources in state.items():
        text = fs.read_text(os.path.join(paths.includes, user_files.file_names(name)[0])) or ""
        facts = _Facts(expected, {"rendered": dict(_ENTRY.findall(text)), "live": served}, listening)
        users[name] = {"links": _links(name, sources, facts), "logins": _logins(name, sources, facts)}
    return {"users": users, "live": live}


def _links(user: str, sources: Mapping[str, UserData], facts: _Facts) -> list[dict[str, Any]]:
    owners = {name: source for name, (source, _link) in effective_items(sources, links_of).items()}
    return [
        {
            **link.as_json(),
            "url": link_path(user, link),
            "target": link.target,
            "prefix": link.mode,
            "source": source,
            "yields_to": overridden_by,
            "moving": link.name in data.moving,
            **(
                {"quarantined": loopback_filter.foreign_listener(facts.expected[key], facts.listening)}
                if facts.listening
                else {}
            ),
            **facts.of(key, overridden_by),
        }
        for source, data in sources.items()
        for link in data.links
        for key in [f"{user}/{link.name}"]
        for overridden_by in [owners[link.name] if owners[link.name] != source else ""]
    ]


def _logins(user: str, sources: Mapping[str, UserData], facts: _Facts) -> list[dict[str, Any]]:
    owners = {name: source for name, (source, _login) in effective_items(sources, logins_of).items()}
    return [
        {
            "name": login.name,
            "source": source,
            "yields_to": overridden_by,
            "legacy": login.is_legacy,
            **facts.of(user + "/", overridden_by),
        }
        for source, data in sources.items()
        for login in data.logins
        for overridden_by in [owners[login.name] if owners[login.name] != source else ""]
    ]


def _snapshot(registry: Registry, state: State) -> Snapshot:
    # what a gateway tells about itself it tells without a policy, too
    there = os.path.exists(registry.paths.policy)
    return Snapshot(state, registry.addresses(), registry.ports(registry.policy()) if there else None)


def _served_line(key: str, entry: str) -> str:
    """A line of what nginx serves; a generation of logins says nothing to anybody."""
    if not entry or key.endswith(user_files.OLD_LOGINS):
        return ""
    return f"/{key} opened by the logins as of {entry[:7]}\n" if key.endswith("/") else f"/{key}/ -> {entry}\n"
