#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: user
short_description: Take everything away that a gateway has of one user
version_added: 0.2.0
description:
  - Withdraws all links and logins of one user at once, whoever has declared them, and closes the user's history, so that
    who gets the name later inherits nothing.
  - The change is live at once, without a reload of nginx.
  - Without anything of the user's, or without a gateway on the host, nothing changes.
  - The Unix account is the business of role C(vizgate.gateway.accounts), which uses this module. Remove the users file, too,
    or the next converge brings its links back.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  name:
    description: Name of the user.
    type: str
    required: true
  state:
    description: That nothing of the user's is there. What is there is said with the other modules.
    type: str
    choices: [absent]
    required: true
"""

EXAMPLES = r"""
- name: Withdraw all that alice has published
  vizgate.gateway.user:
    name: alice
    state: absent
"""

RETURN = r"""
plan:
  description:
    - What changed, or in check mode would change; see M(vizgate.gateway.links).
    - Action close is the end of the user's history; the audit logs are kept, and only root reads what stands before it.
  returned: always
  type: list
  elements: dict
reload:
  description: Whether nginx has to be reloaded or started before it serves the change.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vizgate.gateway.plugins.module_utils import _module


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ROOT,
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["absent"], "required": True},
        },
        supports_check_mode=True,
    )
    _module.withdraw(module)


if __name__ == "__main__":
    main()
