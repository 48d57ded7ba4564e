# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who starts, stops and watches an app's releases: systemd, or the owner's own supervisord."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from ..model.app import App
from . import scripts, units
from .host import Host
from .units import Place, Step

RunStep = Callable[[Step, int], list[str]]
"""Runs a step of a release as the owner; returns the last lines of what it said, or raises StepFailed."""
STATE_SECONDS = 1.0
SUPERVISOR_STATES = {"RUNNING": "active", "STARTING": "activating", "BACKOFF": "activating", "STOPPING": "deactivating"}


class Keeper(Protocol):
    """What an app's releases are kept running by."""

    def prepare(self, app: App, number: int, variables: Mapping[str, str]) -> None:
        """Makes it know a release, which it does not start yet."""

    def start(self, number: int) -> None:
        """Starts a release, unless it runs; raises CommandFailed."""

    def restart(self, number: int) -> None:
        """Ends a release and starts it again; raises CommandFailed."""

    def settle(self, number: int) -> None:
        """Has a release started at boot."""

    def retire(self, number: int) -> None:
        """Has a release started at boot no longer, and tells it to end; it can be started again."""

    def remove(self, numbers: Collection[int]) -> None:
        """Ends releases, and forgets them."""

    def sweep(self, known: Collection[int], current: int) -> None:
        """Removes what is not `known`, and ends what is not `current`: a run that was cut short has left it."""

    def remove_all(self) -> None:
        """Ends and forgets all of the app."""

    def state(self, number: int) -> tuple[str, int]:
        """How a release is, in systemd's words, and how often it was restarted."""

    def is_settled(self, number: int) -> bool:
        """Whether a release starts at boot."""

    def said(self, number: int) -> list[str]:
        """The last that was said about a release, other than by itself."""


class Systemd:
    """Units of the host's; each release has one."""

    def __init__(self, host: Host, place: Place) -> None:
        self.host, self.place = host, place

    def prepare(self, app: App, number: int, variables: Mapping[str, str]) -> None:
        self.host.write_unit(self.place.unit(number), units.unit(self.place, app, number))
        self.host.systemctl("daemon-reload")

    def start(self, number: int) -> None:
        self.host.systemctl("start", self.place.unit(number))

    def restart(self, number: int) -> None:
        self.host.systemctl("restart", self.place.unit(number))

    def settle(self, number: int) -> None:
        self.host.systemctl("enable", "--quiet", self.place.unit(number))

    def retire(self, number: int) -> None:
        self.host.systemctl("disable", "--quiet", self.place.unit(number), check=False)
        self.host.systemctl("stop", "--no-block", self.place.unit(number), check=False)

    def remove(self, numbers: Collection[int]) -> None:
        for number in numbers:
            self.host.remove_unit(self.place.unit(number))
        if numbers:
            self.host.systemctl("daemon-reload")

    def sweep(self, known: Collection[int], current: int) -> None:
        numbers = self._numbers()
        self.remove([number for number in numbers if number not in known])
        for number in set(numbers) & set(known) - {current}:
            self.host.systemctl("disable", "--now", "--quiet", self.place.unit(number), check=False)

    def remove_all(self) -> None:
        self.remove(self._numbers())

    def state(self, number: int) -> tuple[str, int]:
        return self.host.state(self.place.unit(number))

    def is_settled(self, number: int) -> bool:
        return self.host.is_enabled(self.place.unit(number))

    def said(self, number: int) -> list[str]:
        return self.host.journal(self.place.unit(number))

    def _numbers(self) -> list[int]:
        prefix = self.place.unit(0).removesuffix("0.service")
        return [int(unit.removeprefix(prefix).removesuffix(".service")) for unit in self.host.units(prefix)]


class Supervisord:
    """The owner's own supervisord, a program a release. Its files are in the owner's home, so all is done by the owner."""

    def __init__(self, host: Host, place: Place, run: RunStep) -> None:
        self.host, self.place, self.run = host, place, run
        self.backoffs, self.looked, self.last = 0, -STATE_SECONDS, ""

    def prepare(self, app: App, number: int, variables: Mapping[str, str]) -> None:
        texts = (units.supervisor_config(self.place), units.program(self.place, app, number))
        words = (units.command_line(self.place, app, number), self.place.release(number), *texts)
        self._step("prepare", scripts.SUPERVISOR_PREPARE, str(number), *words, *sorted(variables), number=number)
        unit = f"vizgate-supervisord@{self.place.user}.service"
        self.host.systemctl("daemon-reload")
        self.host.systemctl("enable", "--quiet", unit)
        self.host.systemctl("start", unit)

    def start(self, number: int) -> None:
        self._step("start", scripts.SUPERVISOR_START, str(number))

    def restart(self, number: int) -> None:
        self._step("restart", scripts.SUPERVISOR_RESTART, str(number))

    def settle(self, number: int) -> None:
        """Nothing: a program that is included starts with supervisord."""

    def retire(self, number: int) -> None:
        self._step("retire", scripts.SUPERVISOR_RETIRE, str(number))

    def remove(self, numbers: Collection[int]) -> None:
        if numbers:
            self._step("remove", scripts.SUPERVISOR_REMOVE, *map(str, numbers))

    def sweep(self, known: Collection[int], current: int) -> None:
        self._step("sweep", scripts.SUPERVISOR_SWEEP, str(current), *map(str, sorted(known)))

    def remove_all(self) -> None:
        self.sweep((), 0)

    def state(self, number: int) -> tuple[str, int]:
        # asking costs a process or two, and whoever waits asks often
        if self.host.now() - self.looked >= STATE_SECONDS:
            said = self._step("state", scripts.SUPERVISOR_STATE, str(number))
            states = [line.split()[1] for line in said if line.startswith(self.place.program(number) + " ")]
            self.last, self.looked = states[-1] if states else "", self.host.now()
            self.backoffs += self.last == "BACKOFF"
        return SUPERVISOR_STATES.get(self.last, "inactive"), self.backoffs

    def is_settled(self, number: int) -> bool:
        return self.host.is_enabled(f"vizgate-supervisord@{self.place.user}.service")

    def said(self, number: int) -> list[str]:
        return []

    def _step(self, name: str, script: str, *arguments: str, number: int = 0) -> list[str]:
        words = (self.place.home, self.place.name, *arguments)
        environment = units.APP if number else ""
        # on the other end of its socket is whatever the owner has put there
        seconds = units.CONTROL_SECONDS
        step = Step(name, scripts.SUPERVISOR + script, words, environment=environment, seconds=seconds)
        return self.run(step, number)
