# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of root, or the owner of a rootless gateway: init, protection, remove-everything."""

from __future__ import annotations

import click

from .. import arguments


@click.command()
def init() -> None:
    """Make the gateway whole again (root).

    Finishes what was cut short, publishes everything anew, and starts the services.

    Example:

    \b
      sudo vizgate init
    """
    from .. import maintenance

    maintenance.repair()


@click.command()
@arguments.json_option
def protection(plain: bool) -> None:
    """Tell which of the recommended protection is off (root).

    What each measure protects from, and which variable switches it on.

    Example:

    \b
      sudo vizgate protection
    """
    from .. import maintenance

    maintenance.print_protection(plain)


@click.command("remove-everything")
@click.option("--confirm", metavar="HOSTNAME", help="The name of this host, instead of typing it.")
def remove_everything(confirm: str | None) -> None:
    """Take all links and logins away (root).

    Leaves an archive of what was there, of all users; the site policy stays.

    Example:

    \b
      sudo vizgate remove-everything --confirm "$(hostname)"
    """
    from .. import maintenance

    if confirm is None and not arguments.is_interactive():
        raise click.UsageError("Nobody is there to be asked: give --confirm HOSTNAME.")
    maintenance.remove_everything(confirm)
