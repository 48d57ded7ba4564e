# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of apps: their places, releases and secrets."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator

from .. import fs
from ..apply.gateway import Gateway
from ..errors import InvalidData, Locked
from ..host.system_accounts import account_problem
from ..model import urls
from ..model.app import APP, GENERATE, App, with_secrets
from ..model.entities import UserData
from ..model.names import name_problem
from ..model.policy import Policy
from ..text import shown
from . import units
from .host import Host
from .releases import SOURCE, Record, Release
from .units import Place

SECRET_CHARACTERS = 43


class ReleaseStore:
    """The records of one gateway's apps."""

    def __init__(self, gateway: Gateway, host: Host, policy: Policy) -> None:
        self.gateway, self.host, self.policy = gateway, host, policy
        self.state = os.path.join(gateway.paths.state, "apps")

    def place(self, user: str, name: str, *, leaving: bool = False) -> Place:
        """Where an app is; raises InvalidData for a user who can have none, unless it is `leaving`."""
        problem = name_problem("user", user)
        if not APP.fullmatch(name):
            problem = f"{shown(name)} is no app's name"
        account = None if problem else self.host.account(user)
        if account is None:
            problem = problem or f"user '{user}' has apps, but no account on this host; role accounts creates it"
        elif account[0] == 0:
            problem = f"user '{user}' has uid 0 and cannot have apps"
        elif not units.HOME.fullmatch(account[2]):
            problem = f"user '{user}': the home {account[2]!r} has characters other than letters, digits, '.', '_', '-' and '/'"
        elif not leaving:
            problem = account_problem(user, account[0]) or self.host.home_problem(user, account[2])
        if problem or account is None:
            raise InvalidData([problem or ""])
        prefix = urls.below(self.policy.url_style, f"/{user}/{name}/").rstrip("/")
        site = urls.site(self.policy.url, self.policy.url_style, user).rstrip("/")
        return Place(
            user=user,
            name=name,
            home=account[2].rstrip("/"),
            sockets=self.gateway.paths.sockets(user),
            prefix=prefix,
            url=site + prefix,
            state=self.state,
        )

    def record(self, user: str, name: str) -> Record:
        """What is remembered of an app."""
        path = os.path.join(self.state, user, name + ".json")
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            releases = tuple(Release(**release) for release in found["releases"])
            return Record(releases, str(found["settled"]), int(found["last"]))
        except FileNotFoundError:
            return Record()
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise InvalidData(
                [f"{path} is damaged ({error!r}); remove it, then the next run deploys the app again"]
            ) from None

    def known(self) -> list[tuple[str, str]]:
        """User and name of every app that is there."""
        found = []
        for user in fs.listed(self.state):
            names = [entry.removesuffix(".json") for entry in fs.listed(os.path.join(self.state, user))]
            found += [(user, name) for name in names if os.path.exists(os.path.join(self.state, user, name + ".json"))]
        return sorted(found)

    def current(self, place: Place) -> Release | None:
        """The release that the app's link leads to."""
        for link in self.gateway.registry.sources(place.user).get(SOURCE, UserData()).links:
            if link.name == place.name:
                number = units.number_of(place, link.socket)
                releases = {release.number: release for release in self.record(place.user, place.name).releases}
                return releases.get(number or 0)
        return None

    def write(self, place: Place, record: Record) -> None:
        """Remembers what is known of an app."""
        data = {**record._asdict(), "releases": [release._asdict() for release in record.releases]}
        self.secret_file(place.file("json"), json.dumps(data, indent=1) + "\n")

    @staticmethod
    def secret_file(path: str, text: str) -> None:
        """Writes a file that root alone reads."""
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fs.write(path, text)
        os.chmod(path, 0o600)

    def secrets(self, place: Place, app: App) -> dict[str, str]:
        """The app's secrets; those that are to be generated are, once, and kept."""
        path = place.file("secrets")
        known: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
            known = json.load(file)
        found = with_secrets(app, known, lambda: secrets.token_urlsafe(SECRET_CHARACTERS * 3 // 4))
        generated = {name: found[name] for name, value in app.secrets if value == GENERATE}
        if {**known, **generated} != known:
            self.secret_file(path, json.dumps({**known, **generated}) + "\n")
        return found

    @contextlib.contextmanager
    def alone(self, place: Place) -> Iterator[None]:
        """Holds an app for one who changes it; raises Locked."""
        path = place.file("lock")
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked("somebody else is changing this app now; try again when that is done") from None
            yield
