#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: user
short_description: Remove all links and logins of one user
version_added: 0.1.0
description:
  - Removes all links and logins of one user, from all sources, and closes the user's history, so that a later user with the same
    name inherits nothing.
  - The change takes effect at once, without a reload of nginx.
  - Nothing changes if the user has no links and logins, or if the host has no gateway.
  - Role C(vizgate.gateway.accounts), which uses this module, also removes the Unix account. Remove the users file as well, or the
    next run restores its links.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  name:
    description: Name of the user.
    type: str
    required: true
  state:
    description: The only state, C(absent). Other modules declare links and logins.
    type: str
    choices: [absent]
    required: true
"""

EXAMPLES = r"""
- name: Remove all links and logins of alice
  vizgate.gateway.user:
    name: alice
    state: absent
"""

RETURN = r"""
plan:
  description:
    - The changes, in check mode the planned ones; see M(vizgate.gateway.links).
    - Action close ends the user's history. The audit logs stay, and only root can read the entries before it.
  returned: always
  type: list
  elements: dict
reload:
  description: Whether nginx must be reloaded or started to serve the change.
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
