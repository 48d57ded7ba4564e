# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: its global options, and which module has which command.

A command's module is imported when that command is used, so that `vizgate add` does not load the others.
"""

from __future__ import annotations

import importlib
import os
import sys

import click

from . import VERSION, arguments, client

EXIT_CODES = {
    0: "done",
    1: "refused (reasons on stderr, one per line) or cancelled",
    2: "wrong usage",
    3: "a link does not work (status NAME, doctor)",
    4: "the gateway cannot do it now: not installed, nginx does not serve, or sudo or the administrator does not allow it",
}

COMMANDS = {
    "list": "links.list_links",
    "add": "links.add",
    "edit": "links.edit",
    "remove": "links.remove",
    "login": "logins.login",
    "status": "status.status",
    "ports": "status.ports",
    "open": "links.print_url",
    "kinds": "links.kinds",
    "export": "links.export",
    "history": "status.history",
    "log": "status.log",
    "doctor": "status.doctor",
    "app": "apps.app",
    "init": "admin.init",
    "protection": "admin.protection",
    "remove-everything": "admin.remove_everything",
    "import-multivisdom": "import_multivisdom.import_multivisdom",
}
"""Name of a command → its module and function in `commands`, in the order of the help page."""


class AllCommands(arguments.Commands):
    """The commands of COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _dot, function = COMMANDS[name].partition(".")
        command: click.Command = getattr(importlib.import_module(f"{__package__}.commands.{module}"), function)
        return command


@click.group(
    cls=AllCommands,
    invoke_without_command=True,
    no_args_is_help=False,
    context_settings={"help_option_names": ["--help"], "max_content_width": 100},
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
)
@click.option(
    "--user", metavar="NAME", help="Act for this user. Only root and the owner of a rootless gateway can do that."
)
@click.version_option(VERSION, message="vizgate %(version)s")
@click.pass_context
def cli(ctx: click.Context, user: str | None) -> None:
    """Publish what you run (visdom, TensorBoard, Jupyter, any web page) at a stable, password-protected address.

    A link leads from http://GATEWAY/USER/NAME/ to a host and port, or to a unix socket; a login is a name and password
    that open your links. A change is live when the command returns. Without a command, a menu opens on a terminal.

    Example:

    \b
      vizgate add train --kind tensorboard --port 6006
      vizgate login add alice
    """
    client.acting_user = user or ""
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if ctx.invoked_subcommand is None:
        if not arguments.is_interactive():
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        from . import menu

        menu.run()


def main() -> None:
    """Runs the command line, and ends the process; `start` calls it."""
    # print letters that the terminal's encoding lacks as escapes
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code: object = 0
    try:
        cli(prog_name="vizgate")
    except SystemExit as end:
        code = end.code
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        pass  # the reader of the pipe has gone
    # a regular exit of the interpreter takes longer than most commands
    os._exit(code if isinstance(code, int) else 1 if code else 0)
