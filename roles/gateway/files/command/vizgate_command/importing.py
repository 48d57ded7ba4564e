# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes over the links and logins of multivisdom_proxy's script, for root or the owner of a rootless gateway."""

from __future__ import annotations

import os

import click
from vizgate.apply.gateway import SELF
from vizgate.migrate import multivisdom
from vizgate.model.data import InvalidData, UserData
from vizgate.registry.store import Registry

from . import show, talk
from .root import whole_gateway


def run(folder: str | None, check: bool) -> None:
    """Imports what can be, and tells what was adapted or refused; with `check`, only tells."""
    rootless = talk.ROOT != "/"
    refused: list[str] = []
    with whole_gateway("import-multivisdom") as gateway:
        policy = gateway.registry.policy()
        folder = folder or os.path.join(talk.ROOT, "etc/nginx/sites-available/multivisdom")
        try:
            found = multivisdom.read(folder, policy, None if rootless else multivisdom.unix_account)
        except InvalidData as error:
            raise talk.refused(*error.problems) from None

        def declaration(registry: Registry) -> dict[str, UserData]:
            declared, problems = multivisdom.merge(found, registry.sources, policy)
            refused[:] = [*problems, *found.refused]
            return declared

        outcome = gateway.declare(SELF, declaration, check=check, diff=False)
    for line in multivisdom.bounded(found.adapted):
        click.echo(f"note: {show.clean(line)}")
    if check:
        click.echo("nothing is changed yet; without --check:")
    show.results({"plan": outcome.plan})
    if outcome.reload:
        show.problems(
            ["nginx does not run with the gateway's configuration; a start or reload makes it serve the links"]
        )
    done = [step["action"] for step in outcome.plan]
    click.echo(f"{done.count('add')} links and {done.count('add login')} logins imported, {len(refused)} lines refused")
    if refused:
        raise talk.refused(*multivisdom.bounded(refused))
