# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `vizgate`, by which users publish links of their own."""

from __future__ import annotations

VERSION = "0.1.0"
"""The collection's."""
