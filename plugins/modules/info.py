#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: info
short_description: Tell what a gateway serves
version_added: 0.1.0
description:
  - Returns all links and the names of all logins of a gateway, who declared each, and whether it is rendered and served.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  user:
    description: Only this user's.
    type: str
"""

EXAMPLES = r"""
- name: Ask the gateway
  vizgate.gateway.info:
  register: gateway
"""

RETURN = r"""
users:
  description:
    - User → links and logins.
    - Where users have port ranges, links also have C(quarantined), the account that listens where the link leads to and keeps it
      from being served, or nothing.
    - A link whose C(prefix) is C(host) has the host name C(<name>--<user>) below the gateway's instead of the address C(url).
  returned: always
  type: dict
  sample:
    alice:
      links:
        - {name: training, url: /alice/training/, kind: visdom, host: visdomserv1, port: 9087, prefix: keep,
           target: 'visdomserv1:9087', description: Loss curves, source: inventory, yields_to: '', moving: false,
           rendered: true, live: true}
      logins:
        - {name: alice, source: inventory, yields_to: '', legacy: false, rendered: true, live: true}
live:
  description: Whether an nginx with the gateway's configuration is running.
  returned: always
  type: bool
drift:
  description:
    - Include files that are not as declared, with their text before and after a repair; and what nginx serves otherwise.
    - Playbook C(site) repairs.
  returned: when I(user) is not given
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vizgate.gateway.plugins.module_utils import _module


def main() -> None:
    module = AnsibleModule(argument_spec={**_module.ROOT, "user": {"type": "str"}}, supports_check_mode=True)
    gateway = _module.connect(module)
    user = module.params["user"]
    found = _module.attempt(module, lambda: gateway.info(user))
    if user is None:
        found["drift"] = _module.attempt(module, gateway.drift)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
