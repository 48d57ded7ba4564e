#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ufw
short_description: Open ports in a host's ufw, and close everything else
version_added: 0.2.0
description:
  - Makes the given rules all of those in ufw whose comment says C(vizgate), refuses whatever else comes in, and switches the
    firewall on. Rules of others stay as they are, also where they are about the same port.
  - Other than C(community.general.ufw), it also removes a rule that is declared no longer.
options:
  rules:
    description: What may come in, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: Port, or a range like C(6000-6007).
        type: str
        required: true
      proto:
        description: Protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      from:
        description: Address or network, or C(any).
        type: str
        default: any
      comment:
        description: What it is for.
        type: str
        default: ''
  state:
    description: C(absent) removes the rules, and puts the rest back as it was before the first run.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Says what would change and changes nothing.
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
- name: Let SSH and the gateway in
  vizgate.gateway.ufw:
    rules:
      - {port: 22, comment: ssh}
      - {port: 1234, from: 10.0.0.0/8, comment: gateway}
"""

RETURN = r"""
commands:
  description: What was done, or in check mode would be.
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
        # where there is no ufw, nothing is ours; in check mode it is yet to be installed
        if os.path.exists(firewall.defaults):
            commands = firewall.plan(rules)
            if not module.check_mode:
                firewall.carry_out(commands, rules)
        elif present and module.check_mode:
            commands = _ufw.steps((), rules or ())
        elif present:
            raise _ufw.UfwFailed("ufw is not installed on this host; role firewall does that")
    except (VizgateError, OSError) as error:
        module.fail_json(msg=str(error))
    told = [shlex.join(command) for command in commands]
    result = {"changed": bool(commands), "commands": told}
    if module._diff and commands:
        result["diff"] = {"before": "", "after": "".join(line + "\n" for line in told)}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
