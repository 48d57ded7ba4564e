# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses are of this machine."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.endpoint import is_here


def test_which_addresses_are_of_this_machine() -> None:
    assert [is_here((host, 80)) for host in ("127.0.0.1", "127.8.8.8", "::1", "192.0.2.1")] == [True, True, True, False]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback's")
        assert is_here((route.getsockname()[0], 80))
