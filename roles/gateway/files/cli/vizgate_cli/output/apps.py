# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints users' apps and their releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from . import tables

_RELEASE = ("version", "commit", "at")


def print_apps(apps: Sequence[Mapping[str, Any]]) -> None:
    """Prints a user's apps, one per line."""
    if not apps:
        click.echo("you have no apps; apps are declared in your users file")
        return
    rows = [(app["name"], app["url"], app["state"], str(app["release"] or ""), app["version"]) for app in apps]
    tables.print_table(("app", "address", "state", "release", "version"), rows)


def print_releases(app: Mapping[str, Any]) -> None:
    """Prints the releases of an app, with a star after the one that serves."""
    rows = [
        (
            str(release["number"]) + (" *" if release["number"] == app["release"] else ""),
            *(tables.clean(release[key]) for key in _RELEASE),
        )
        for release in app["releases"]
    ]
    tables.print_table(("release", *_RELEASE), rows)
