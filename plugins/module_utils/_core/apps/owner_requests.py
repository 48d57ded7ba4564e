# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What owners ask for: the state of their apps, a restart, a log."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidData
from ..text import shown
from . import health
from .deployer import Deployer
from .releases import Release
from .units import Place


def apps_of(deployer: Deployer, user: str) -> list[dict[str, Any]]:
    """The user's apps: `{name, url, state, release, version, commit, at, releases}`; `release` is the one that serves."""
    found = []
    for owner, name in deployer.store.known():
        if owner == user:
            place = deployer.store.place(user, name)
            current = deployer.store.current(place)
            releases = [release._asdict() for release in deployer.store.record(user, name).releases]
            found.append(
                {
                    "name": name,
                    "url": place.url + "/",
                    "state": deployer.runner.keeper(place, current.supervisor).state(current.number)[0]
                    if current
                    else "none",
                    "release": current.number if current else 0,
                    "version": current.version if current else "",
                    "commit": current.commit if current else "",
                    "at": current.at if current else "",
                    "releases": releases,
                }
            )
    return found


def _own(deployer: Deployer, user: str, name: str) -> tuple[Place, Release]:
    """Where a user's app is, and what serves; raises InvalidData where there is none."""
    names = [known for owner, known in deployer.store.known() if owner == user]
    if name not in names:
        raise InvalidData([f"you have no app {shown(name)}; your apps: {', '.join(names) or 'none'}"])
    place = deployer.store.place(user, name)
    current = deployer.store.current(place)
    if current is None:
        raise InvalidData([f"your app {shown(name)} has no active release; see vizgate app logs {name} --build"])
    return place, current


def restart(deployer: Deployer, user: str, name: str) -> Release:
    """Restarts the release that serves; raises InvalidData, Locked, StepFailed."""
    place, current = _own(deployer, user, name)
    with deployer.store.alone(place):
        deployer.runner.keeper(place, current.supervisor).restart(current.number)
        health.start(deployer.runner, place, current)
    return current


def log(deployer: Deployer, user: str, name: str, build: bool) -> str:
    """The file of what a user's app, or the making of its releases, has said. It is the user's to read, and not root's."""
    if name not in [known for owner, known in deployer.store.known() if owner == user]:
        _own(deployer, user, name)
    place = deployer.store.place(user, name)
    return place.build_log if build else place.log
