# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role certificate: certbot, which looks at names alone, is told to ask anew where they are proved in another way."""

from __future__ import annotations

import ast
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION, evaluated

ROLE = COLLECTION / "roles" / "certificate"


@pytest.mark.parametrize(
    ("before", "plugin", "way", "anew"),
    [
        ("", "", "webroot", False),
        ("", "rfc2136", "dns-rfc2136", False),
        ("webroot", "", "webroot", False),
        ("dns-rfc2136", "rfc2136", "dns-rfc2136", False),
        ("webroot", "rfc2136", "dns-rfc2136", True),
        ("dns-rfc2136", "", "webroot", True),
        ("dns-ovh", "rfc2136", "dns-rfc2136", True),
    ],
)
def test_another_challenge_asks_anew_for_the_same_names(
    tmp_path: Path, before: str, plugin: str, way: str, anew: bool
) -> None:
    renewal = tmp_path / "vizgate.conf"
    if before:
        # as certbot writes it
        renewal.write_text(f"[renewalparams]\naccount = 0123\nauthenticator = {before}\nserver = https://ca\n")
    command = ast.literal_eval(
        evaluated(
            "{{ __certificate_command }}",
            role=ROLE,
            certificate_acme_dns=plugin,
            __certificate_previous_challenge={"stdout": _read_by_the_role(renewal)},
        )
    )
    assert ("--force-renewal" in command) == anew
    assert f"--{way}" in command or command[command.index("--authenticator") + 1] == way


def _read_by_the_role(renewal: Path) -> str:
    """What the role's own task reads of the last challenge, of another file."""
    tasks = yaml.safe_load((ROLE / "tasks" / "issue.yml").read_text(encoding="utf-8"))
    (line,) = (
        task["ansible.builtin.command"] for task in tasks if task.get("register") == "__certificate_previous_challenge"
    )
    command = shlex.split(line.replace("/etc/letsencrypt/renewal/vizgate.conf", str(renewal)))
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
