# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of apps: fetch, build, migrate, start, look, switch, reap. What fails leaves the release before it serving."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Collection, Mapping
from typing import Any

from ..apply.gateway import Gateway
from ..errors import InvalidData, StepFailed, Unavailable
from ..model.app import POSTGRESQL, App
from ..model.names import name_problem
from ..model.policy import Policy
from ..text import shown
from . import health, removal, scripts, turns, units
from .host import Host
from .link_switch import LinkSwitch
from .release_store import ReleaseStore
from .releases import Outcome, Record, Release, Settings, describe_release, joined, plan_step
from .step_runner import StepRunner
from .units import Place, Step

DRAIN_SECONDS = 2.0
"""After a switch, until the release before is told to end: requests that were routed to it have arrived by then."""
STEPS_PER_USER = 2
"""The apps of one user may take so many times as long, in one run, as one step may."""


class Deployer:
    """Brings the apps of one gateway to where they are declared."""

    def __init__(
        self, gateway: Gateway, settings: Settings, host: Host | None = None, *, host_not_installed: bool = False
    ) -> None:
        """`host_not_installed`: in check mode, a host need not be a gateway yet."""
        self.gateway, self.settings, self.host = gateway, settings, host or Host()
        self.policy = gateway.registry.policy(new_policy=Policy() if host_not_installed else None)
        self.store = ReleaseStore(gateway, self.host, self.policy)
        self.runner, self.links = StepRunner(self.host, settings), LinkSwitch(gateway)
        self.remover = removal.Remover(self.store, self.runner, self.links)

    def digest(self, place: Place, app: App) -> str:
        """What a release is made from: another digest is another release."""
        made = [app.as_json(), units.unit(place, app, 0), units.program(place, app, 0), self.settings.python]
        # the secrets are in the first of these
        made.append(units.variables(place, app, 0, {}))
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()

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
            for user, name in self.store.known():
                if user not in spared:
                    wanted.setdefault(user, {}).setdefault(name, None)

        def of_user(user: str) -> Outcome:
            return self._converge_user(user, wanted[user], update=update, check=check)

        return joined(turns.for_each(sorted(wanted), of_user).values())

    def _converge_user(self, user: str, wanted: Mapping[str, App | None], *, update: bool, check: bool) -> Outcome:
        outcome = Outcome([], [])
        seconds = STEPS_PER_USER * self.settings.step_seconds
        end = self.host.now() + seconds
        # what is to go makes room first
        for name, app in sorted(wanted.items(), key=lambda item: (item[1] is not None, item[0])):
            if self.host.now() >= end:
                outcome.problems.append(
                    f"app {user}/{name}: skipped, because the user's apps have used up their {seconds} s; try again"
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
            outcome.problems.append(f"{label}: {error!r}; this is a bug in vizgate, please report it")

    def _converge(self, user: str, app: App, *, update: bool, check: bool) -> list[dict[str, str]]:
        if check and not name_problem("user", user) and self.host.account(user) is None:
            # it may be one of those that the same run would create
            return [plan_step("deploy", user, app.name, app.version, None)]
        place = self.store.place(user, app.name)
        current, record = self.store.current(place), self.store.record(user, app.name)
        digest = self.digest(place, app)
        self.links.refuse_conflict(place)
        if current is None or update or record.settled != digest:
            step = plan_step("deploy" if current is None else "update", user, app.name, app.version, current)
            if check:
                return [step]
            self._refuse_database(place, app)
            with self.store.alone(place):
                release = self._deploy(place, app, digest)
            if current and update and release is None:
                return []
            return [{**step, "now": describe_release(release) if release else ""}]
        if self._is_well(place, current):
            return []
        if not check:
            with self.store.alone(place):
                self._put_right(place, current)
        return [plan_step("start", user, app.name, current.version, current)]

    def _refuse_database(self, place: Place, app: App) -> None:
        if app.database != POSTGRESQL:
            return
        owner = self.host.database_owner(place.database)
        if not owner:
            raise InvalidData(
                [f"database {place.database} does not exist; role database creates it, or reports why it cannot"]
            )
        # their functions would run with the rights of the app
        if owner != place.user:
            raise InvalidData(
                [
                    f"database {place.database} belongs to {shown(owner)}; rename or drop it, or give the app another name"
                ]
            )

    def _deploy(self, place: Place, app: App, digest: str) -> Release | None:
        """Makes a release and puts it in the place of the one before; None where an update finds nothing newer."""
        record, before = self.store.record(place.user, place.name), self.store.current(place)
        self.store.secret_file(place.file("step.env"), units.environment_file(dict(self.settings.environment)))
        self._sweep(place, record, before, app.supervisor)
        number = record.last + 1
        # the number is given before anything has it, so that nothing left of a failure is ever taken for a release
        record = record._replace(last=number)
        self.store.write(place, record)
        variables = units.variables(place, app, number, self.store.secrets(place, app))
        self.store.secret_file(place.file(f"{number}.env"), units.environment_file(variables))
        try:
            commit = ""
            for step in units.steps(place, app, number, self.settings):
                lines = self.runner.run(place, app, step, number)
                if step.name == "fetch":
                    commit = next((line[7:] for line in reversed(lines) if line.startswith("commit ")), "")[:64]
                    if before and before.commit == commit and record.settled == digest:
                        self._discard(place, number, app.supervisor)
                        return None
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            prefix = "strip" if app.asgi else "keep"
            release = Release(number, app.version, commit, at, prefix, app.health, app.supervisor, app.database)
            self.runner.keeper(place, app.supervisor).prepare(app, number, variables)
            health.start(self.runner, place, release)
            self.store.write(place, record._replace(releases=(*record.releases, release)))
            self.links.switch(place, release, app.description)
        except BaseException:
            self._discard(place, number, app.supervisor)
            self.store.write(place, record)
            raise
        self._settle(place, release, before, digest)
        return release

    def _settle(self, place: Place, release: Release, before: Release | None, digest: str) -> None:
        """After a switch: the release starts at boot, the one before ends, and the oldest go."""
        record = self.store.record(place.user, place.name)
        self.runner.keeper(place, release.supervisor).settle(release.number)
        if before and before.number != release.number:
            self.host.sleep(DRAIN_SECONDS)
            self.runner.keeper(place, before.supervisor).retire(before.number)
        others = [other for other in record.releases if other.number != release.number]
        kept = others[len(others) - min(len(others), max(self.settings.keep_releases - 1, 0)) :]
        gone = [other for other in others if other not in kept]
        releases = tuple(sorted((*kept, release)))
        self.store.write(place, Record(releases, digest, record.last))
        for supervisor in {other.supervisor for other in gone}:
            numbers = [other.number for other in gone if other.supervisor == supervisor]
            self.runner.keeper(place, supervisor).remove(numbers)
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
                self.runner.run(place, None, step)

    def _discard(self, place: Place, number: int, supervisor: str) -> None:
        """Takes a release back that did not come to serve."""
        with contextlib.suppress(StepFailed):  # what went wrong first is what counts
            self.runner.keeper(place, supervisor).remove([number])
        self._drop(place, [number])

    def _sweep(self, place: Place, record: Record, current: Release | None, supervisor: str) -> None:
        """Ends what a run that was cut short has left behind."""
        self.host.systemctl("stop", place.step_unit, check=False)
        for keeper in self.runner.keepers(place, record, supervisor):
            keeper.sweep({release.number for release in record.releases}, current.number if current else 0)

    def _is_well(self, place: Place, current: Release) -> bool:
        keeper = self.runner.keeper(place, current.supervisor)
        return keeper.state(current.number)[0] in ("active", "activating") and keeper.is_settled(current.number)

    def _put_right(self, place: Place, current: Release) -> None:
        self.runner.keeper(place, current.supervisor).settle(current.number)
        health.start(self.runner, place, current)

    def roll_back(self, user: str, name: str, number: int = 0, check: bool = False) -> Outcome:
        """Lets the release before the one that serves, or the one of a `number`, serve again."""
        outcome = Outcome([], [])
        self._attempt(outcome, user, name, lambda: self._roll_back(user, name, number, check))
        return outcome

    def _roll_back(self, user: str, name: str, number: int, check: bool) -> list[dict[str, str]]:
        place = self.store.place(user, name)
        record, current = self.store.record(user, name), self.store.current(place)
        if current is None:
            raise InvalidData(["it has no active release; deploy it first"])
        earlier = [release for release in record.releases if release.number < current.number]
        chosen = [release for release in record.releases if release.number == number] if number else earlier[-1:]
        if not chosen:
            there = ", ".join(str(release.number) for release in record.releases if release != current) or "none"
            raise InvalidData(
                [
                    f"there is no {f'release {number}' if number else 'earlier release'} to roll back to; kept releases: {there}"
                ]
            )
        target = chosen[0]
        if target == current:
            return []
        step = {**plan_step("roll back", user, name, target.version, current), "now": describe_release(target)}
        if not check:
            with self.store.alone(place):
                try:
                    health.start(self.runner, place, target)
                    self.links.switch(place, target)
                except BaseException:
                    self.runner.keeper(place, target.supervisor).retire(target.number)
                    raise
                # settled as it was declared: the next converge leaves the app where it has been put
                self._settle(place, target, current, record.settled)
        return [step]

    def remove(self, user: str = "", check: bool = False) -> Outcome:
        """Removes all apps, or all of one user's."""
        outcome = Outcome([], [])
        for owner, name in self.store.known():
            if user in ("", owner):
                self._attempt_removal(outcome, owner, name, check)
        if user and self.settings.forget:
            forgotten = removal.forget_user(self.host, self.remover.folders, user, check=check)
            removed = {step["app"] for step in outcome.plan}
            outcome.plan.extend(step for step in forgotten.steps if step["app"] not in removed)
            outcome.problems.extend(f"apps of {user}: {problem}" for problem in forgotten.problems)
        return outcome

    def _attempt_removal(self, outcome: Outcome, user: str, name: str, check: bool) -> None:
        def work() -> list[dict[str, str]]:
            removed = self.remover.remove(user, name, check)
            outcome.problems.extend(f"app {user}/{name}: {problem}" for problem in removed.problems)
            return removed.steps

        self._attempt(outcome, user, name, work)
