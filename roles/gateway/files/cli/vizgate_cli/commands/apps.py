# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands about web apps: app list, releases, restart, logs."""

from __future__ import annotations

import click

from .. import arguments, client
from ..output import apps as output
from ..output import logs, tables


@click.group(cls=arguments.Commands, no_args_is_help=False)
def app() -> None:
    """List and restart your web apps, and show their logs.

    Your users file declares the apps and their versions; the gateway deploys them from git.
    """


@app.command("list")
@arguments.json_option
def list_apps(plain: bool) -> None:
    """List your apps, with their state and release.

    Example:

    \b
      vizgate app list
    """
    apps = client.get_apps()
    if plain:
        tables.print_json(apps)
    else:
        output.print_apps(apps)


@app.command("releases")
@click.argument("name", shell_complete=arguments.app_names)
@arguments.json_option
def list_releases(name: str, plain: bool) -> None:
    """List the kept releases of your app NAME.

    The administrator can go back to one with the playbook app_rollback.

    Example:

    \b
      vizgate app releases flasktasks
    """
    found_app = client.find_app(name)
    if plain:
        tables.print_json(found_app["releases"])
    else:
        output.print_releases(found_app)


@app.command("restart")
@click.argument("name", shell_complete=arguments.app_names)
def restart_app(name: str) -> None:
    """Restart your app NAME, and wait until it answers.

    Requests fail during the restart; during the deployment of a new release none fails.

    Example:

    \b
      vizgate app restart flasktasks
    """
    click.echo(f"restarted {name}, release {client.send({'do': 'restart_app', 'name': name})['release']}")


@app.command("logs")
@click.argument("name", shell_complete=arguments.app_names)
@click.option("--build", is_flag=True, help="Show the log of fetching, building and migrating instead.")
@click.option("--follow", "-f", is_flag=True, help="Also print new lines, until ctrl-C.")
@arguments.lines_option(50)
def app_logs(name: str, build: bool, follow: bool, lines: int) -> None:
    """Show the log of your app NAME, newest last.

    Example:

    \b
      vizgate app logs flasktasks --follow
      vizgate app logs flasktasks --build
    """
    logs.print_app_log({"do": "app_log", "name": name, "which": "build" if build else "app"}, lines, follow)
