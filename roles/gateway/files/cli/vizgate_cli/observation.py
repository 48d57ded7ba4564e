# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at links, their targets and ports: for `vizgate status` and `vizgate ports`."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import difflib
import os
import time
from collections.abc import Sequence
from typing import Any

from vizgate.model.urls import located, site
from vizgate.net.listener_table import listeners
from vizgate.net.probe import probe

from . import client
from .output import tables

THREADS = 32
SECONDS = 2.0
"""Between two updates of --watch."""

Row = dict[str, Any]

_SERVED: dict[tuple[bool, bool], tables.Cell] = {
    (True, True): ("yes", "green"),
    (True, False): ("in the files, not in nginx", "red"),
    (False, True): ("in nginx, not in the files", "red"),
    (False, False): ("no", "red"),
}
"""By whether the link is in the include files, and whether nginx serves it."""
_LISTENS: dict[bool | None, tables.Cell] = {True: ("yes", "green"), False: ("no", "red"), None: ("?", "yellow")}


def links(names: Sequence[str], all_users: bool) -> list[Row]:
    """The links of these names, or all of the user, or with `all_users` of all users.

    Each is a link of the response to request `show`, and `user`, the full `url`, `probe` (the fields of `net.probe`'s
    result) and `works`. Raises Failed.
    """
    if all_users:
        if not client.is_privileged():
            raise client.refused("--all: only root can see the links of all users")
        gateway = client.open_gateway()
        info: Any = gateway.info()
        policy = gateway.registry.policy()
        found = [
            (
                {**located(link, policy.url, policy.url_style, user), "user": user},
                {"url": site(policy.url, policy.url_style, user), "backend_ca": policy.backend_ca},
            )
            for user, data in info["users"].items()
            for link in data["links"]
        ]
    else:
        state = client.get_state()
        chosen = [client.find_link(state, name) for name in names] if names else state["links"]
        found = [({**link, "user": state["user"]}, state["site"]) for link in chosen]
    known = listeners()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        seen = pool.map(lambda pair: probe(pair[0], pair[1], known), found)
        return [
            {
                **link,
                "url": tables.link_url(link, where),
                "probe": dataclasses.asdict(look),
                "works": link["rendered"]
                and link["live"]
                and look.answers
                and not link["yields_to"]
                and not link.get("quarantined"),
            }
            for (link, where), look in zip(found, seen, strict=True)
        ]


def table(links: Sequence[Row], all_users: bool) -> tuple[list[str], list[list[tables.Cell]]]:
    """The headers and rows of the table of links."""
    rows = []
    for link in links:
        seen = link["probe"]
        program, _space, arguments = seen["command"].partition(" ")
        process = (
            f"{seen['user']} {seen['pid']} {os.path.basename(program)} {arguments}" if seen["pid"] else seen["user"]
        )
        rows.append(
            [
                f"{link['user']}/{link['name']}" if all_users else link["name"],
                link["target"],
                tables.source_of(link),
                ("quarantined", "red") if link.get("quarantined") else _SERVED[link["rendered"], link["live"]],
                _LISTENS[seen["listening"]],
                _answer_cell(seen),
                process,
            ]
        )
    headers = ["LINK", "TARGET", "SOURCE", "SERVED", "LISTENS", "ANSWERS", "PROCESS"]
    return headers, rows


def ports() -> Row:
    """The user's port range: `first`, `last`, the first `free` port (or None), and `ports`.

    `ports` are those with a listener or a link: `port`, `link`, `address`, `user`, `pid`, `command`. Raises Failed.
    """
    response = client.send({"do": "ports"})
    first, last = response["ports"]["first"], response["ports"]["last"]
    names = {link["port"]: link["name"] for link in reversed(response["links"])}
    rows: list[Row] = [
        {
            "port": listener.port,
            "link": names.get(listener.port, ""),
            "address": listener.address,
            "user": listener.user,
            "pid": listener.pid,
            "command": listener.command,
        }
        for listener in listeners()
        if not listener.path and first <= listener.port <= last
    ]
    taken = {row["port"] for row in rows}
    silent = {"address": "", "user": "", "pid": 0, "command": ""}
    rows += [{"port": port, "link": name, **silent} for port, name in names.items() if port not in taken]
    free = next((port for port in range(first, last + 1) if port not in taken and port not in names), None)
    rows.sort(key=lambda row: (row["port"], row["address"]))
    return {"user": response["user"], "first": first, "last": last, "free": free, "ports": rows}


def drift() -> list[str]:
    """The manual changes in the gateway's files, as lines of a diff."""
    lines = []
    for pair in client.open_gateway().drift():
        lines.append(f"{pair['before_header']} is not as declared; vizgate init repairs it:")
        lines += difflib.unified_diff(
            pair["before"].splitlines(), pair["after"].splitlines(), "is", "should be", lineterm=""
        )
    return lines


def watch(names: Sequence[str], all_users: bool) -> None:
    """Updates the table until ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    console = Console(markup=False, emoji=False, highlight=False)
    try:
        with Live(console=console, auto_refresh=False) as screen:
            while True:
                screen.update(tables.as_rich_table(*table(links(names, all_users), all_users)), refresh=True)
                time.sleep(SECONDS)
    except KeyboardInterrupt:
        pass


def _answer_cell(seen: Row) -> tables.Cell:
    if not seen["answers"]:
        return seen["problem"], "red"
    if not seen["status"]:
        # the tool does not support HEAD, and a GET could have effects
        return f"yes, {seen['milliseconds']:.1f} ms", "green"
    return f"{seen['status']}, {seen['milliseconds']:.1f} ms", "green" if seen["status"] < 400 else "yellow"
