# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of changes."""

from __future__ import annotations

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import nginx_check


@pytest.fixture
def no_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the tests that run many transactions the nginx -t in each."""
    monkeypatch.setattr(nginx_check, "check_maps", lambda folder, maps: None)
