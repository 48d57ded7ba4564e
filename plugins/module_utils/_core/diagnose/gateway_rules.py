# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the link at the gateway: policy, nginx, another source, another user's port."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ..model.kinds import STRIP
from ..model.urls import HOST
from .advice import (
    Finding,
    change_port,
    edit_command,
    error,
    free_name,
    free_port,
    has_host_names,
    policy_refusal,
    service_command,
    warning,
)
from .fingerprints import ANY_TOOL
from .observation import Observed


def gateway_findings(seen: Observed) -> Iterator[Finding]:
    link = seen.link
    same = [other for other in seen.answer["links"] if other["name"] == seen.name and other["yields_to"]]
    for other in same:
        yield warning(
            f"your own link '{seen.name}' to {other['target']} is not served, because source '{other['yields_to']}' declares the same name",
            edit_command(dataclasses.replace(seen, link=other), name=free_name(seen)),
        )
    refused = policy_refusal(seen)
    if refused:
        yield error(f"the site policy no longer allows this link: {refused}", _allowed(seen))
    if not seen.answer["serving"]:
        yield error("the gateway's nginx does not run", service_command(seen, "start"))
    elif not link["yields_to"] and not link["rendered"]:
        text = link["description"]
        again = text.rstrip() if text.endswith(" ") else f"{text[:199]} "
        yield error(
            f"the include files of {seen.user} differ from the declared links; any change of a link rewrites them",
            edit_command(seen, description=again),
        )
    elif not link["yields_to"] and not link["live"]:
        yield error("nginx does not serve the link yet", service_command(seen, "reload"))


def _allowed(seen: Observed) -> str:
    """How to make a link that the policy refuses one that it allows."""
    if seen.link["prefix"] == HOST and not has_host_names(seen):
        return edit_command(seen, prefix=STRIP)
    for host in (seen.link["host"], "127.0.0.1"):
        other_host = {} if host == seen.link["host"] else {"host": host}
        refused = policy_refusal(seen, host)
        if not refused:
            return edit_command(seen, **other_host)
        if refused.startswith("port "):
            return edit_command(seen, **other_host, port=free_port(seen, host))
    return f"ask the administrator to allow {seen.place}"


def foreign_listener(seen: Observed, working: bool) -> Finding | None:
    """That the port is somebody else's, if it is."""
    quarantined = seen.link.get("quarantined")
    if quarantined:
        port = free_port(seen)
        return error(
            f"{seen.place} is used by a program of {quarantined}, not of {seen.user}: the link is in quarantine until"
            " that program stops",
            change_port(seen, port),
        )
    owner = seen.probe.user
    if owner in ("", seen.user, seen.account) or seen.link.get("socket"):
        return None
    # root's may be the user's own container
    expected = seen.detected_kind == seen.link["kind"] or seen.link["kind"] in ANY_TOOL
    if owner == "root" and (working or (seen.probe.answers and expected)):
        return None
    severity = warning if working else error
    port = free_port(seen)
    return severity(
        f"{seen.place} is used by a program of {owner}, not of {seen.user}: visitors see the pages of that program",
        change_port(seen, port),
    )
