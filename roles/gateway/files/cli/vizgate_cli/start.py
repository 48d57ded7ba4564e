# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the command: first the root helper, then the imports, so that both processes import at the same time."""

from __future__ import annotations

import sys

from . import client


def main() -> None:
    """Runs the command line, and ends the process. The launcher of every release calls it."""
    client.start_helper(sys.argv[1:])
    try:
        from . import app
    except ModuleNotFoundError as error:
        print(f"{sys.executable} lacks the package {error.name}; install it", file=sys.stderr)
        sys.exit(4)
    app.main()
