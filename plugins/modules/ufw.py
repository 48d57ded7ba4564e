#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ufw
short_description: Manage the UFW rules of the gateway
version_added: 0.1.0
description:
  - Sets the UFW rules whose comment starts with C(vizgate), denies other incoming connections, and enables
    UFW. Other rules stay unchanged, even for the same ports.
  - Unlike C(community.general.ufw), it removes rules that are no longer declared.
options:
  rules:
    description: Allowed incoming connections, in the order of the rules.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: Port or port range, for example C(6000-6007).
        type: str
        required: true
      proto:
        description: Transport protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      from:
        description: Source address or network in CIDR notation; C(any) allows all.
        type: str
        default: any
      comment:
        description: Comment of the rule.
        type: str
        default: ''
  state:
    description: C(absent) removes the rules and restores the settings of before the first run.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Reports the changes without making them.
  diff_mode:
    support: full
    description: Shows the commands.
  idempotent:
    support: full
    description: A second run changes nothing.
author:
  - The vizgate authors (@vizgate)
"""

EXAMPLES = r"""
- name: Allow SSH and the gateway
  vizgate.gateway.ufw:
    rules:
      - {port: 22, comment: ssh}
      - {port: 1234, from: 10.0.0.0/8, comment: gateway}
"""

RETURN = r"""
commands:
  description: The commands that were run, in check mode the planned ones.
  returned: always
  type: list
  elements: str
  sample: ["ufw allow 1234/tcp comment 'vizgate: gateway'"]
"""

import os
import shlex

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vizgate.gateway.plugins.module_utils import _ufw
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import VizgateError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "rules": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "port": {"type": "str", "required": True},
                    "proto": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                    "from": {"type": "str", "default": "any"},
                    "comment": {"type": "str", "default": ""},
                },
            },
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    present = module.params["state"] == "present"
    firewall = _ufw.Firewall()
    commands: list[_ufw.Command] = []
    try:
        rules = _ufw.wanted(module.params["rules"]) if present else None
        # without ufw there are no rules to remove; in check mode it may not be installed yet
        if os.path.exists(firewall.defaults):
            commands = firewall.plan(rules)
            if not module.check_mode:
                firewall.carry_out(commands, rules)
        elif present and module.check_mode:
            commands = _ufw.steps((), rules or ())
        elif present:
            raise _ufw.UfwFailed("ufw is not installed on this host; role firewall installs it")
    except (VizgateError, OSError) as error:
        module.fail_json(msg=str(error))
    lines = [shlex.join(command) for command in commands]
    result = {"changed": bool(commands), "commands": lines}
    if module._diff and commands:
        result["diff"] = {"before": "", "after": "".join(line + "\n" for line in lines)}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
