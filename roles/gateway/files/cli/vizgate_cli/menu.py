# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu that `vizgate` alone opens. Nothing is changed before the last question of an action is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from vizgate.model.names import name_problem
from vizgate.model.parse import password_problem
from vizgate.model.targets import host_problem

from . import client
from .output import plans, tables


def run() -> None:
    """Asks for actions until the user types 0, ctrl-C or ctrl-D."""
    # the words of the old script, which its users expect; elsewhere it is "remove", as in the commands
    actions: list[tuple[str, Callable[[], None]]] = [
        ("quit", lambda: None),
        ("list all links", _list),
        ("add a link", _add),
        ("delete a link", _delete),
        ("add a login", _add_login),
    ]
    if client.is_privileged():
        actions += [("initialise: repair the gateway", _init), ("remove everything", _remove_everything)]
    try:
        click.echo(f"Links of {client.current_user()}")
        while True:
            click.echo("\n" + "\n".join(f"{number}: {text}" for number, (text, _action) in enumerate(actions)))
            number = click.prompt("Action", value_proc=_number(0, len(actions) - 1))
            if number == 0:
                return
            try:
                actions[number][1]()
            except client.Failed as failed:
                tables.print_problems(failed.lines)
    except click.Abort:
        click.echo()


def ask_password(name: str) -> str:
    """Asks twice for the new password of a login, without echo."""

    def check(password: str) -> str:
        problem = password_problem(password)
        if problem:
            raise click.UsageError(problem)
        return password

    password: str = click.prompt(
        f"Password of login {name}", hide_input=True, confirmation_prompt="Repeat the password", value_proc=check
    )
    return password


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    """Reads a number from `lowest` to `highest`."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text[:9]) <= highest:
            raise click.UsageError(f"{text!a} is not a number from {lowest} to {highest}")
        return int(text)

    return read


def _list() -> None:
    tables.print_links(client.get_state())


def _add() -> None:
    state = client.get_state()
    taken = {link["name"] for link in state["links"] if link["source"] == "self"}

    def free_name(text: str) -> str:
        name = text.strip("/ ")
        problem = name_problem("link", name)
        if not problem and name in taken:
            problem = f"link {name!a}: you already have a link of this name; remove it first, or choose another name"
        if problem:
            raise click.UsageError(problem)
        return name

    def server(text: str) -> str:
        problem = host_problem(text)
        if problem:
            raise click.UsageError(problem)
        return text

    before: dict[str, Any] = {"name": None, "host": "127.0.0.1", "port": None, "description": ""}
    while True:
        link = {
            "name": click.prompt("Link name", default=before["name"], value_proc=free_name),
            "host": click.prompt("Server", default=before["host"], value_proc=server),
            "port": click.prompt("Port", default=before["port"], value_proc=_number(1, 65535)),
            "description": click.prompt(
                "One-line description", default=before["description"], show_default=bool(before["description"])
            ),
        }
        click.echo(f"{link['name']} => {link['host']}:{link['port']}")
        if not click.confirm("Is that right?", default=None):
            return
        try:
            plans.print_plan(client.send({"do": "add", "link": link}))
            break
        except client.Failed as failed:
            if failed.code != 1:
                raise
            tables.print_problems(failed.lines)
            before = link
    click.echo(f"(to set which tool it is: vizgate edit {link['name']} --kind KIND; vizgate kinds lists the kinds)")
    if not state["logins"] and click.confirm("Your links cannot be opened without a login. Add one?", default=None):
        _add_login()


def _delete() -> None:
    state = client.get_state()
    links = [link for link in state["links"] if link["source"] == "self"]
    if not links:
        click.echo("You have no links of your own.")
        return
    lines = [f"{tables.link_url(link, state['site'])} => {tables.clean(link['target'])}" for link in links]
    click.echo("\n".join(f"{number}: {line}" for number, line in enumerate(["none of them", *lines])))
    number = click.prompt("Number of the link to remove", value_proc=_number(0, len(links)))
    if number and click.confirm(f"Remove {lines[number - 1]}?", default=None):
        plans.print_plan(client.send({"do": "remove", "name": links[number - 1]["name"]}))


def _add_login() -> None:
    state = client.get_state()
    taken = {login["name"] for login in state["logins"] if login["source"] == "self"}

    def free_name(name: str) -> str:
        problem = name_problem("login", name)
        if not problem and name in taken:
            problem = f"login {name!a} exists; vizgate login password {name} changes its password"
        if problem:
            raise click.UsageError(problem)
        return name

    suggested = state["user"] if state["user"] not in taken else None
    name = click.prompt("Login name", default=suggested, value_proc=free_name)
    plans.print_plan(client.send({"do": "add_login", "name": name, "password": ask_password(name)}))


def _init() -> None:
    from . import maintenance

    maintenance.repair()


def _remove_everything() -> None:
    from . import maintenance

    maintenance.remove_everything()
