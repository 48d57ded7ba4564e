#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: login
short_description: Add or remove one login, or change its password
version_added: 0.1.0
description:
  - A login is a name and a password for all links of one user.
  - A changed or removed login stops working at once.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  user:
    description: Owner of the links.
    type: str
    required: true
  name:
    description: Name of the login.
    type: str
    required: true
  state:
    description: Whether the login exists.
    type: str
    choices: [present, absent]
    default: present
  password:
    description: Password, up to 72 bytes. The gateway hashes it with bcrypt, cost 10.
    type: str
  password_hash:
    description: bcrypt, yescrypt or SHA-crypt hash, as printed by C(htpasswd -nBC 10 NAME) or C(mkpasswd).
    type: str
  source:
    description: Name of the source that declares the login. A login belongs to one source.
    type: str
    default: playbook
"""

EXAMPLES = r"""
- name: Add a guest login for alice's links
  vizgate.gateway.login:
    user: alice
    name: guest
    password: "{{ guest_password }}"
  delegate_to: gate1
"""

RETURN = r"""
plan:
  description: The changes, in check mode the planned ones; see M(vizgate.gateway.links).
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
            "user": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "password": {"type": "str", "no_log": True},
            "password_hash": {"type": "str", "no_log": True},
            "source": {"type": "str", "default": "playbook"},
        },
        required_if=[("state", "present", ("password", "password_hash"), True)],
        mutually_exclusive=[("password", "password_hash")],
        supports_check_mode=True,
    )
    _module.declare_one(module, "logins", ("name", "password", "password_hash"))


if __name__ == "__main__":
    main()
