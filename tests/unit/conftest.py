# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the unit tests, and how hard hypothesis looks: always the same examples, or `--hypothesis-profile=search`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import resolve
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION, Control, make_gateway, short_folder

# what tests share asserts as well, and a failure shows the values
_TESTS = "ansible_collections.vizgate.gateway.tests.unit"
pytest.register_assert_rewrite(f"{_TESTS}.core", f"{_TESTS}.strategies")
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(COLLECTION / ".build" / "hypothesis"))
_USUAL = {"deadline": None, "suppress_health_check": list(hypothesis.HealthCheck)}
hypothesis.settings.register_profile("same", derandomize=True, database=None, **_USUAL)
hypothesis.settings.register_profile("search", max_examples=2000, **_USUAL)
hypothesis.settings.load_profile("same")


@pytest.fixture
def root() -> Iterator[str]:
    """An empty folder whose path is short enough for sockets below it."""
    with short_folder() as path:
        yield path


@pytest.fixture
def gateway(root: str) -> Gateway:
    """A gateway with the role's templates and a policy, for which nothing is declared and no nginx runs."""
    return make_gateway(root)


@pytest.fixture
def control(gateway: Gateway) -> Iterator[Control]:
    """Something that speaks on the gateway's control socket as its nginx does."""
    server = Control(gateway.paths.control)
    yield server
    server.stop()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Host name → addresses, all that name servers know; a test changes it as it likes."""
    known: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: object, **options: object) -> list[tuple[object, ...]]:
        if host not in known:
            raise OSError(f"no such host: {host}")
        return [(None, None, 0, "", (address, 0)) for address in known[host]]

    monkeypatch.setattr(resolve.socket, "getaddrinfo", getaddrinfo)
    return known
