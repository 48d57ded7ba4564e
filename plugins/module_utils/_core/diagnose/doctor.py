# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds why a link does not work, and what to type.

    for finding in diagnose(answer, "train"):   # answer: what the request {"do": "show"} was answered with
        print(finding["severity"], finding["finding"], finding["fix"])

`diagnose` makes its observations itself (mostly in milliseconds, in 40 s at most) and raises KeyError for a link that is
not there. Findings are in the order to fix them; severity is `error`, `warning` or `ok`. A healthy link has exactly one
finding, `ok`, whose fix is empty; any other has none of these. Findings and fixes are printable text of one line.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from ..model.kinds import KEEP, STRIP
from ..model.targets import HTTPS, parse_address
from ..model.urls import HOST
from ..net import probe as probing
from ..net.endpoint import is_here, place_of
from ..net.http_client import TLS
from ..net.listener_table import Listener, listeners
from . import browser
from .advice import Finding, describe_process, policy_refusal, printable_finding, start_command
from .fingerprints import websocket_of
from .gateway_rules import foreign_listener, gateway_findings
from .log_rules import log_findings
from .observation import Observed
from .tool_rules import asks_for_password, tool_findings


def diagnose(answer: Mapping[str, Any], name: str, log: Mapping[str, Any] | None = None) -> list[Finding]:
    """What is wrong with the link `name` in an answer to `show`, or that nothing is; `log` is the answer to that request for it."""
    log = log or {}
    seen = observe(answer, name)
    return conclude(
        dataclasses.replace(seen, requests=tuple(log.get("lines", ())), concerning=tuple(log.get("concerning", ())))
    )


def observe(answer: Mapping[str, Any], name: str) -> Observed:
    """Looks at a link from all sides. Asks the tool only for pages that its visitors ask for."""
    links = [link for link in answer["links"] if link["name"] == name]
    if not links:
        raise KeyError(name)
    # of two of the same name, the one that is served
    link = next((link for link in links if not link["yields_to"]), links[0])
    known = listeners()
    probe = probing.probe(link, answer["site"], known, seconds=browser.PAGE_SECONDS)
    place = place_of(link)
    here = place is not None and is_here(place)
    account = Listener(uid=os.getuid()).user
    observed = Observed(answer, link, probe, known, here, _closed(answer, link), account=account)
    if probe.problem == TLS and not parse_address(str(link.get("host", ""))):
        trusting = {**link, "scheme": HTTPS, "verify": True}
        observed = dataclasses.replace(observed, secure=probing.probe(trusting, answer["site"], known))
    if place is None or not probe.answers:
        return observed
    visitor = browser.Browser(place, answer["site"], link)
    page = visitor.visit(link["prefix"])
    observed = dataclasses.replace(observed, page=page)
    # a page that is slow in one mode would be asked for in vain, and perhaps at the cost of another kernel, in the other
    if not page.works and not page.is_late and page.mode != HOST:
        observed = dataclasses.replace(observed, other=visitor.visit(STRIP if page.mode == KEEP else KEEP))
    wanted = observed.wanted
    if wanted and wanted.works and not asks_for_password(wanted):
        front = visitor.backend_path(wanted.mode, visitor.base + "/")
        path = websocket_of(observed.kind, front, wanted.path)
        if path:
            observed = dataclasses.replace(observed, socket=visitor.shake_hands(path, wanted), socket_path=path)
    return observed


def _closed(answer: Mapping[str, Any], link: Mapping[str, Any]) -> str:
    """The mode of a link's socket if the gateway's user, who shares its folder's group, may not connect to it."""
    path = link.get("socket")
    if not path or answer.get("sockets", "").partition("/run/vizgate/")[0]:
        return ""  # a rootless gateway is the user
    try:
        found, folder = os.stat(path), os.stat(os.path.dirname(path))
    except OSError:
        return ""
    writers = 0o022 if found.st_gid == folder.st_gid else 0o002
    return "" if found.st_mode & writers else f"{found.st_mode & 0o777:04o}"


def conclude(seen: Observed) -> list[Finding]:
    """The findings that observations lead to."""
    found = list(gateway_findings(seen))
    # a link that has to lead elsewhere does so before its tool is looked at
    tool = [] if policy_refusal(seen) else list(tool_findings(seen))
    strange = foreign_listener(seen, working=not any(finding["severity"] == "error" for finding in tool))
    found += [strange] if strange and not policy_refusal(seen) else tool
    # what does not work now explains what did not
    found += [] if any(finding["severity"] == "error" for finding in found) else list(log_findings(seen))
    merged: dict[str, Finding] = {}
    for finding in found:
        same = merged.setdefault(finding["fix"], finding)
        if finding["finding"] not in same["finding"]:
            same["finding"] += "; " + finding["finding"]
    again = merged.get(start_command(seen))
    if again and seen.probe.pid:
        again["finding"] += f"; stop process {seen.probe.pid} first"
    return [printable_finding(finding) for finding in merged.values()] or [printable_finding(_ok(seen))]


def _ok(seen: Observed) -> Finding:
    page = seen.page
    status = page.status if page else seen.probe.status
    text = f"{'://'.join(seen.site)}{seen.base}/ works: {describe_process(seen)} answers {status}"
    return {"severity": "ok", "finding": f"{text} on {seen.place} in {seen.probe.milliseconds or 0:.1f} ms", "fix": ""}
