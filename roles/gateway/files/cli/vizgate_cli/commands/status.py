# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that show what happens: status, ports, history, log, doctor."""

from __future__ import annotations

import sys

import click

from .. import arguments, client
from ..output import logs, tables


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=arguments.link_names)
@click.option("--watch", is_flag=True, help="Update every two seconds, until ctrl-C.")
@click.option(
    "--all",
    "all_users",
    is_flag=True,
    help="Show the links of all users, and manual changes in the gateway's files (root).",
)
@arguments.json_option
@click.pass_context
def status(ctx: click.Context, names: tuple[str, ...], watch: bool, all_users: bool, plain: bool) -> None:
    """Show whether your links work, and how fast.

    For each link, shows its source, whether nginx serves it, whether its target listens and answers, and the process
    that listens. With NAMEs, shows only these links; the exit code is 3 if one of them does not work.

    With --all, manual changes in the gateway's files are reported on stderr, but not with --watch. Its JSON is
    {"links": [...], "drift": [lines]}.

    Example:

    \b
      vizgate status
      vizgate status train && echo works
    """
    from .. import observation

    if watch and (plain or not sys.stdout.isatty()):
        raise click.UsageError("--watch needs a terminal, and no --json.")
    if all_users and names:
        raise click.UsageError("Give either --all or NAMEs.")
    if watch:
        observation.watch(names, all_users)
        return
    links = observation.links(names, all_users)
    if plain:
        tables.print_json({"links": links, "drift": observation.drift()} if all_users else links)
    else:
        tables.print_table(*observation.table(links, all_users))
        if all_users:
            tables.print_problems(observation.drift())
    if names and not all(link["works"] for link in links):
        ctx.exit(3)


@click.command()
@arguments.json_option
def ports(plain: bool) -> None:
    """Show your port range, and which programs listen there.

    If this site has port ranges, your links to this host can only use ports of your range, which does not change. With the
    site's loopback filter, no other user can connect to these ports.

    Example:

    \b
      vizgate ports
      vizgate add train --port "$(vizgate ports --json | jq .free)"
    """
    from .. import observation

    state = observation.ports()
    if plain:
        tables.print_json(state)
    else:
        tables.print_ports(state)


@click.command()
@arguments.lines_option(50)
@arguments.json_option
def history(lines: int, plain: bool) -> None:
    """Show who changed your links and logins, and when.

    The newest change comes last.

    Example:

    \b
      vizgate history
      vizgate history --lines 10000
    """
    changes = client.send({"do": "history", "lines": lines})["lines"]
    if plain:
        tables.print_json(changes)
    else:
        logs.print_history(changes)


@click.command()
@click.argument("name", metavar="[NAME]", required=False, shell_complete=arguments.link_names)
@click.option("--follow", "-f", is_flag=True, help="Also print new requests, until ctrl-C.")
@arguments.lines_option(20)
@click.option("--json", "plain", is_flag=True, help="Print JSON, one line for each, for scripts.")
def log(name: str | None, follow: bool, lines: int, plain: bool) -> None:
    """Show the requests to your pages, newest last.

    Each line has the time, the client's address, the login, the status, method and path, the duration, and the program
    that answered. With NAME, only requests to that link. Query strings are not logged, because tools put tokens there;
    a websocket is logged when it ends. The command reads the current log file and the previous one: at least one day.

    Example:

    \b
      vizgate log train --follow
      vizgate log --lines 1000 --json | jq -r .address | sort | uniq -c
    """
    logs.print_requests({"do": "log", "lines": lines, "link": name or "", "cursor": ""}, follow, plain)


@click.command()
@click.argument("name", shell_complete=arguments.link_names)
@arguments.json_option
@click.pass_context
def doctor(ctx: click.Context, name: str, plain: bool) -> None:
    """Find out why your link NAME does not work.

    Every finding says what to do.

    Example:

    \b
      vizgate doctor train
    """
    from vizgate.diagnose.doctor import diagnose

    state = client.get_state()
    client.find_link(state, name)
    findings = diagnose(state, name, client.send({"do": "log", "lines": 1000, "link": name, "cursor": ""}))
    if plain:
        tables.print_json(findings)
    else:
        tables.print_findings(findings)
    if any(finding["severity"] == "error" for finding in findings):
        ctx.exit(3)
