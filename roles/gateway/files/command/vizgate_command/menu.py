# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu that `vizgate` alone opens. Nothing is changed before the last question of an action is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from vizgate.model.data import host_problem, name_problem, password_problem

from . import show, talk

Answer = dict[str, Any]


def run() -> None:
    """Asks what to do until the answer is 0, ctrl-C or ctrl-D."""
    # in the old script's words, which its users look for; whatever comes after says remove, as the commands do
    actions: list[tuple[str, Callable[[], None]]] = [
        ("quit", lambda: None),
        ("list all links", _list),
        ("add a link", _add),
        ("delete a link", _delete),
        ("add a login", _add_login),
    ]
    if talk.privileged():
        actions += [("initialise: make the gateway whole again", _init), ("remove everything", _remove_everything)]
    try:
        click.echo(f"Links of {talk.me()}")
        while True:
            click.echo("\n" + "\n".join(f"{number}: {text}" for number, (text, _action) in enumerate(actions)))
            number = click.prompt("Action", value_proc=_number(0, len(actions) - 1))
            if number == 0:
                return
            try:
                actions[number][1]()
            except talk.Failed as failed:
                show.problems(failed.lines)
    except click.Abort:
        click.echo()


def ask_password(name: str) -> str:
    """A new password for a login, typed twice without being seen."""

    def check(password: str) -> str:
        problem = password_problem(password)
        if problem:
            raise click.UsageError(problem)
        return password

    password: str = click.prompt(
        f"Password of login {name}", hide_input=True, confirmation_prompt="The same again", value_proc=check
    )
    return password


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    """Reads a number from `lowest` to `highest`."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text[:9]) <= highest:
            raise click.UsageError(f"{text!a} is not a number from {lowest} to {highest}")
        return int(text)

    return read


def _answers() -> Answer:
    return talk.ask({"do": "show"})


def _list() -> None:
    show.links(_answers())


def _add() -> None:
    answer = _answers()
    taken = {link["name"] for link in answer["links"] if link["source"] == "self"}

    def free_name(text: str) -> str:
        name = text.strip("/ ")
        problem = name_problem("link", name)
        if not problem and name in taken:
            problem = f"link {name!a}: you have one of that name; remove it first, or take another name"
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
            show.results(talk.ask({"do": "add", "link": link}))
            break
        except talk.Failed as failed:
            if failed.code != 1:
                raise
            show.problems(failed.lines)
            before = link
    click.echo(f"(a tool that needs more than a plain web page does: vizgate edit {link['name']} --kind KIND)")
    if not answer["logins"] and click.confirm("Nobody opens your links without a login. Make one?", default=None):
        _add_login()


def _delete() -> None:
    answer = _answers()
    links = [link for link in answer["links"] if link["source"] == "self"]
    if not links:
        click.echo("You have no links of your own.")
        return
    lines = [f"{show.full(link, answer['site'])} => {show.clean(link['target'])}" for link in links]
    click.echo("\n".join(f"{number}: {line}" for number, line in enumerate(["none of them", *lines])))
    number = click.prompt("Number of the link to remove", value_proc=_number(0, len(links)))
    if number and click.confirm(f"Remove {lines[number - 1]}?", default=None):
        show.results(talk.ask({"do": "remove", "name": links[number - 1]["name"]}))


def _add_login() -> None:
    answer = _answers()
    taken = {login["name"] for login in answer["logins"] if login["source"] == "self"}

    def free_name(name: str) -> str:
        problem = name_problem("login", name)
        if not problem and name in taken:
            problem = f"login {name!a} exists; vizgate login password {name} changes its password"
        if problem:
            raise click.UsageError(problem)
        return name

    suggested = answer["user"] if answer["user"] not in taken else None
    name = click.prompt("Login name", default=suggested, value_proc=free_name)
    show.results(talk.ask({"do": "add_login", "name": name, "password": ask_password(name)}))


def _init() -> None:
    from . import root

    root.init()


def _remove_everything() -> None:
    from . import root

    root.remove_everything()
