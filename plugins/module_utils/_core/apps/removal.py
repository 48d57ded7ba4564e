# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removal of apps. Removing files in a user's home is best effort; removing root's records of the app always happens."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

from .. import fs
from ..errors import CommandFailed, InvalidData, StepFailed
from ..model.app import POSTGRESQL, SYSTEMD, database_name
from ..model.names import name_problem
from ..text import shown
from . import scripts
from .host import Host
from .link_switch import LinkSwitch
from .release_store import ReleaseStore
from .step_runner import StepRunner
from .supervisors import Keeper, Systemd
from .units import Place, Step

STEP_SECONDS = 120
"""How long removing an app's files may take, as the owner, who may have made it hard."""
SYSTEMD_FOLDERS = tuple(
    f"{folder}/{kind}" for folder in ("etc/systemd", "run/systemd") for kind in ("system", "system.control")
)
"""Where unit files and their drop-ins are, below /."""


class Removed(NamedTuple):
    """What a removal did, and what went wrong on the way."""

    steps: list[dict[str, str]]
    problems: list[str]


class Folders(NamedTuple):
    """Where root keeps what it knows about apps."""

    root: str
    state: str
    logs: str
    """Where logs were before they were in their owners' homes."""

    def of(self, user: str) -> tuple[str, str]:
        """The folders of one user."""
        return os.path.join(self.state, user), os.path.join(self.logs, user)


class Owner(NamedTuple):
    """How a removal acts as the app's owner."""

    place: Place
    keepers: list[Keeper]
    run: Callable[[Step], object]
    """Raises StepFailed."""


def stop(host: Host, user: str, name: str, folders: Folders) -> list[str]:
    """Stops and removes the systemd units of an app; needs no account. Returns what went wrong."""
    place = Place(user, name, "/nonexistent", "", "", "", folders.state)
    try:
        Systemd(host, place).remove_all()
    except CommandFailed as error:
        return [str(error)]
    return []


def remove_files(owner: Owner, *, keep_data: bool) -> list[str]:
    """Removes an app's files as its owner. Returns what went wrong, which is no reason to stop."""
    place = owner.place
    problems = []
    for keeper in owner.keepers:
        try:
            keeper.remove_all()
        except (StepFailed, CommandFailed) as error:
            unit = f"vizgate-supervisord@{place.user}.service"
            problems.append(f"{error}; processes of the app may still run; end them with: systemctl restart {unit}")
    script = scripts.KEEP_DATA if keep_data else scripts.REMOVE_ALL
    try:
        owner.run(Step("remove", script, (place.folder,), seconds=STEP_SECONDS))
    except StepFailed as error:
        said = "".join(f"\n    {line}" for line in error.lines)
        problems.append(f"{error}; {place.user} has to remove the rest of {place.folder}{said}")
    return problems


def _forget_app(folders: Folders, user: str, name: str, *, secrets: bool, logs: bool) -> None:
    """Removes what root keeps about an app; generated `secrets` and `logs` only if asked for."""
    state_folder, logs_folder = folders.of(user)
    for entry in fs.listed(state_folder):
        if entry.startswith(name + ".") and (secrets or entry != f"{name}.secrets"):
            os.unlink(os.path.join(state_folder, entry))
    if logs:
        for entry in fs.listed(logs_folder):
            if entry.startswith((f"{name}.log", f"{name}.build.log")):
                os.unlink(os.path.join(logs_folder, entry))
    for folder in (state_folder, logs_folder):
        with contextlib.suppress(OSError):  # other apps have files in it
            os.rmdir(folder)


def forget_user(host: Host, folders: Folders, user: str, *, check: bool = False) -> Removed:
    """Removes everything that root keeps about all apps of a user who leaves, of those removed earlier as well.

    Without it a later user of the name would get the secrets and logs of the first.
    """
    problem = name_problem("user", user)
    if problem:
        return Removed([], [problem])
    names = sorted({entry.partition(".")[0] for folder in folders.of(user) for entry in fs.listed(folder)})
    steps = [
        {"action": "forget", "app": f"{user}/{name}", "url": f"/{user}/{name}/", "data": "secrets and logs removed"}
        for name in names
    ]
    if check:
        return Removed(steps, [])
    problems = []
    units = _units(folders.root, user)
    try:
        for unit in sorted({f"vizgate-supervisord@{user}.service", *(name for name, _path in units)}):
            host.systemctl("disable", "--now", "--quiet", unit, check=False)
        for _unit, path in units:
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        if units:
            host.systemctl("daemon-reload")
    except (CommandFailed, FileNotFoundError) as error:
        problems.append(f"units of {user}: {error}")
    for folder in folders.of(user):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass  # the user had no app
        except OSError as error:
            problems.append(f"{folder}: {error}; remove it, or a later {shown(user)} inherits it")
    return Removed(steps, problems)


def _units(root: str, user: str) -> list[tuple[str, str]]:
    """Name and path of unit files, drop-in folders and links in `….wants` that are for one user."""
    prefixes = (f"vizgate-app-{user}:", f"vizgate-app-step-{user}:")
    names = (f"vizgate-supervisord@{user}.service", f"vizgate-sockets@{user}.service")
    found = []
    for folder in SYSTEMD_FOLDERS:
        top = os.path.join(root, folder)
        wants = [os.path.join(top, entry) for entry in fs.listed(top) if entry.endswith((".wants", ".requires"))]
        for parent in (top, *wants):
            for entry in fs.listed(parent):
                unit = entry.removesuffix(".d")
                if unit in names or unit.startswith(prefixes):
                    found.append((unit, os.path.join(parent, entry)))
    return found


class Remover:
    """Removes single apps."""

    def __init__(self, store: ReleaseStore, runner: StepRunner, links: LinkSwitch) -> None:
        self.store, self.runner, self.links = store, runner, links

    @property
    def folders(self) -> Folders:
        """Where root keeps what it knows about apps."""
        root = self.store.gateway.paths.root
        return Folders(root, self.store.state, os.path.join(root, "var/log/vizgate"))

    def remove(self, user: str, name: str, check: bool) -> Removed:
        """Stops an app that is not declared any more and removes its releases; its data stay unless told otherwise."""
        keep, forget = not self.runner.settings.remove_data, self.runner.settings.forget
        account = self.store.host.account(user)
        folder = f"{account[2]}/apps/{name}/shared" if account else "nowhere, the account is gone"
        # a release that is kept may be from before the app went to another
        databases = {release.database for release in self.store.record(user, name).releases}
        database = database_name(user, name) if POSTGRESQL in databases else ""
        step = {
            "action": "remove",
            "app": f"{user}/{name}",
            "url": f"/{user}/{name}/",
            "data": (f"kept in {folder}" if keep else "removed") + (f", and database {database}" if database else ""),
        }
        if check:
            return Removed([step], [])
        self.links.declare(user, {link.name: link for link in self.links.links(user) if link.name != name})
        problems = stop(self.store.host, user, name, self.folders)
        # of who leaves nothing runs any more, and the home goes as a whole
        if account and not forget:
            try:
                problems += remove_files(self._as_owner(user, name), keep_data=keep)
            except InvalidData as error:
                problems += error.problems
        if database and not keep:
            self.store.host.drop_database(database)
        _forget_app(self.folders, user, name, secrets=forget or not keep, logs=forget or not keep)
        return Removed([step], problems)

    def _as_owner(self, user: str, name: str) -> Owner:
        place = self.store.place(user, name, leaving=True)
        supervisors = {release.supervisor for release in self.store.record(user, name).releases} - {SYSTEMD}
        keepers = [self.runner.keeper(place, supervisor) for supervisor in sorted(supervisors)]
        return Owner(place, keepers, lambda step: self.runner.run(place, None, step))
