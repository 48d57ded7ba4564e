# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role firewall: where the SSH server listens is for root's programs to say."""

from __future__ import annotations

import yaml
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION, evaluated

TASKS = yaml.safe_load((COLLECTION / "roles/firewall/tasks/preflight.yml").read_text(encoding="utf-8"))
PORTS = next(task["vars"]["__firewall_sshd"] for task in TASKS if "__firewall_sshd" in task.get("vars", {}))
ROOTS = 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3)) ino:7 sk:1 cgroup:/system.slice/ssh.service <->'
USERS = 'LISTEN 0 5 0.0.0.0:5000 0.0.0.0:* users:(("sshd",pid=9,fd=3)) uid:1001 ino:8 sk:2 cgroup:/user.slice <->'


def test_a_users_program_called_sshd_is_not_the_server() -> None:
    assert evaluated(PORTS, __firewall_listeners={"stdout_lines": [ROOTS, USERS]}) == "['22']"
