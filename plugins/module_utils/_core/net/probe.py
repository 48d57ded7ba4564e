# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at what a link leads to, from the gateway's host: does it listen, whose is it, does it answer, how fast?

    known = listeners()                              # one look at the kernel's tables serves any number of links
    seen = probe(link, answer["site"], known)        # thread-safe; 2 s at most, and 2 more where DNS is slow
                                                     # a HEAD, as there are pages that start a kernel for each GET
    seen.listening, seen.answers, seen.status, seen.milliseconds, seen.user, seen.pid, seen.command, seen.problem

`link` is an entry of the answer to `show`: `url`, `origin` where it has one, `prefix`, and `host` and `port` or `socket`, and `scheme`
and `verify`, are looked at; of the site, its `url` and `backend_ca`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..model.kinds import KEEP
from .endpoint import is_here, place_of
from .http_client import ENDS, SECONDS, TLS, ask, gateway_headers, security_of, speaks_tls
from .listener_table import Listener, listener_at, listeners

NO_ADDRESS = "the host has no address"
NO_HEAD = (405, 501)
"""Answers of a server that knows GET, but not HEAD."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """What was seen of a link's target."""

    listening: bool | None
    """None for another machine that accepts no connection: something may listen there all the same."""
    answers: bool = False
    """Whether it speaks HTTP."""
    status: int = 0
    """The HTTP status of its front page; 0 also where it answers, but tells that to a GET alone."""
    milliseconds: float | None = None
    """From the start of the connection to the first byte of the answer."""
    uid: int = -1
    user: str = ""
    """Whose process listens, on this machine."""
    pid: int = 0
    command: str = ""
    problem: str = ""
    """Why it does not answer, in a few words."""


def probe(
    link: Mapping[str, Any],
    site: Mapping[str, Any],
    known: Sequence[Listener] | None = None,
    seconds: float = SECONDS,
) -> Probe:
    """Asks a link's target for the head of its front page, as the gateway of the `site` would, and waits `seconds` for it.

    `known` is what `listeners` has found, or is found now.
    """
    place = place_of(link)
    if place is None:
        return Probe(listening=None, problem=NO_ADDRESS)
    base = str(link["url"])
    started = time.monotonic()
    security = security_of(link, site)
    headers = gateway_headers(str(link.get("origin", site["url"])), base)
    path = base if link["prefix"] == KEEP else "/"
    reply = ask(place, path, headers, seconds=seconds, security=security, method="HEAD")
    left = max(0.2, started + seconds - time.monotonic())
    if reply.problem in ENDS or (reply.status >= 400 and reply.status not in NO_HEAD):
        reply = ask(place, path, headers, seconds=left, security=security)
    problem = reply.problem
    if (
        reply.connected
        and not security
        and (reply.status == 400 or problem in ENDS)
        and speaks_tls(place, max(0.2, started + seconds - time.monotonic()))
    ):
        problem = TLS
    listener = listener_at(place, listeners() if known is None else known) if is_here(place) else None
    if listener and not reply.connected and listener.address != place[0] and listener.address == "::":
        listener = None  # it takes IPv6 only
    return Probe(
        listening=True if listener or reply.connected else False if is_here(place) else None,
        answers=not problem,
        status=0 if problem or reply.status in NO_HEAD else reply.status,
        milliseconds=None if problem else reply.milliseconds,
        uid=listener.uid if listener else -1,
        user=listener.user if listener else "",
        pid=listener.pid if listener else 0,
        command=listener.command if listener else "",
        problem=problem,
    )
