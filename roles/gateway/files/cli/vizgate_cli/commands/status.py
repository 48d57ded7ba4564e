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
@click.option("--watch", is_flag=True, help="Look at links again every two seconds, until ctrl-C.")
@click.option("--all", "everybody", is_flag=True, help="The links of all users, and files edited by hand; for root.")
@arguments.json_option
@click.pass_context
def status(ctx: click.Context, names: tuple[str, ...], watch: bool, everybody: bool, plain: bool) -> None:
    """Tell whether your links work, and how fast.

    For each link: who declares it, whether it stands in the gateway's files and is served, whether anything listens and
    answers, and whose process it is. With NAMEs, only these, and exit code 3 where one of them does not work.

    What --all finds edited by hand in the gateway's files is told on stderr, and by --watch not at all. Its JSON is
    {"links": [...], "drift": [lines]}.

    Example:

    \b
      vizgate status
      vizgate status train && echo works
    """
    from .. import observation

    if watch and (plain or not sys.stdout.isatty()):
        raise click.UsageError("--watch needs a terminal, and no --json.")
    if everybody and names:
        raise click.UsageError("Give either --all or NAMEs.")
    if watch:
        observation.watch(names, everybody)
        return
    links = observation.links(names, everybody)
    if plain:
        tables.print_json({"links": links, "drift": observation.drift()} if everybody else links)
    else:
        tables.print_table(*observation.table(links, everybody))
        if everybody:
            tables.print_problems(observation.drift())
    if names and not all(link["works"] for link in links):
        ctx.exit(3)


@click.command()
@arguments.json_option
def ports(plain: bool) -> None:
    """Show your range of ports, and who listens there.

    Where users have ranges, your links lead to ports of this host in yours alone, and no other account can connect to
    them. The range stays yours.

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
@click.option("--follow", "-f", is_flag=True, help="Go on with those that come, until ctrl-C.")
@arguments.lines_option(20)
@click.option("--json", "plain", is_flag=True, help="Print JSON, one line for each, for scripts.")
def log(name: str | None, follow: bool, lines: int, plain: bool) -> None:
    """Show who has asked for your pages, newest last.

    When, from which address, with which login, the answer's status, what was asked for, how long it took, and which
    program of yours has answered. With NAME, only for that link. Queries are not kept, as tools have their tokens
    there; a websocket is told when it ends. Lines are the gateway's of today and yesterday.

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

    Every finding comes with what to do about it.

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
