# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of releases: a host that is made up, and what brings apps to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Outcome, Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App
from ansible_collections.vizgate.gateway.tests.unit.core.apps.fake_host import FakeHost
from ansible_collections.vizgate.gateway.tests.unit.support import Control


@pytest.fixture
def host() -> FakeHost:
    """A host where all goes well."""
    return FakeHost()


@pytest.fixture
def deploy(gateway: Gateway, control: Control, host: FakeHost) -> Callable[..., Outcome]:
    """Brings alice's apps to where they are declared."""

    def deploy(*apps: App, settings: Settings | None = None, **options: Any) -> Outcome:
        return Deployer(gateway, settings or Settings(), host).converge({"alice": apps} if apps else {}, **options)

    return deploy
