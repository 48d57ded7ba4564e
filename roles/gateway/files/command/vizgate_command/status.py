# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`vizgate status`: what is declared, what nginx serves, and what is to be seen of each link's target."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import difflib
import os
import time
from collections.abc import Sequence
from typing import Any

from vizgate.model.urls import located, site
from vizgate.net.probe import listeners, probe

from . import show, talk

THREADS = 32
SECONDS = 2.0
"""Between two looks of --watch."""

Row = dict[str, Any]

_SERVED: dict[tuple[bool, bool], show.Cell] = {
    (True, True): ("yes", "green"),
    (True, False): ("rendered, not live", "red"),
    (False, True): ("live, not rendered", "red"),
    (False, False): ("no", "red"),
}
"""By whether the link stands in the include files, and whether nginx answers by it."""
_LISTENS: dict[bool | None, show.Cell] = {True: ("yes", "green"), False: ("no", "red"), None: ("?", "yellow")}


def links(names: Sequence[str], everybody: bool) -> list[Row]:
    """The links of these names, or all of the user's, or everybody's: as `show` tells them, with `user`, the full `url`,
    `probe` (what `net.probe` has seen, as plain data) and `works`."""
    if everybody:
        if not talk.privileged():
            raise talk.refused("--all: only root looks at everybody's links")
        gateway = talk.gateway()
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
        answer = talk.ask({"do": "show"})
        chosen = [show.find(answer, name) for name in names] if names else answer["links"]
        found = [({**link, "user": answer["user"]}, answer["site"]) for link in chosen]
    known = listeners()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        seen = pool.map(lambda pair: probe(pair[0], pair[1], known), found)
        return [
            {
                **link,
                "url": show.full(link, where),
                "probe": dataclasses.asdict(look),
                "works": link["rendered"]
                and link["live"]
                and look.answers
                and not link["yields_to"]
                and not link.get("quarantined"),
            }
            for (link, where), look in zip(found, seen, strict=True)
        ]


def table(links: Sequence[Row], everybody: bool) -> tuple[list[str], list[list[show.Cell]]]:
    """Headers and rows."""
    rows = []
    for link in links:
        seen = link["probe"]
        program, _space, arguments = seen["command"].partition(" ")
        process = (
            f"{seen['user']} {seen['pid']} {os.path.basename(program)} {arguments}" if seen["pid"] else seen["user"]
        )
        rows.append(
            [
                f"{link['user']}/{link['name']}" if everybody else link["name"],
                link["target"],
                show.declared(link),
                ("quarantined", "red") if link.get("quarantined") else _SERVED[link["rendered"], link["live"]],
                _LISTENS[seen["listening"]],
                _answer(seen),
                process,
            ]
        )
    headers = ["LINK", "TARGET", "SOURCE", "SERVED", "LISTENS", "ANSWERS", "PROCESS"]
    return headers, rows


def ports() -> Row:
    """The user's range, `first` and `last`, the first that is `free` (or None), and its `ports` that are listened on or that
    links lead to: `port`, `link`, `address`, `user`, `pid`, `command`."""
    answer = talk.ask({"do": "ports"})
    first, last = answer["ports"]["first"], answer["ports"]["last"]
    named = {link["port"]: link["name"] for link in reversed(answer["links"])}
    rows: list[Row] = [
        {
            "port": one.port,
            "link": named.get(one.port, ""),
            "address": one.address,
            "user": one.user,
            "pid": one.pid,
            "command": one.command,
        }
        for one in listeners()
        if not one.path and first <= one.port <= last
    ]
    taken = {row["port"] for row in rows}
    silent = {"address": "", "user": "", "pid": 0, "command": ""}
    rows += [{"port": port, "link": name, **silent} for port, name in named.items() if port not in taken]
    free = next((port for port in range(first, last + 1) if port not in taken and port not in named), None)
    rows.sort(key=lambda row: (row["port"], row["address"]))
    return {"user": answer["user"], "first": first, "last": last, "free": free, "ports": rows}


def drift() -> list[str]:
    """The lines that somebody has changed in the gateway's files by hand."""
    lines = []
    for pair in talk.gateway().drift():
        lines.append(f"{pair['before_header']} is not as declared; vizgate init repairs it:")
        lines += difflib.unified_diff(
            pair["before"].splitlines(), pair["after"].splitlines(), "is", "should be", lineterm=""
        )
    return lines


def watch(names: Sequence[str], everybody: bool) -> None:
    """Shows the table again and again, until ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    console = Console(markup=False, emoji=False, highlight=False)
    try:
        with Live(console=console, auto_refresh=False) as screen:
            while True:
                screen.update(show.rich_table(*table(links(names, everybody), everybody)), refresh=True)
                time.sleep(SECONDS)
    except KeyboardInterrupt:
        pass


def _answer(seen: Row) -> show.Cell:
    if not seen["answers"]:
        return seen["problem"], "red"
    if not seen["status"]:
        # it does not tell a HEAD its status, and a GET could start something
        return f"yes, {seen['milliseconds']:.1f} ms", "green"
    return f"{seen['status']}, {seen['milliseconds']:.1f} ms", "green" if seen["status"] < 400 else "yellow"
