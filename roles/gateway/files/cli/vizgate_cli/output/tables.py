# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints tables, errors and JSON. Tables are drawn by rich on a terminal, and are aligned text elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from .. import client

Link = Mapping[str, Any]
Cell = str | tuple[str, str]
"""A text, or a text and its colour."""


def clean(text: object) -> str:
    """A text from elsewhere, its control characters escaped."""
    text = str(text)
    if text.isprintable():
        return text  # nearly always; importing the model takes longer
    from vizgate.text import printable

    return printable(text)


def print_problems(lines: Iterable[str]) -> None:
    """Prints errors or warnings on stderr, one per line."""
    for line in lines:
        click.secho(clean(line), err=True, fg="red")


def print_json(data: object) -> None:
    """Prints data for scripts."""
    click.echo(json.dumps(data, indent=2))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Prints rows below their headers."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console(markup=False, emoji=False, highlight=False).print(as_rich_table(headers, rows))
        return
    texts = [list(headers)] + [[clean(cell if isinstance(cell, str) else cell[0]) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def as_rich_table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Any:
    """The table as rich draws it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        # a URL stays on one line, to be clicked or copied
        table.add_column(header, overflow="fold", no_wrap=header not in ("ANSWERS", headers[-1]))
    for row in rows:
        cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
        table.add_row(*(Text(clean(text), style) for text, style in cells))
    return table


def link_url(link: Link, site: Mapping[str, Any]) -> str:
    """The full address of a link."""
    return str(link.get("origin", site["url"]) + link["url"])


def source_of(link: Link) -> str:
    """The source of a link or a login, and whether another source overrides it."""
    if link.get("yields_to"):
        return f"{link['source']}, overridden by {link['yields_to']}"
    return f"{link['source']}, moving to inventory" if link.get("moving") else str(link["source"])


def print_links(state: Mapping[str, Any]) -> None:
    """Prints a user's links."""
    if not state["links"]:
        click.echo(f"{state['user']} has no links yet; vizgate add NAME --port PORT makes one")
        return
    rows = [
        [link_url(link, state["site"]), link["target"], link["kind"], source_of(link), link["description"]]
        for link in state["links"]
    ]
    print_table(["URL", "TARGET", "KIND", "SOURCE", "DESCRIPTION"], rows)
    print_problems(
        f"link {link['name']!a} is in quarantine: {clean(link['target'])} is used by a program of {link['quarantined']};"
        f" vizgate doctor {link['name']} says what to do"
        for link in state["links"]
        if link.get("quarantined") and not link["yields_to"]
    )


def print_ports(state: Mapping[str, Any]) -> None:
    """Prints a user's port range, and the ports of it that are in use."""
    free = f"; the first free port is {state['free']}" if state["free"] else ""
    click.echo(f"{state['user']}'s port range is {state['first']}-{state['last']}{free}")
    rows = []
    for row in state["ports"]:
        owner: Cell = (row["user"], "red") if row["user"] not in ("", "root", state["user"]) else row["user"]
        process = f"{row['pid']} {row['command']}" if row["pid"] else ""
        rows.append([str(row["port"]), row["link"], row["address"] or "no listener", owner, process])
    if rows:
        print_table(["PORT", "LINK", "ADDRESS", "USER", "PROCESS"], rows)


def print_logins(state: Mapping[str, Any]) -> None:
    """Prints a user's logins."""
    if not state["logins"]:
        click.echo(f"{state['user']} has no logins yet; vizgate login add {state['user']} makes one")
        return
    print_table(["LOGIN", "SOURCE"], [[login["name"], source_of(login)] for login in state["logins"]])
    until = state["site"]["legacy_hashes_until"]
    for name in [login["name"] for login in state["logins"] if login["legacy"]]:
        ends = "is still accepted"
        if until:
            ends = f"was accepted until {until}" if time.strftime("%Y-%m-%d") > until else f"is accepted until {until}"
        click.echo(
            f"{name}: the hash of its password has an old format and {ends}; vizgate login password {name} replaces it"
        )


def print_kinds(name: str | None, plain: bool) -> None:
    """Prints how to start the tool of each kind, or of the kind `name`."""
    from vizgate.model.kinds import KINDS, OTHERS

    if name is not None and name not in KINDS:
        raise client.refused(f"kind {name!a} is not known; {OTHERS}")
    kinds = [kind for kind in KINDS.values() if name in (None, kind.name)]
    if plain:
        print_json([{key: getattr(kind, key) for key in ("name", "prefix", "start", "note")} for kind in kinds])
    elif name:
        kind = kinds[0]
        click.echo(f"kind:        {kind.name}\nprefix:      {kind.prefix}\nstart it by: {kind.start}")
        if kind.note:
            click.echo(f"note:        {kind.note}")
    else:
        print_table(["KIND", "PREFIX", "START IT BY"], [[kind.name, kind.prefix, kind.start] for kind in kinds])


def print_findings(findings: Sequence[Mapping[str, Any]]) -> None:
    """Prints the doctor's findings, each with its fix."""
    colours = {"error": "red", "warning": "yellow", "ok": "green"}
    for finding in findings:
        severity = finding["severity"]
        click.secho(f"{severity}: {clean(finding['finding'])}", fg=colours[severity])
        if finding["fix"]:
            click.echo(f"  {clean(finding['fix'])}")
