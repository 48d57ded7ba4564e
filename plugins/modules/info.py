#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: info
short_description: Return the links and logins of a gateway
version_added: 0.1.0
description:
  - Returns all links and the names of all logins of a gateway, the source of each, and whether it is rendered and served.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  user:
    description: User whose links and logins are returned. By default those of all users.
    type: str
"""

EXAMPLES = r"""
- name: Read the state of the gateway
  vizgate.gateway.info:
  register: gateway
"""

RETURN = r"""
users:
  description:
    - Links and logins by user.
    - With port ranges, links also have C(quarantined), the account whose program listens on the backend port, so that the link is not
      served; empty if there is none.
    - A link whose C(prefix) is C(host) is served at the host name C(<name>--<user>) below the gateway's, not at C(url).
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
    - Include files that differ from the declared state, with their text before and after a repair, and differences in what nginx serves.
    - Playbook C(site) repairs them.
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
    info = _module.attempt(module, lambda: gateway.info(user))
    if user is None:
        info["drift"] = _module.attempt(module, gateway.drift)
    module.exit_json(changed=False, **info)


if __name__ == "__main__":
    main()
