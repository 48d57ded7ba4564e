# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands about links: list, add, edit, remove, open, kinds, export."""

from __future__ import annotations

import sys
from typing import Any

import click

from .. import arguments, client
from ..output import plans, tables, users_file

_link_options = arguments.options(
    click.option("--host", metavar="HOST", help="IP address or name of the machine; 127.0.0.1 by default."),
    click.option("--port", metavar="PORT", type=int, help="Port on which the tool listens."),
    click.option("--socket", metavar="PATH", help="Unix socket on which the tool listens, instead of host and port."),
    click.option("--kind", metavar="KIND", shell_complete=arguments.kinds, help="Which tool it is: see vizgate kinds."),
    click.option("--description", metavar="TEXT", help="One line for your index page."),
    click.option(
        "--prefix",
        metavar="keep|strip|host",
        type=click.Choice(["keep", "strip", "host", ""]),
        help="Whether the tool gets request paths with /USER/NAME/ (keep) or without it (strip). The kind sets the default."
        " With host, the link has its own host name, for a tool that does not support a base path.",
    ),
    click.option(
        "--scheme",
        metavar="http|https",
        type=click.Choice(["http", "https", ""]),
        help="Protocol of the tool; http by default.",
    ),
    click.option(
        "--verify/--insecure",
        default=None,
        help="With https, whether the tool's certificate must be valid for HOST; by default it must.",
    ),
)


@click.command("list")
@arguments.json_option
def list_links(plain: bool) -> None:
    """List your links.

    Example:

    \b
      vizgate list
      vizgate list --json
    """
    state = client.get_state()
    if plain:
        tables.print_json([{**link, "url": tables.link_url(link, state["site"])} for link in state["links"]])
        return
    tables.print_links(state)
    if not state["serving"]:
        tables.print_problems(["nginx does not run with the gateway's configuration: no link is served"])


@click.command()
@click.argument("name")
@_link_options
def add(name: str, **given: Any) -> None:
    """Publish a port, or a unix socket, as the link NAME.

    A name consists of lower-case letters, digits, '.', '_' and '-'.

    Example:

    \b
      vizgate add train --port 8097 --kind visdom --description "Loss curves"
      vizgate add plots --host node12 --port 5006 --kind bokeh
    """
    if (given["port"] is None) == (given["socket"] is None):
        raise click.UsageError("Give either --port or --socket.")
    link = {"name": name, **{key: value for key, value in given.items() if value is not None}}
    response = client.send({"do": "add", "link": link})
    plans.print_plan(response)
    if sys.stdout.isatty():
        plans.print_start_hint(response, link)


@click.command()
@click.argument("name", shell_complete=arguments.link_names)
@_link_options
@click.option("--name", "new", metavar="NEW", help="Rename the link.")
def edit(name: str, new: str | None, **given: Any) -> None:
    """Change your link NAME.

    Options that you omit keep their values; an empty value ("") restores the default.

    Example:

    \b
      vizgate edit train --port 8098
      vizgate edit train --name training --description ""
    """
    changes = {key: None if value == "" else value for key, value in given.items() if value is not None}
    if new is not None:
        changes["name"] = new
    if not changes:
        raise click.UsageError("Nothing to change: give an option.")
    plans.print_plan(client.send({"do": "edit", "name": name, "link": changes}))


@click.command()
@click.argument("name", shell_complete=arguments.link_names)
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
def remove(name: str, yes: bool) -> None:
    """Remove your link NAME.

    Asks for confirmation, unless --yes is given.

    Example:

    \b
      vizgate remove train
    """
    if not yes:
        if not arguments.is_interactive():
            raise click.UsageError("Not a terminal: pass --yes to skip the confirmation.")
        state = client.get_state()
        link = client.find_link(state, name)
        click.confirm(f"Remove {tables.link_url(link, state['site'])} -> {link['target']}?", default=None, abort=True)
    plans.print_plan(client.send({"do": "remove", "name": name}))


@click.command("open")
@click.argument("name", shell_complete=arguments.link_names)
def print_url(name: str) -> None:
    """Print the address of your link NAME.

    Example:

    \b
      xdg-open "$(vizgate open train)"
    """
    state = client.get_state()
    click.echo(tables.link_url(client.find_link(state, name), state["site"]))


@click.command()
@click.argument("kind", required=False, shell_complete=arguments.kinds)
@click.option(
    "--for",
    "name",
    metavar="NAME",
    shell_complete=arguments.link_names,
    help="Print the exact command for your link NAME.",
)
@arguments.json_option
def kinds(kind: str | None, name: str | None, plain: bool) -> None:
    """Show how to start each kind of tool.

    Example:

    \b
      vizgate kinds jupyter
      vizgate kinds --for train
    """
    if name is not None:
        if kind or plain:
            raise click.UsageError("Give --for NAME alone.")
        state = client.get_state()
        plans.print_start_command(client.find_link(state, name), state["site"])
    else:
        tables.print_kinds(kind, plain)


@click.command()
@click.option(
    "--move",
    is_flag=True,
    help="Also transfer the links to source inventory, as soon as a users file declares them and the playbook has run.",
)
def export(move: bool) -> None:
    """Print your own links as a users file.

    It is ready to commit. It has no logins, because the gateway has only hashes of passwords.

    Example:

    \b
      vizgate export > users/lab/alice.yml
    """
    links = [link for link in client.get_state()["links"] if link["source"] == "self"]
    if move:
        client.send({"do": "move"})
    click.echo(users_file.as_yaml(links), nl=False)
    if move:
        tables.print_problems([f"{len(links)} links move to inventory as soon as it declares them"])
