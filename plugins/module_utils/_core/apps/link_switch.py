# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leads the links of apps to their releases."""

from __future__ import annotations

from collections.abc import Mapping

from ..apply.change import Options
from ..apply.gateway import Gateway
from ..errors import InvalidData, NginxRefused, NotServed, StepFailed
from ..model.entities import Link, UserData
from ..model.sources import effective_items
from ..registry.store import Registry
from .releases import SOURCE, Release
from .units import Place


class LinkSwitch:
    """Declares the links of one gateway's apps."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def switch(self, place: Place, release: Release, description: str = "") -> None:
        """Leads the app's link to a release; that is live at once, without a reload, or it is not done."""
        former = {link.name: link for link in self.links(place.user)}
        known = former.get(place.name)
        link = Link(
            place.name,
            kind="wsgi" if release.prefix == "keep" else "http",
            prefix=release.prefix,
            socket=place.socket(release.number),
            description=description or (known.description if known else ""),
        )
        self.declare(place.user, {**former, place.name: link})

    def links(self, user: str) -> tuple[Link, ...]:
        """The links of one user's apps."""
        return self.gateway.registry.sources(user).get(SOURCE, UserData()).links

    def declare(self, user: str, links: Mapping[str, Link]) -> None:
        """Replaces the links of one user's apps; raises StepFailed where nginx does not serve them."""

        def declaration(registry: Registry) -> dict[str, UserData]:
            data = registry.sources(user).get(SOURCE, UserData())
            return {user: data._replace(links=tuple(links[name] for name in sorted(links)))}

        try:
            self.gateway.declare(SOURCE, declaration, Options(diff=False, require_live=True))
        except (InvalidData, NginxRefused, NotServed) as error:
            raise StepFailed("switch", str(error)) from None

    def refuse_conflict(self, place: Place) -> None:
        """Raises InvalidData where another source has a link of the app's name."""
        sources = self.gateway.registry.sources(place.user)
        others = {source: data for source, data in sources.items() if source != SOURCE}
        links = effective_items(others, lambda data: data.links)
        if place.name in links:
            raise InvalidData(
                [f"a link of this name belongs to source '{links[place.name][0]}'; remove it there, or rename the app"]
            )
