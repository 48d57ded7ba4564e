# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells root, or the owner of a rootless gateway, which recommended protection is off; other users are refused."""

from __future__ import annotations

import click
from vizgate.diagnose import protection

from . import show
from .root import whole_gateway


def run(plain: bool) -> None:
    """One page: what is on, and what is off with its reason and what switches it on."""
    with whole_gateway("protection") as gateway:
        found = protection.measures(protection.facts(gateway))
    if plain:
        show.as_json([measure._asdict() for measure in found])
        return
    off = [measure for measure in found if not measure.on]
    on = ", ".join(measure.name for measure in found if measure.on)
    click.echo(f"on: {on or 'nothing'}")
    for measure in off:
        click.secho(f"off: {measure.name}: {show.clean(measure.why)}", fg="yellow")
        click.echo(f"  {show.clean(measure.fix)}")
    if off:
        click.echo("variables are those of the roles; run playbook site after a change")
