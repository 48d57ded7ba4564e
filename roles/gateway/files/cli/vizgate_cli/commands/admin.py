# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of root, or the owner of a rootless gateway: init, protection, remove-everything."""

from __future__ import annotations

import click

from .. import arguments


@click.command()
def init() -> None:
    """Repair the gateway (root).

    Finishes an interrupted change, publishes everything again, and starts the services.

    Example:

    \b
      sudo vizgate init
    """
    from .. import maintenance

    maintenance.repair()


@click.command()
@arguments.json_option
def protection(plain: bool) -> None:
    """Show which recommended protection is off (root).

    For each measure, shows what it protects against and which variable switches it on.

    Example:

    \b
      sudo vizgate protection
    """
    from .. import maintenance

    maintenance.print_protection(plain)


@click.command("remove-everything")
@click.option("--confirm", metavar="HOSTNAME", help="The name of this host; without it, the command asks.")
def remove_everything(confirm: str | None) -> None:
    """Remove all links and logins of all users (root).

    Writes an archive to /var/backups/vizgate first. The site policy is not removed.

    Example:

    \b
      sudo vizgate remove-everything --confirm "$(hostname)"
    """
    from .. import maintenance

    if confirm is None and not arguments.is_interactive():
        raise click.UsageError("Not a terminal: pass --confirm HOSTNAME.")
    maintenance.remove_everything(confirm)
