# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a release and waits until it answers."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..errors import CommandFailed, StepFailed
from .releases import Release
from .step_runner import StepRunner
from .supervisors import Keeper
from .units import Place

CRASHES = 3
"""So many restarts while a release is looked at are too many."""


def start(runner: StepRunner, place: Place, release: Release) -> None:
    """Starts a release, which nobody is led to yet, and waits until it answers."""
    keeper = runner.keeper(place, release.supervisor)
    step, reason = "start", ""
    try:
        keeper.start(release.number)
        step, reason = "health", _unhealthy(runner, place, release, keeper)
    except CommandFailed:
        reason = f"release {release.number} does not start"
    if reason:
        raise StepFailed(step, reason, place.log, runner.said(place) + keeper.said(release.number))


def _unhealthy(runner: StepRunner, place: Place, release: Release, keeper: Keeper) -> str:
    """Waits until a release answers as it should; why it does not, or nothing."""
    path = (place.prefix if release.prefix == "keep" else "") + (release.health or "/")
    site = urlsplit(place.url)
    headers = {"Host": site.netloc or "localhost", "X-Forwarded-Proto": site.scheme or "http"}
    good = range(200, 400) if release.health else range(200, 500)
    end = runner.host.now() + runner.settings.health_seconds
    answer: int | str = "no answer"
    while runner.host.now() < end:
        state, restarts = keeper.state(release.number)
        if state in ("failed", "inactive") or restarts >= CRASHES:
            return f"the app does not keep running: release {release.number} is {state} after {restarts} restarts"
        answer = runner.host.ask(place.socket(release.number), path, headers)
        if answer in good:
            return ""
        runner.host.sleep(0.2)
    said = f"status {answer}" if isinstance(answer, int) else answer
    return f"GET {path} did not succeed within {runner.settings.health_seconds} s; last result: {said}"
