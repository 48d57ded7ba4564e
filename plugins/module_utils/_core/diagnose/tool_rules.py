# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the tool's page: prefix, parts, websocket, login."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from ..model.kinds import KEEP, KINDS, STRIP
from ..model.urls import HOST
from .advice import (
    Finding,
    curl_command,
    describe_process,
    edit_command,
    error,
    has_host_names,
    start_command,
    tunnel_command,
    warning,
)
from .connection_rules import answer_too_long, no_answer
from .fingerprints import ANY_TOOL, NO_BASE_PATH_HELP, without_base_path
from .observation import Observed, Page


def asks_for_password(page: Page) -> bool:
    """Whether this is Jupyter's own login page."""
    return page.detected_kind == "jupyter" and page.path.partition("?")[0].endswith("/login")


def tool_findings(seen: Observed) -> Iterator[Finding]:
    if seen.closed:
        text = f"the gateway may not connect to socket {seen.place}, whose mode is {seen.closed}"
        yield error(text, shlex.join(["chmod", "a+w", seen.place]))
    if not seen.probe.answers:
        yield no_answer(seen)
    elif seen.page and seen.page.works:
        yield from _working(seen)
    elif seen.wanted and seen.wanted.oversized:
        text = f"the head of its answer to {seen.wanted.path} has {seen.wanted.oversized}"
        yield answer_too_long(seen, text, seen.wanted.path)
    elif seen.page:
        yield from _broken(seen)


def _working(seen: Observed) -> Iterator[Finding]:
    page, kind = seen.page, seen.kind
    if page is None:
        return
    if kind != seen.link["kind"] and seen.link["kind"] not in ANY_TOOL:
        yield warning(f"the page is {kind}'s, but the link's kind is {seen.link['kind']}", _rename(seen, page.mode))
    yield from _usable(seen, page)


def _usable(seen: Observed, page: Page) -> Iterator[Finding]:
    """Whether the page of a tool, which has all its parts, can be worked with."""
    if asks_for_password(page) and "Token authentication is enabled" in page.body:
        text = "jupyter asks for a token, and its page then sends the token instead of the gateway's login"
        yield error(text, start_command(seen))
    if page.strays:
        text = f"the page loads, but a form, an image or a setting of it leads to {page.strays[0]}, outside of the link"
        what = f"base path {seen.base}" if seen.base else f"own address {'://'.join(seen.site)}/"
        yield warning(f"{text}: tell the tool its {what}", curl_command(seen, page.path))
    if seen.socket and seen.socket.status != 101:
        how = seen.socket.status or seen.socket.problem
        text = f"the page loads, but its websocket {seen.socket_path} is refused ({how})"
        refuses = f"; it has to accept pages of {seen.site[1]}" if seen.socket.status == 403 else ""
        yield error(text + refuses, start_command(seen))


def _rename(seen: Observed, mode: str) -> str:
    """How to give the link the right kind, and the prefix mode with it where that does not follow."""
    link = seen.link
    if mode != KINDS[seen.kind].prefix or link["prefix"] != KINDS[link["kind"]].prefix:
        return edit_command(seen, kind=seen.kind, prefix=mode)
    return edit_command(seen, kind=seen.kind)


def _broken(seen: Observed) -> Iterator[Finding]:
    """Something answers, but there is no page that works."""
    if seen.page and seen.page.is_late:
        text = f"{describe_process(seen)} answers, but its page is slow: {seen.page.problem} at {seen.page.path}, and visitors wait as long"
        yield warning(text, curl_command(seen, seen.page.path))
    page, other = seen.wanted, seen.unwanted
    if page is None or (other is None and page.mode != HOST):
        return
    tool = without_base_path(page.body) or without_base_path(other.body if other else "")
    if tool and other:
        yield _needs_host_name(seen, tool)
        return
    if seen.kind != seen.link["kind"]:
        yield error(f"the page is {seen.kind}'s, but the link's kind is {seen.link['kind']}", _rename(seen, page.mode))
        if page.works:
            yield from _usable(seen, page)
            return
    if page.status == 0:
        yield error(
            f"a request for {page.path} to {describe_process(seen)} fails: {page.problem}",
            curl_command(seen, page.path),
        )
    elif page.away:
        site = "://".join(seen.site)
        yield error(
            f"the page sends visitors to {page.away}, which is not below {site}{seen.base}/",
            curl_command(seen, page.path),
        )
    elif not page.is_there or page.outside or page.missing:
        yield from _prefix(seen, page, other) if other else _at_root(seen, page)
    for found in filter(None, (page, other)):
        refusal = _refusal(seen, found)
        if refusal:
            yield error(refusal, start_command(seen) if seen.kind not in ANY_TOOL else curl_command(seen, found.path))
    if page.is_there and page.status >= 400 and not _refusal(seen, page):
        yield error(f"it answers {page.status} at {page.path}; its log should say why", curl_command(seen, page.path))


def _refusal(seen: Observed, page: Page) -> str:
    """That the tool does not let the gateway's visitors in, or ""."""
    if page.host_refused:
        return f"it refuses requests with Host {seen.site[1]} ({page.status}), but accepts them with Host localhost"
    if page.status in (401, 403):
        return f"it asks for its own login ({page.status}), but the gateway does not pass the Authorization header on"
    return ""


def _needs_host_name(seen: Observed, tool: str) -> Finding:
    """That a tool without a base path works at a host name of its own alone, and how the link gets one."""
    text = f"{tool} has no option for a base path, so it does not work below {seen.base}/"
    if not has_host_names(seen):
        return error(f"{text}; {NO_BASE_PATH_HELP}", tunnel_command(seen))
    name = re.sub("[._]", "-", seen.name)
    new = {} if name == seen.name else {"name": name}
    return error(f"{text}; give the link a host name of its own", edit_command(seen, **new, prefix=HOST))


def _at_root(seen: Observed, page: Page) -> Iterator[Finding]:
    """The page of a link with a host name of its own, or what belongs to it, is not there."""
    symptom = _symptom(page, None)
    if page.outside:
        yield error(f"{symptom}: tell the tool its own address {'://'.join(seen.site)}/", curl_command(seen, page.path))
    elif page.missing or page.status >= 500:
        yield error(symptom, curl_command(seen, page.path))
    else:
        text = (
            f"{symptom}: as the link has a host name of its own, the tool's addresses begin at /, without a base path"
        )
        yield error(text, start_command(seen) if seen.kind not in ANY_TOOL else curl_command(seen, page.path))


def _prefix(seen: Observed, page: Page, other: Page) -> Iterator[Finding]:
    """The page, or what belongs to it, is not where the link's prefix mode looks for it."""
    keeps = KINDS[seen.kind].prefix == KEEP
    if keeps and page.mode == STRIP:
        text = f"{seen.kind} needs {seen.base}/ in request paths, but the link strips it"
        yield error(text, edit_command(seen, prefix=KEEP))
        page, other = other, page
        if page.works:
            return
    symptom = _symptom(page, other)
    if (page.missing and not page.outside and not other.works) or (page.status >= 500 and not other.is_there):
        yield error(symptom, curl_command(seen, page.path))
    elif seen.kind in ANY_TOOL and page.status == 404 and not other.is_there:
        yield warning(f"{symptom}: perhaps it has no front page", curl_command(seen, page.path))
    elif keeps:
        tool = "the app" if seen.kind in ANY_TOOL else seen.kind
        yield error(f"{symptom}: {tool} was not started for {seen.base}", start_command(seen))
    elif other.works or (other.is_there and not page.is_there):
        yield error(f"{symptom}: the tool's addresses begin at {other.path}", edit_command(seen, prefix=other.mode))
    elif page.outside and page.mode == STRIP:
        others = f"; for one that has none, {edit_command(seen, prefix=HOST)}" if has_host_names(seen) else ""
        text = f"{symptom}: tell the tool its base path {seen.base} (most have a flag for that{others}), and then"
        yield error(text, edit_command(seen, prefix=KEEP))
    else:
        yield error(symptom, curl_command(seen, page.path))


def _symptom(page: Page, other: Page | None) -> str:
    if page.loops:
        return f"{page.path} is in a redirect loop"
    if page.outside:
        return f"the page loads, but looks for {page.outside[0].partition('?')[0]} outside of the link"
    if page.missing:
        return f"the page loads, but {page.missing[0].partition('?')[0]} does not"
    elsewhere = f" and {_result(other)} at {other.path}" if other else ""
    return f"it answers {page.status} at {page.path}{elsewhere}"


def _result(page: Page) -> str:
    return "a redirect loop" if page.loops else str(page.status or page.problem)
