# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command import-multivisdom: takes over the links and logins of multivisdom_proxy's script."""

from __future__ import annotations

import os

import click

from .. import client
from ..output import plans, tables


@click.command("import-multivisdom")
@click.argument("folder", metavar="[FOLDER]", required=False)
@click.option("--check", is_flag=True, help="Only show what would be imported.")
def import_multivisdom(folder: str | None, check: bool) -> None:
    """Import the multivisdom script's links and logins (root).

    Reads the script's files in FOLDER, by default /etc/nginx/sites-available/multivisdom. If a user already has a link or
    login with the same name, it is not changed. If some lines are refused, the rest is imported, and the exit code is 1.

    Example:

    \b
      sudo vizgate import-multivisdom --check
    """
    # the core takes long to import, and the help page needs none of it
    from vizgate.apply.change import Options
    from vizgate.errors import InvalidData
    from vizgate.migrate import multivisdom
    from vizgate.model.entities import UserData
    from vizgate.model.sources import SELF
    from vizgate.registry.store import Registry

    from ..maintenance import whole_gateway

    refused: list[str] = []
    with whole_gateway("import-multivisdom") as gateway:
        policy = gateway.registry.policy()
        folder = folder or os.path.join(client.ROOT, "etc/nginx/sites-available/multivisdom")
        try:
            found = multivisdom.read(folder, policy, multivisdom.unix_account if client.ROOT == "/" else None)
        except InvalidData as error:
            raise client.refused(*error.problems) from None

        def declaration(registry: Registry) -> dict[str, UserData]:
            declared, problems = multivisdom.merge(found, registry.sources, policy)
            refused[:] = [*problems, *found.refused]
            return declared

        outcome = gateway.declare(SELF, declaration, Options(check=check, diff=False))
    for line in multivisdom.bounded(found.adapted):
        click.echo(f"note: {tables.clean(line)}")
    if check:
        click.echo("nothing was changed; without --check, this would be done:")
    plans.print_plan({"plan": outcome.plan})
    if outcome.reload:
        tables.print_problems(
            ["nginx does not run with the gateway's configuration; a start or reload makes it serve the links"]
        )
    actions = [step["action"] for step in outcome.plan]
    click.echo(
        f"{actions.count('add')} links and {actions.count('add login')} logins imported, {len(refused)} lines refused"
    )
    if refused:
        raise client.refused(*multivisdom.bounded(refused))
