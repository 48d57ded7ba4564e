# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands about logins: login list, add, remove, password."""

from __future__ import annotations

import click

from .. import arguments, client
from ..output import plans, tables

_password_options = arguments.options(
    click.option("--password-stdin", is_flag=True, help="Read the password from stdin."),
    click.option("--password-fd", metavar="N", type=int, help="Read the password from file descriptor N."),
)


@click.group(cls=arguments.Commands, no_args_is_help=False)
def login() -> None:
    """List and change the logins that open your links.

    Passwords come from a prompt, from stdin or from a file descriptor, never from the command line, which all users
    of the machine can read.
    """


def _password(name: str, stdin: bool, descriptor: int | None) -> str:
    if stdin and descriptor is not None:
        raise click.UsageError("Give either --password-stdin or --password-fd.")
    if stdin or descriptor is not None:
        try:
            with open(0 if descriptor is None else descriptor, encoding="utf-8", closefd=False) as file:
                return file.read(10_000).removesuffix("\n")
        except OSError as error:
            raise client.refused(f"login {name!a}: the password cannot be read ({error.strerror})") from None
        except ValueError:  # its text could show a part of the password
            raise client.refused(f"login {name!a}: the password is not UTF-8") from None
    if not arguments.is_interactive():
        raise click.UsageError("Not a terminal: pass --password-stdin or --password-fd.")
    from .. import menu

    return menu.ask_password(name)


@login.command("list")
@arguments.json_option
def list_logins(plain: bool) -> None:
    """List your logins.

    Example:

    \b
      vizgate login list
    """
    state = client.get_state()
    if plain:
        tables.print_json(state["logins"])
    else:
        tables.print_logins(state)


@login.command("add")
@click.argument("name")
@_password_options
def add_login(name: str, password_stdin: bool, password_fd: int | None) -> None:
    """Add the login NAME, which opens your links.

    Example:

    \b
      vizgate login add alice
      pass show gate | vizgate login add alice --password-stdin
    """
    plans.print_plan(
        client.send({"do": "add_login", "name": name, "password": _password(name, password_stdin, password_fd)})
    )


@login.command("remove")
@click.argument("name", shell_complete=arguments.login_names)
def remove_login(name: str) -> None:
    """Remove your login NAME.

    It stops working at once.

    Example:

    \b
      vizgate login remove guest
    """
    plans.print_plan(client.send({"do": "remove_login", "name": name}))


@login.command("password")
@click.argument("name", shell_complete=arguments.login_names)
@_password_options
def change_login(name: str, password_stdin: bool, password_fd: int | None) -> None:
    """Change the password of your login NAME.

    The old password stops working at once.

    Example:

    \b
      vizgate login password alice
    """
    password = _password(name, password_stdin, password_fd)
    plans.print_plan(client.send({"do": "change_login", "name": name, "password": password}))
