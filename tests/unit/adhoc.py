# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of the collection by Ansible's ad hoc command, with its action plugin, on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION


def run_module(
    home: Path, module: str, arguments: Mapping[str, object], *options: str, umask: int = -1
) -> tuple[dict[str, Any], str]:
    """Runs `vizgate.gateway.<module>`. Returns its result, and everything that Ansible printed. Checks that no temporary folder is left.

    `home` is Ansible's own folder; `options` are those of the command; a `umask` of -1 is that of the tests.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "adhoc", "localhost", "-i", "localhost,", "-c", "local", *options),
            *("-e", f"ansible_python_interpreter={sys.executable}"),
            *("-m", f"vizgate.gateway.{module}", "-a", json.dumps(arguments)),
        ],
        cwd=COLLECTION,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(COLLECTION / "ansible.cfg"),
            "ANSIBLE_HOME": str(home),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_REMOTE_TMP": str(home / "tmp"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        umask=umask,
    )
    start = re.search(r"^localhost \| [A-Z!]+ => ", done.stdout, re.MULTILINE)
    assert start, done.stdout + done.stderr
    assert not list((home / "tmp").glob("*")), "hosts keep what Ansible leaves there"
    found: dict[str, Any] = json.JSONDecoder().raw_decode(done.stdout, start.end())[0]
    return found, done.stdout + done.stderr
