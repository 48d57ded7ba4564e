# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the steps of releases as their owners, with limits."""

from __future__ import annotations

from ..errors import StepFailed
from ..model.app import SUPERVISORD, SYSTEMD, App
from . import scripts, units
from .host import TAIL_LINES, Host
from .releases import Record, Settings
from .supervisors import Keeper, Supervisord, Systemd
from .units import Place, Step

GRACE_SECONDS = 60
"""After a step's own limit, which systemd keeps, until it is given up altogether."""
TAIL_SECONDS = 10
"""How long reading the end of a log may take, which is whatever the owner has put there."""


class StepRunner:
    """Runs steps on one host, by the site's settings."""

    def __init__(self, host: Host, settings: Settings) -> None:
        self.host, self.settings = host, settings

    def run(self, place: Place, app: App | None, step: Step, number: int = 0) -> list[str]:
        """Runs a step as the owner, and returns the last lines of what it said; raises StepFailed."""
        files = {units.APP: place.file(f"{number}.env"), units.SITE: place.file("step.env")}
        seconds = step.seconds or self.settings.step_seconds
        command = units.command(
            place,
            app,
            step._replace(seconds=seconds),
            environment=files.get(step.environment, ""),
            memory=self.settings.step_memory,
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

    def keeper(self, place: Place, supervisor: str) -> Keeper:
        """Who keeps a release running."""
        if supervisor == SUPERVISORD:
            return Supervisord(self.host, place, lambda step, number: self.run(place, None, step, number))
        return Systemd(self.host, place)

    def keepers(self, place: Place, record: Record, *more: str) -> list[Keeper]:
        """All who may keep one of an app's releases running."""
        supervisors = {SYSTEMD, *more, *(release.supervisor for release in record.releases)}
        return [self.keeper(place, supervisor) for supervisor in sorted(supervisors)]

    def said(self, place: Place) -> list[str]:
        """The last lines of what an app has said, read by its owner.

        That is fenced, as the app may have put a link to one of the owner's keys there, and administrators see what is read.
        """
        words = (place.log, str(TAIL_LINES))
        step = Step("tail", scripts.TAIL, words, writable=(place.log_folder,), seconds=TAIL_SECONDS, quiet=True)
        try:
            return self.run(place, None, step)
        except StepFailed as error:
            return error.lines
