# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the old script's files share."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.vizgate.gateway.plugins.module_utils._core.migrate.multivisdom import Found, read
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy

POLICY = Policy(("127.0.0.0/8", "::1/128", "10.0.0.0/8", "*"), ("1024-65535",), "policy")
APR1 = "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"
STRANGER = 4242 if os.getuid() == 0 else os.getuid()
"""The owner of files that `strangers` makes, which is not alice."""


def everybody(user: str) -> int:
    """An account for every name, whose files are those of this process."""
    return os.getuid()


def found(folder: Path, files: dict[str, str | bytes]) -> Found:
    """What is read from these files, in a folder of their own."""
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o644)
    return read(str(folder), POLICY, everybody)


def links(*items: Link, line: int = 1) -> dict[str, list[tuple[str, Link]]]:
    """Links of alice's, from a file with one in each line."""
    return {"alice": [(f"alice.conf:{line + index}", link) for index, link in enumerate(items)]}
