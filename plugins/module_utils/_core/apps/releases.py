# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of apps' releases: what the site says, what is remembered, what a run did."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..model.app import NONE, SYSTEMD

SOURCE = "apps"
"""The source that declares the links of apps."""


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


def joined(outcomes: Iterable[Outcome]) -> Outcome:
    """What several runs did."""
    found = list(outcomes)
    return Outcome(
        [step for outcome in found for step in outcome.plan],
        [problem for outcome in found for problem in outcome.problems],
    )


def describe_release(release: Release) -> str:
    """A release on one line."""
    return f"release {release.number} ({release.version}, {release.commit[:10]})"


def plan_step(action: str, user: str, app: str, version: str, current: Release | None) -> dict[str, str]:
    """A step of a plan; `current` is the release that serves."""
    return {
        "action": action,
        "app": f"{user}/{app}",
        "url": f"/{user}/{app}/",
        "version": version,
        "was": describe_release(current) if current else "",
    }
