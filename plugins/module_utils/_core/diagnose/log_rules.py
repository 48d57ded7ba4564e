# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors' browsers have asked the link for and not got."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..net.http_client import PASSED_HEAD_BYTES
from .advice import Finding, cut, start_with_base_path, warning
from .connection_rules import SHORTER_HEAD
from .observation import Observed

ASKED_SECONDS = 3600
_TRIFLES = re.compile(r"/(?:favicon|apple-touch-icon|robots\.txt)[^/]*$|\.map$")
"""What browsers ask for on their own, and nobody misses."""
_OVERSIZED = f"502, as the head of the answer has more than {PASSED_HEAD_BYTES:,} bytes,"


def log_findings(seen: Observed) -> Iterator[Finding]:
    """What visitors' browsers have asked the link for and not got, within the last hour."""
    log = f"vizgate log {seen.name}"
    found = _counted((_vain(line), line) for line in seen.requests)
    for (what, path, page), times in list(found.items())[-3:]:
        asker = f", which {cut(page)} asked for," if page else ""
        text = f"in the last hour visitors got {what} for {cut(path)}{asker} {times}"
        if what == _OVERSIZED:
            yield warning(text, f"{SHORTER_HEAD}; {log}")
        else:
            yield warning(text, log)
    found = _counted((str(line["problem"]).partition(" unmarked")[0], line) for line in seen.concerning)
    for (what, path, _page), times in list(found.items())[-3:]:
        if what == "outside" and not seen.base:
            continue  # was before the link got a host of its own, on which nothing is outside
        if what == "outside":
            text = f"in the last hour pages of the link looked for {cut(path)}, outside of the link, {times}"
            yield warning(f"{text}: tell the tool its base path {seen.base}", start_with_base_path(seen))
        else:
            text = f"in the last hour browsers that send no password with a websocket, as Safari, got 401 for {cut(path)} {times}"
            yield warning(
                text, "use another browser, or ask the administrator for a sign-in service (gateway_auth: forward)"
            )


def _vain(line: Mapping[str, Any]) -> str:
    """What a visitor got in vain, or "" where that is no news."""
    status = line["status"]
    # a tool that was not running then is no news; one that has taken the connection has answered something
    if status in (502, 504) and not re.fullmatch(r"[0-9.]+", str(line.get("connect_seconds", ""))):
        return ""
    if line.get("problem") == "oversized":
        return _OVERSIZED
    # of 499 the visitor has gone; browsers follow no redirect for a websocket, and take no page for one
    if line.get("upgrade"):
        return "" if status in (0, 101, 499) else f"{status} instead of a websocket"
    return str(status) if status in (403, 404, 502) else ""


def _counted(lines: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[tuple[str, str, str], str]:
    """How often something happened to an address, asked for by a page, in the last hour: "2 times"; trifles are left out."""
    from ..logs import access_log

    counts: dict[tuple[str, str, str], int] = {}
    for what, line in lines:
        path = str(line["path"])
        if what and not _TRIFLES.search(path) and access_log.seconds(line["time"]) >= time.time() - ASKED_SECONDS:
            key = what, path, str(line.get("referer", ""))
            counts[key] = counts.get(key, 0) + 1
    return {key: f"{times} time{'s' if times > 1 else ''}" for key, times in counts.items()}
