# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints logs: of changes, of requests, and of users' apps."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from .. import client
from . import tables

FOLLOW_SECONDS = 2
"""Between two requests for new lines of the access log."""


def print_history(lines: Sequence[Mapping[str, str]]) -> None:
    """Prints changes, newest last."""
    if not lines:
        click.echo("no changes yet")
        return
    rows: list[list[tables.Cell]] = [
        [
            line["at"],
            f"{line['by']} from {line['from']}" if line.get("from") else line["by"],
            line["action"],
            line["url"],
            f"{line['now']}, was {line['was']}" if line.get("was") else line["target"],
        ]
        for line in lines
    ]
    tables.print_table(["AT", "BY", "ACTION", "URL", "TARGET"], rows)


def print_requests(request: dict[str, Any], follow: bool, plain: bool) -> None:
    """Prints requests to a user's pages, one per line; with `follow` also new ones, until ctrl-C."""
    response = client.send(request)
    if not response["complete"]:
        tables.print_problems(
            ["only the newest part of the gateway's log was read; older lines of yours may be missing"]
        )
    if not response["lines"] and not follow and not plain:
        click.echo("the log has no requests")
    try:
        while True:
            for line in response["lines"]:
                click.echo(json.dumps(line) if plain else _request_line(line))
            if not follow:
                return
            time.sleep(FOLLOW_SECONDS)
            response = client.send({**request, "lines": 10_000, "cursor": response["cursor"]})
            if not response["complete"]:
                tables.print_problems(["more requests came than were read; some lines may be missing"])
    except KeyboardInterrupt:
        pass


def _request_line(line: Mapping[str, Any]) -> str:
    """One line of the access log as text."""
    words = [
        str(line["time"])[:19].replace("T", " "),
        line["address"],
        line["login"] or "-",
        line["status"],
        f"{line['method'] or '-'} {line['path'] or '-'}",
        f"{line['seconds']:.3f} s",
        *([line["upstream"]] if line["upstream"] else []),
    ]
    return "  ".join(tables.clean(word) for word in words)


def print_app_log(request: dict[str, Any], lines: int, follow: bool) -> None:
    """Prints the log of a user's app, oldest first; with `follow` also new lines, until ctrl-C."""
    import subprocess

    # the file belongs to the user; after rotation another file has its name
    path = client.send(request)["path"]
    command = ["tail", f"--lines={lines}", *(["-F"] if follow else []), "--", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, errors="replace") as tail:
        try:
            for line in tail.stdout or ():
                click.echo(tables.clean(line.rstrip("\n")))
        except KeyboardInterrupt:
            pass
        finally:
            tail.terminate()
