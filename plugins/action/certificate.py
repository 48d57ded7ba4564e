# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs module certificate on the gateway that the host's variables describe."""

from __future__ import annotations

from ansible_collections.vizgate.gateway.plugins.plugin_utils._gateway_action import GatewayAction


class ActionModule(GatewayAction):
    """The action of module certificate."""
