# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several sources declare for one user: which source owns a name, and what all of them declare together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar

from .entities import Link, Login, UserData

INVENTORY, SELF = "inventory", "self"
"""The sources with rules of their own: what users declare themselves is overridden by what inventory declares."""

Sources: TypeAlias = Mapping[str, UserData]
"""Source → what it declares for one user."""
State: TypeAlias = Mapping[str, Sources]
"""User → source → what is declared."""
Declaration: TypeAlias = Mapping[str, UserData]
"""User → what one source declares for the user from now on; empty data withdraws everything."""

Item = TypeVar("Item", Link, Login)


def links_of(data: UserData) -> Iterable[Link]:
    """For `effective_items`."""
    return data.links


def logins_of(data: UserData) -> Iterable[Login]:
    """For `effective_items`."""
    return data.logins


def effective_items(sources: Sources, items: Callable[[UserData], Iterable[Item]]) -> dict[str, tuple[str, Item]]:
    """Name → the source that owns it, and the item, of a user's links or logins. All other sources override the user's own."""
    return {
        item.name: (source, item)
        for source in sorted(sources, key=lambda source: source != SELF)
        for item in items(sources[source])
    }


def effective_data(sources: Sources, legacy_ended: bool = False, old_addresses: bool = True) -> UserData:
    """What all sources declare for one user together.

    Once the time of old hashes has ended (`legacy_ended`), without the logins that have one; without `old_addresses`
    also without the former names of links.
    """
    links, logins = effective_items(sources, links_of), effective_items(sources, logins_of)
    opening = [logins[name][1] for name in sorted(logins) if not (legacy_ended and logins[name][1].is_legacy)]
    renamed = tuple(pair for pair in sources.get(SELF, UserData()).renamed if pair[1] in links) if old_addresses else ()
    return UserData(tuple(links[name][1] for name in sorted(links)), tuple(opening), renamed=renamed)


def with_source(sources: Sources, source: str, data: UserData) -> dict[str, UserData]:
    """The sources of one user after `source` declares `data`. Inventory takes over the links that wait for it."""
    others = {name: kept for name, kept in sources.items() if name != source}
    if source == INVENTORY:
        others = _handed_over(others, data)
    return {**others, source: data} if data.links or data.logins else others


def _handed_over(sources: Sources, new: UserData) -> dict[str, UserData]:
    """The sources without the user's own links that were waiting for inventory to declare them."""
    own = sources.get(SELF, UserData())
    gone = set(own.moving) & {link.name for link in new.links}
    rest = UserData(
        tuple(link for link in own.links if link.name not in gone),
        own.logins,
        tuple(name for name in own.moving if name not in gone),
        own.renamed,
    )
    others = {name: data for name, data in sources.items() if name != SELF}
    return {**others, SELF: rest} if rest.links or rest.logins else others


def hosts_of(sources: Sources) -> set[str]:
    """The hosts that one user's links lead to."""
    return {link.host for data in sources.values() for link in data.links if not link.socket}


def has_socket(data: UserData) -> bool:
    """Whether a link leads to a unix socket."""
    return any(link.socket for link in data.links)
