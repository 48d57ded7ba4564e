# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of apps: fetch, build, migrate, start, look, switch, reap. What fails leaves the release before it serving."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .. import fs
from ..apply.change import Options
from ..apply.gateway import Gateway
from ..errors import CommandFailed, InvalidData, Locked, NginxRefused, NotServed, StepFailed, Unavailable
from ..host.system_accounts import account_problem
from ..model import urls
from ..model.app import APP, GENERATE, NONE, POSTGRESQL, SUPERVISORD, SYSTEMD, App, database_name, with_secrets
from ..model.entities import Link, UserData
from ..model.names import name_problem
from ..model.policy import Policy
from ..model.sources import effective_items
from ..registry.store import Registry
from ..text import shown
from . import removal, scripts, turns, units
from .host import TAIL_LINES, Host
from .supervisors import Keeper, Supervisord, Systemd
from .units import Place, Step

SOURCE = "apps"
CRASHES = 3
"""So many restarts while a release is looked at are too many."""
DRAIN_SECONDS = 2.0
"""After a switch, until the release before is told to end: requests that were routed to it have arrived by then."""
SECRET_CHARACTERS = 43
GRACE_SECONDS = 60
"""After a step's own limit, which systemd keeps, until it is given up altogether."""
TAIL_SECONDS = 10
"""How long reading the end of a log may take, which is whatever the owner has put there."""
STEPS_PER_USER = 2
"""The apps of one user may take so many times as long, in one run, as one step may."""


class Settings(NamedTuple):
    """What the site says about all apps."""

    keep_releases: int = 3
    health_seconds: int = 60
    step_seconds: int = 900
    step_memory: str = "2G"
    uv: str = "/usr/local/lib/vizgate/uv/bin/uv"
    python: str = "/usr/bin/python3"
    conda: str = "/usr/local/lib/vizgate/conda/bin/conda-environment"
    """The program that makes environments of conda packages; the Python that it wants is beside it."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables of the steps that fetch and build, like those of a proxy."""
    remove_data: bool = False
    forget: bool = False
    """Whether an app that is removed leaves nothing outside of its owner's home, as the owner leaves."""


class Release(NamedTuple):
    """A release that has served, or is about to."""

    number: int
    version: str
    commit: str
    at: str
    prefix: str
    """Whether the gateway keeps the app's prefix for it, or strips it."""
    health: str
    supervisor: str = SYSTEMD
    database: str = NONE


class Record(NamedTuple):
    """What is remembered of an app; which release serves is in the registry, with its link."""

    releases: tuple[Release, ...] = ()
    settled: str = ""
    """What was declared when the app was last brought to where it is, as a digest."""
    last: int = 0
    """The last number that was given to a release."""


class Outcome(NamedTuple):
    """What a run did, or in check mode would do."""

    plan: list[dict[str, str]]
    problems: list[str]


class Deployer:
    """Brings the apps of one gateway to where they are declared."""

    def __init__(
        self, gateway: Gateway, settings: Settings, host: Host | None = None, *, imagined: bool = False
    ) -> None:
        """`imagined`: in check mode, a host need not be a gateway yet."""
        self.gateway, self.settings, self.host = gateway, settings, host or Host()
        self.policy = gateway.registry.policy(new_policy=Policy() if imagined else None)
        self.state = os.path.join(gateway.paths.state, "apps")
        self.logs = os.path.join(gateway.paths.root, "var/log/vizgate")

    # where things are, and how they stand

    def place(self, user: str, name: str, *, leaving: bool = False) -> Place:
        """Where an app is; raises InvalidData for a user who can have none, unless it is `leaving`."""
        problem = name_problem("user", user)
        if not APP.fullmatch(name):
            problem = f"{shown(name)} is no app's name"
        account = None if problem else self.host.account(user)
        if account is None:
            problem = problem or f"user '{user}' has apps, but no account on this host; role accounts creates it"
        elif account[0] == 0:
            problem = f"user '{user}' is root by another name, and may have no apps"
        elif not units.HOME.fullmatch(account[2]):
            problem = f"user '{user}': the home {account[2]!r} has others than letters, digits, '.', '_' and '-'"
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
            raise InvalidData([f"{path} is damaged ({error!r}); remove it, and the app is deployed anew"]) from None

    def known(self) -> list[tuple[str, str]]:
        """User and name of every app that is there."""
        found = []
        for user in removal.listed(self.state):
            names = [entry.removesuffix(".json") for entry in removal.listed(os.path.join(self.state, user))]
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

    def _write(self, place: Place, record: Record) -> None:
        data = {**record._asdict(), "releases": [release._asdict() for release in record.releases]}
        self._secret_file(place.file("json"), json.dumps(data, indent=1) + "\n")

    @staticmethod
    def _secret_file(path: str, text: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fs.write(path, text)
        os.chmod(path, 0o600)

    def _secrets(self, place: Place, app: App) -> dict[str, str]:
        """The app's secrets; those that are to be generated are, once, and kept."""
        path = place.file("secrets")
        known: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
            known = json.load(file)
        found = with_secrets(app, known, lambda: secrets.token_urlsafe(SECRET_CHARACTERS * 3 // 4))
        generated = {name: found[name] for name, value in app.secrets if value == GENERATE}
        if {**known, **generated} != known:
            self._secret_file(path, json.dumps({**known, **generated}) + "\n")
        return found

    def digest(self, place: Place, app: App) -> str:
        """What a release is made from: another digest is another release."""
        made = [app.as_json(), units.unit(place, app, 0), units.program(place, app, 0), self.settings.python]
        # the secrets are in the first of these
        made.append(units.variables(place, app, 0, {}))
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()

    def _keeper(self, place: Place, supervisor: str) -> Keeper:
        """Who keeps a release running."""
        if supervisor == SUPERVISORD:
            return Supervisord(self.host, place, lambda step, number: self._run(place, None, step, number))
        return Systemd(self.host, place)

    def _keepers(self, place: Place, *more: str) -> list[Keeper]:
        """All who may keep one of an app's releases running."""
        record = self.record(place.user, place.name)
        supervisors = {SYSTEMD, *more, *(release.supervisor for release in record.releases)}
        return [self._keeper(place, supervisor) for supervisor in sorted(supervisors)]

    # all apps

    def converge(
        self,
        declared: Mapping[str, tuple[App, ...]],
        *,
        only: str = "",
        update: bool = False,
        check: bool = False,
        spared: Collection[str] = (),
    ) -> Outcome:
        """Brings apps to where they are declared, and removes those that are not declared any more.

        `only` is one app, like `alice/flasktasks`; with `update` a branch is followed to where it is now. Of the users who
        are `spared` nothing is known, and nothing removed. What goes wrong with one app is a problem of its own, and the
        apps of one user do not wait for those of another.
        """
        wanted: dict[str, dict[str, App | None]] = {}
        """Of each user, what each app is to be; None for one that is to go."""
        for user, apps in declared.items():
            wanted[user] = {app.name: app for app in apps}
        if only:
            user, _slash, name = only.partition("/")
            if name not in wanted.get(user, {}):
                return Outcome([], [f"app {only} is not declared in any users file"])
            wanted = {user: {name: wanted[user][name]}}
        else:
            for user, name in self.known():
                if user not in spared:
                    wanted.setdefault(user, {}).setdefault(name, None)

        def of_user(user: str) -> Outcome:
            return self._converge_user(user, wanted[user], update=update, check=check)

        return _joined(turns.for_each(sorted(wanted), of_user).values())

    def _converge_user(self, user: str, wanted: Mapping[str, App | None], *, update: bool, check: bool) -> Outcome:
        outcome = Outcome([], [])
        seconds = STEPS_PER_USER * self.settings.step_seconds
        end = self.host.now() + seconds
        # what is to go makes room first
        for name, app in sorted(wanted.items(), key=lambda item: (item[1] is not None, item[0])):
            if self.host.now() >= end:
                outcome.problems.append(
                    f"app {user}/{name}: not begun, as the user's apps took {seconds} s; run it again"
                )
            elif app is None:
                self._attempt_removal(outcome, user, name, check)
            else:
                self._attempt(
                    outcome, user, name, lambda app=app: self._converge(user, app, update=update, check=check)
                )
        return outcome

    @staticmethod
    def _attempt(outcome: Outcome, user: str, name: str, work: Any) -> None:
        label = f"app {user}/{name}"
        try:
            outcome.plan.extend(work())
        except StepFailed as error:
            tail = "".join(f"\n    {line}" for line in error.lines)
            log = f"; in {error.log}:{tail}" if error.lines else ""
            outcome.problems.append(f"{label}: {error}{log}")
        except InvalidData as error:
            outcome.problems.extend(f"{label}: {problem}" for problem in error.problems)
        except (Unavailable, OSError) as error:
            outcome.problems.append(f"{label}: {error}")
        except Exception as error:  # a defect that one app meets must not keep all others where they are
            outcome.problems.append(f"{label}: {error!r}, which is a defect of vizgate's; please report it")

    def _converge(self, user: str, app: App, *, update: bool, check: bool) -> list[dict[str, str]]:
        if check and not name_problem("user", user) and self.host.account(user) is None:
            # it may be one of those that the same run would create
            return [_step("deploy", user, app.name, app.version, None)]
        place = self.place(user, app.name)
        current, record = self.current(place), self.record(user, app.name)
        digest = self.digest(place, app)
        self._refuse_conflict(place)
        if current is None or update or record.settled != digest:
            step = _step("deploy" if current is None else "update", user, app.name, app.version, current)
            if check:
                return [step]
            self._refuse_database(place, app)
            with self._alone(place):
                release = self._deploy(place, app, digest)
            if current and update and release is None:
                return []
            return [{**step, "now": _told(release) if release else ""}]
        if self._is_well(place, current):
            return []
        if not check:
            with self._alone(place):
                self._put_right(place, current)
        return [_step("start", user, app.name, current.version, current)]

    def _refuse_conflict(self, place: Place) -> None:
        sources = self.gateway.registry.sources(place.user)
        others = {source: data for source, data in sources.items() if source != SOURCE}
        links = effective_items(others, lambda data: data.links)
        if place.name in links:
            raise InvalidData(
                [f"a link of this name belongs to source '{links[place.name][0]}'; remove it there, or rename the app"]
            )

    def _refuse_database(self, place: Place, app: App) -> None:
        if app.database != POSTGRESQL:
            return
        owner = self.host.database_owner(place.database)
        if not owner:
            raise InvalidData(
                [f"database {place.database} is not there; role database makes it, or tells why it did not"]
            )
        # their functions would run with the rights of the app
        if owner != place.user:
            raise InvalidData(
                [
                    f"database {place.database} belongs to {shown(owner)}; rename or drop it, or give the app another name"
                ]
            )

    @contextlib.contextmanager
    def _alone(self, place: Place) -> Iterator[None]:
        path = place.file("lock")
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked("somebody else is changing this app now; try again when that is done") from None
            yield

    # one release

    def _deploy(self, place: Place, app: App, digest: str) -> Release | None:
        """Makes a release and puts it in the place of the one before; None where an update finds nothing newer."""
        record, before = self.record(place.user, place.name), self.current(place)
        self._secret_file(place.file("step.env"), units.environment_file(dict(self.settings.environment)))
        self._sweep(place, record, before, app.supervisor)
        number = record.last + 1
        # the number is given before anything has it, so that nothing left of a failure is ever taken for a release
        record = record._replace(last=number)
        self._write(place, record)
        variables = units.variables(place, app, number, self._secrets(place, app))
        self._secret_file(place.file(f"{number}.env"), units.environment_file(variables))
        try:
            commit = ""
            settings = self.settings
            for step in units.steps(place, app, number, settings.uv, settings.python, settings.conda):
                lines = self._run(place, app, step, number)
                if step.name == "fetch":
                    commit = next((line[7:] for line in reversed(lines) if line.startswith("commit ")), "")[:64]
                    if before and before.commit == commit and record.settled == digest:
                        self._discard(place, number, app.supervisor)
                        return None
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            prefix = "strip" if app.asgi else "keep"
            release = Release(number, app.version, commit, at, prefix, app.health, app.supervisor, app.database)
            self._keeper(place, app.supervisor).prepare(app, number, variables)
            self._start(place, release)
            self._write(place, record._replace(releases=(*record.releases, release)))
            self._switch(place, release, app.description)
        except BaseException:
            self._discard(place, number, app.supervisor)
            self._write(place, record)
            raise
        self._settle(place, release, before, digest)
        return release

    def _run(self, place: Place, app: App | None, step: Step, number: int = 0) -> list[str]:
        """Runs a step as the owner, and returns the last lines of what it said; raises StepFailed."""
        files = {units.APP: place.file(f"{number}.env"), units.SITE: place.file("step.env")}
        seconds = step.seconds or self.settings.step_seconds
        command = units.command(
            place,
            app,
            step,
            environment=files.get(step.environment, ""),
            memory=self.settings.step_memory,
            seconds=seconds,
        )
        start = self.host.now()
        code, reason, lines = self.host.run(command, seconds + GRACE_SECONDS)
        if reason:
            self.host.systemctl("stop", place.step_unit, check=False)
        if code != 0:
            late = self.host.now() - start >= seconds
            raise StepFailed(
                step.name,
                f"not done after {seconds} s" if late else reason or f"exit code {code}",
                place.build_log,
                lines,
            )
        return lines

    def _start(self, place: Place, release: Release) -> None:
        """Starts a release, which nobody is led to yet, and waits until it answers."""
        keeper = self._keeper(place, release.supervisor)
        step, reason = "start", ""
        try:
            keeper.start(release.number)
            step, reason = "health", self._unhealthy(place, release, keeper)
        except CommandFailed:
            reason = f"release {release.number} does not start"
        if reason:
            raise StepFailed(step, reason, place.log, self._said(place) + keeper.said(release.number))

    def _said(self, place: Place) -> list[str]:
        """The last lines of what an app has said, read by its owner.

        That is fenced, as the app may have put a link to one of the owner's keys there, and administrators see what is read.
        """
        words = (place.log, str(TAIL_LINES))
        step = Step("tail", scripts.TAIL, words, writable=(place.log_folder,), seconds=TAIL_SECONDS, quiet=True)
        try:
            return self._run(place, None, step)
        except StepFailed as error:
            return error.lines

    def _unhealthy(self, place: Place, release: Release, keeper: Keeper) -> str:
        """Waits until a release answers as it should; why it does not, or nothing."""
        path = (place.prefix if release.prefix == "keep" else "") + (release.health or "/")
        site = urlsplit(place.url)
        headers = {"Host": site.netloc or "localhost", "X-Forwarded-Proto": site.scheme or "http"}
        good = range(200, 400) if release.health else range(200, 500)
        end = self.host.now() + self.settings.health_seconds
        answer: int | str = "no answer"
        while self.host.now() < end:
            state, restarts = keeper.state(release.number)
            if state in ("failed", "inactive") or restarts >= CRASHES:
                return f"it does not stay up: release {release.number} is {state}, and was restarted {restarts} times"
            answer = self.host.ask(place.socket(release.number), path, headers)
            if answer in good:
                return ""
            self.host.sleep(0.2)
        said = f"status {answer}" if isinstance(answer, int) else answer
        return f"GET {path} has no good answer after {self.settings.health_seconds} s, the last was: {said}"

    def _switch(self, place: Place, release: Release, description: str = "") -> None:
        """Leads the app's link to a release; that is live at once, without a reload, or it is not done."""
        former = {link.name: link for link in self._links(place.user)}
        known = former.get(place.name)
        link = Link(
            place.name,
            kind="wsgi" if release.prefix == "keep" else "http",
            prefix=release.prefix,
            socket=place.socket(release.number),
            description=description or (known.description if known else ""),
        )
        self._declare(place.user, {**former, place.name: link})

    def _links(self, user: str) -> tuple[Link, ...]:
        return self.gateway.registry.sources(user).get(SOURCE, UserData()).links

    def _declare(self, user: str, links: Mapping[str, Link]) -> None:
        def declaration(registry: Registry) -> dict[str, UserData]:
            data = registry.sources(user).get(SOURCE, UserData())
            return {user: data._replace(links=tuple(links[name] for name in sorted(links)))}

        try:
            self.gateway.declare(SOURCE, declaration, Options(diff=False, require_live=True))
        except (InvalidData, NginxRefused, NotServed) as error:
            raise StepFailed("switch", str(error)) from None

    def _settle(self, place: Place, release: Release, before: Release | None, digest: str) -> None:
        """After a switch: the release starts at boot, the one before ends, and the oldest go."""
        record = self.record(place.user, place.name)
        self._keeper(place, release.supervisor).settle(release.number)
        if before and before.number != release.number:
            self.host.sleep(DRAIN_SECONDS)
            self._keeper(place, before.supervisor).retire(before.number)
        others = [other for other in record.releases if other.number != release.number]
        kept = others[len(others) - min(len(others), max(self.settings.keep_releases - 1, 0)) :]
        gone = [other for other in others if other not in kept]
        releases = tuple(sorted((*kept, release)))
        self._write(place, Record(releases, digest, record.last))
        for supervisor in {other.supervisor for other in gone}:
            numbers = [other.number for other in gone if other.supervisor == supervisor]
            self._keeper(place, supervisor).remove(numbers)
        self._drop(place, [other.number for other in gone])

    def _drop(self, place: Place, numbers: list[int]) -> None:
        """Removes what is left of releases that run no more: variables, and their folders by the owner's hand."""
        for number in numbers:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place.file(f"{number}.env"))
        if numbers:
            words = (place.folder, *map(str, numbers))
            step = Step("reap", scripts.REMOVE, words, seconds=units.CONTROL_SECONDS)
            with contextlib.suppress(StepFailed):  # what is left behind is the owner's own room
                self._run(place, None, step)

    def _discard(self, place: Place, number: int, supervisor: str) -> None:
        """Takes a release back that did not come to serve."""
        with contextlib.suppress(StepFailed):  # what went wrong first is what counts
            self._keeper(place, supervisor).remove([number])
        self._drop(place, [number])

    def _sweep(self, place: Place, record: Record, current: Release | None, supervisor: str) -> None:
        """Ends what a run that was cut short has left behind."""
        self.host.systemctl("stop", place.step_unit, check=False)
        for keeper in self._keepers(place, supervisor):
            keeper.sweep({release.number for release in record.releases}, current.number if current else 0)

    # what is there already

    def _is_well(self, place: Place, current: Release) -> bool:
        keeper = self._keeper(place, current.supervisor)
        return keeper.state(current.number)[0] in ("active", "activating") and keeper.is_settled(current.number)

    def _put_right(self, place: Place, current: Release) -> None:
        self._keeper(place, current.supervisor).settle(current.number)
        self._start(place, current)

    # going back

    def roll_back(self, user: str, name: str, number: int = 0, check: bool = False) -> Outcome:
        """Lets the release before the one that serves, or the one of a `number`, serve again."""
        outcome = Outcome([], [])
        self._attempt(outcome, user, name, lambda: self._roll_back(user, name, number, check))
        return outcome

    def _roll_back(self, user: str, name: str, number: int, check: bool) -> list[dict[str, str]]:
        place = self.place(user, name)
        record, current = self.record(user, name), self.current(place)
        if current is None:
            raise InvalidData(["it has no release that serves; deploy it first"])
        earlier = [release for release in record.releases if release.number < current.number]
        chosen = [release for release in record.releases if release.number == number] if number else earlier[-1:]
        if not chosen:
            there = ", ".join(str(release.number) for release in record.releases if release != current) or "none"
            raise InvalidData(
                [f"there is no {f'release {number}' if number else 'release before'} to go back to; kept: {there}"]
            )
        target = chosen[0]
        if target == current:
            return []
        step = {**_step("roll back", user, name, target.version, current), "now": _told(target)}
        if not check:
            with self._alone(place):
                try:
                    self._start(place, target)
                    self._switch(place, target)
                except BaseException:
                    self._keeper(place, target.supervisor).retire(target.number)
                    raise
                # settled as it was declared: the next converge leaves the app where it has been put
                self._settle(place, target, current, record.settled)
        return [step]

    # what owners ask for

    def shown(self, user: str) -> list[dict[str, Any]]:
        """The user's apps: `{name, url, state, release, version, commit, at, releases}`; `release` is the one that serves."""
        found = []
        for owner, name in self.known():
            if owner == user:
                place = self.place(user, name)
                current = self.current(place)
                releases = [release._asdict() for release in self.record(user, name).releases]
                found.append(
                    {
                        "name": name,
                        "url": place.url + "/",
                        "state": self._keeper(place, current.supervisor).state(current.number)[0]
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

    def _own(self, user: str, name: str) -> tuple[Place, Release]:
        """Where a user's app is, and what serves; raises InvalidData where there is none."""
        names = [known for owner, known in self.known() if owner == user]
        if name not in names:
            raise InvalidData(
                [f"you have no app {shown(name)}; {'there are: ' + ', '.join(names) if names else 'there is none'}"]
            )
        place = self.place(user, name)
        current = self.current(place)
        if current is None:
            raise InvalidData(
                [f"your app {shown(name)} has no release that serves; see vizgate app logs {name} --build"]
            )
        return place, current

    def restart(self, user: str, name: str) -> Release:
        """Restarts the release that serves; raises InvalidData, Locked, StepFailed."""
        place, current = self._own(user, name)
        with self._alone(place):
            self._keeper(place, current.supervisor).restart(current.number)
            self._start(place, current)
        return current

    def log(self, user: str, name: str, build: bool) -> str:
        """The file of what a user's app, or the making of its releases, has said. It is the user's to read, and not root's."""
        if name not in [known for owner, known in self.known() if owner == user]:
            self._own(user, name)
        place = self.place(user, name)
        return place.build_log if build else place.log

    # what is not declared any more

    def remove(self, user: str = "", check: bool = False) -> Outcome:
        """Removes all apps, or all of one user's."""
        outcome = Outcome([], [])
        for owner, name in self.known():
            if user in ("", owner):
                self._attempt_removal(outcome, owner, name, check)
        if user and self.settings.forget:
            forgotten = removal.forget_user(self.host, self._folders, user, check=check)
            removed = {step["app"] for step in outcome.plan}
            outcome.plan.extend(step for step in forgotten.steps if step["app"] not in removed)
            outcome.problems.extend(f"apps of {user}: {problem}" for problem in forgotten.problems)
        return outcome

    @property
    def _folders(self) -> removal.Folders:
        return removal.Folders(self.gateway.paths.root, self.state, self.logs)

    def _attempt_removal(self, outcome: Outcome, user: str, name: str, check: bool) -> None:
        def work() -> list[dict[str, str]]:
            removed = self._remove(user, name, check)
            outcome.problems.extend(f"app {user}/{name}: {problem}" for problem in removed.problems)
            return removed.steps

        self._attempt(outcome, user, name, work)

    def _remove(self, user: str, name: str, check: bool) -> removal.Removed:
        """Stops an app that is not declared any more and removes its releases; its data stay unless told otherwise."""
        keep, forget = not self.settings.remove_data, self.settings.forget
        account = self.host.account(user)
        folder = f"{account[2]}/apps/{name}/shared" if account else "nowhere, the account is gone"
        # a release that is kept may be from before the app went to another
        databases = {release.database for release in self.record(user, name).releases}
        database = database_name(user, name) if POSTGRESQL in databases else ""
        step = {
            "action": "remove",
            "app": f"{user}/{name}",
            "url": f"/{user}/{name}/",
            "data": (f"kept in {folder}" if keep else "removed") + (f", and database {database}" if database else ""),
        }
        if check:
            return removal.Removed([step], [])
        self._declare(user, {link.name: link for link in self._links(user) if link.name != name})
        problems = removal.stop(self.host, user, name, self._folders)
        # of who leaves nothing runs any more, and the home goes as a whole
        if account and not forget:
            try:
                problems += removal.remove_files(self._as_owner(user, name), keep_data=keep)
            except InvalidData as error:
                problems += error.problems
        if database and not keep:
            self.host.drop_database(database)
        removal.forget(self._folders, user, name, secrets=forget or not keep, logs=forget or not keep)
        return removal.Removed([step], problems)

    def _as_owner(self, user: str, name: str) -> removal.Owner:
        place = self.place(user, name, leaving=True)
        supervisors = {release.supervisor for release in self.record(user, name).releases} - {SYSTEMD}
        keepers = [self._keeper(place, supervisor) for supervisor in sorted(supervisors)]
        return removal.Owner(place, keepers, lambda step: self._run(place, None, step))


def _joined(outcomes: Iterable[Outcome]) -> Outcome:
    found = list(outcomes)
    return Outcome(
        [step for outcome in found for step in outcome.plan],
        [problem for outcome in found for problem in outcome.problems],
    )


def _told(release: Release) -> str:
    """A release on one line."""
    return f"release {release.number} ({release.version}, {release.commit[:10]})"


def _step(action: str, user: str, name: str, version: str, current: Release | None) -> dict[str, str]:
    return {
        "action": action,
        "app": f"{user}/{name}",
        "url": f"/{user}/{name}/",
        "version": version,
        "was": _told(current) if current else "",
    }
