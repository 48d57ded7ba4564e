# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diagnosis is made from: the link, its listener, and the pages that a browser would meet."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from ..model.kinds import KINDS
from ..model.policy import Policy
from ..model.urls import HOST
from ..net.http_client import LATE, Reply, split_url
from ..net.listener_table import Listener
from ..net.probe import Probe
from .fingerprints import kind_of


@dataclasses.dataclass(frozen=True)
class Page:
    """What a browser would meet behind the gateway if it asked the tool in one of the prefix modes."""

    mode: str
    path: str = ""
    """What the tool was asked for in the end, after redirects."""
    status: int = 0
    """0 if there was no answer, for which `problem` has the reason."""
    problem: str = ""
    body: str = ""
    server: str = ""
    away: str = ""
    """Where it redirects to outside of the link."""
    loops: bool = False
    """Whether its redirects never end."""
    outside: tuple[str, ...] = ()
    """Scripts and style sheets that the page looks for outside of the link."""
    missing: tuple[str, ...] = ()
    """Those inside that are not there."""
    strays: tuple[str, ...] = ()
    """Forms, images and settings of its inline scripts that lead outside of the link."""
    oversized: str = ""
    """How long the head of the answer is, where the gateway does not pass that on."""
    host_refused: bool = False
    """Whether the same request is welcome when it does not name the gateway as its host."""

    @property
    def is_there(self) -> bool:
        """Whether the tool knows the place, even if it does not let everybody in."""
        lost = self.away or self.loops or self.oversized
        return 0 < self.status < 500 and self.status != 404 and not lost

    @property
    def is_late(self) -> bool:
        """Whether nothing has come within the time that pages have."""
        return self.problem.startswith(LATE)

    @property
    def answers(self) -> bool:
        """Whether there is a page at all."""
        return self.is_there and self.status < 400

    @property
    def works(self) -> bool:
        """Whether there is a page with all that belongs to it."""
        return self.answers and not self.outside and not self.missing

    @property
    def detected_kind(self) -> str:
        """The kind whose tool this is, or ""."""
        return kind_of(self.body, self.server)


@dataclasses.dataclass(frozen=True)
class Observed:
    """Everything that a diagnosis is made from."""

    answer: Mapping[str, Any]
    link: Mapping[str, Any]
    probe: Probe
    known: tuple[Listener, ...] = ()
    here: bool = True
    """Whether the target is on this machine."""
    closed: str = ""
    """The mode of a unix socket that the gateway may not connect to."""
    page: Page | None = None
    """In the link's own prefix mode."""
    secure: Probe | None = None
    """By verified TLS, where plain HTTP meets TLS."""
    other: Page | None = None
    """In the other one, looked at where the first does not work; a link with a host name of its own has no other."""
    socket: Reply | None = None
    """The answer to a websocket, where the tool has one and its page works."""
    socket_path: str = ""
    account: str = ""
    """Who asks, a user's name on this machine."""
    requests: tuple[Mapping[str, Any], ...] = ()
    """Lines of the access log for the link, if any were asked for."""
    concerning: tuple[Mapping[str, Any], ...] = ()
    """What the log has of requests that got no link, but concern this one."""

    @property
    def name(self) -> str:
        return str(self.link["name"])

    @property
    def user(self) -> str:
        return str(self.answer["user"])

    @property
    def place(self) -> str:
        """The target, as people write it."""
        return str(self.link.get("socket") or self.link["target"])

    @property
    def base(self) -> str:
        """The link's prefix without the slash at its end; "" for a link with a host name of its own."""
        return str(self.link["url"]).rstrip("/")

    @property
    def site(self) -> tuple[str, str]:
        """Scheme and `host:port` of the link's address, as a browser writes them."""
        return split_url(origin(self.answer["site"], self.link))

    @property
    def root(self) -> str:
        """The folder of a rootless gateway, or ""."""
        return str(self.answer.get("sockets", "")).partition("/run/vizgate/")[0]

    @functools.cached_property
    def policy(self) -> Policy:
        site = self.answer["site"]
        return Policy(
            tuple(site["allowed_hosts"]), tuple(map(str, site["allowed_ports"])), url_style=str(site["url_style"])
        )

    @property
    def detected_kind(self) -> str:
        """The kind whose tool answers, or ""."""
        return next((page.detected_kind for page in (self.page, self.other) if page and page.detected_kind), "")

    @property
    def kind(self) -> str:
        """The kind that the link should have."""
        return self.detected_kind or str(self.link["kind"])

    @property
    def wanted(self) -> Page | None:
        """The page in the prefix mode that is right for the tool."""
        if not self.page or self.page.works or self.kind == self.link["kind"] or self.page.mode == HOST:
            return self.page
        return self.page if self.page.mode == KINDS[self.kind].prefix else self.other

    @property
    def unwanted(self) -> Page | None:
        """The page in the mode that is not right."""
        return self.other if self.wanted is self.page else self.page


def origin(site: Mapping[str, Any], link: Mapping[str, Any]) -> str:
    """Where a link's address begins: with the user's site, or with its own host."""
    return str(link.get("origin", site["url"]))
