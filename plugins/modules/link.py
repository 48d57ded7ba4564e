#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: link
short_description: Publish one link, or take it away
version_added: 0.1.0
description:
  - Publishes C(/<user>/<name>/) on the gateway that the task runs on; delegate it to the gateway from other plays.
  - The change is live at once, without a reload of nginx.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  user:
    description: Owner of the link.
    type: str
    required: true
  name:
    description: Name of the link.
    type: str
    required: true
  state:
    description: Whether the link is there.
    type: str
    choices: [present, absent]
    default: present
  kind:
    description: Preset that knows what the tool behind the link needs.
    type: str
    default: http
  host:
    description: IP address or name of the machine that the tool runs on, as seen from the gateway; by default itself.
    type: str
  port:
    description: Port that the tool listens on. This or I(socket) is required when I(state) is C(present).
    type: int
  socket:
    description:
      - Unix socket that the tool listens on, instead of I(host) and I(port), in the folder C(/run/vizgate/sockets/<user>).
      - The folder is made with the first such link. The tool has to let its group write, as with C(umask 007).
    type: path
  description:
    description: Text for the user's index page, up to 200 characters.
    type: str
    default: ''
  prefix:
    description:
      - Whether the tool sees C(/<user>/<name>/) in its URLs; where not given, the kind decides.
      - With C(host) the link has a host name of its own, as in C(https://<name>--<user>.gate.example.org/), for tools without a base
        path. The gateway needs C(gateway_url_style=subdomain) for that.
    type: str
    choices: [keep, strip, host]
  scheme:
    description: What the tool speaks.
    type: str
    choices: [http, https]
    default: http
  verify:
    description:
      - With I(scheme=https), whether the tool's certificate has to be good for I(host), which has to be a name then.
      - By the authorities that the site trusts, C(gateway_backend_ca) of role C(gateway).
    type: bool
    default: true
  source:
    description: Under which name this link is declared; one link belongs to one source.
    type: str
    default: playbook
"""

EXAMPLES = r"""
- name: Publish a dashboard
  vizgate.gateway.link:
    user: alice
    name: dashboard
    kind: tensorboard
    host: node7
    port: 6006
    description: Scalars of run 12
  delegate_to: gate1
"""

RETURN = r"""
plan:
  description: What changed, or in check mode would change; see M(vizgate.gateway.links).
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
            "user": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "kind": {"type": "str", "default": "http"},
            "host": {"type": "str"},
            "port": {"type": "int"},
            "socket": {"type": "path"},
            "description": {"type": "str", "default": ""},
            "prefix": {"type": "str", "choices": ["keep", "strip", "host"]},
            "scheme": {"type": "str", "choices": ["http", "https"], "default": "http"},
            "verify": {"type": "bool", "default": True},
            "source": {"type": "str", "default": "playbook"},
        },
        required_if=[("state", "present", ("port", "socket"), True)],
        mutually_exclusive=[("host", "socket"), ("port", "socket")],
        supports_check_mode=True,
    )
    keys = ("name", "kind", "host", "port", "socket", "description", "prefix", "scheme", "verify")
    _module.declare_one(module, "links", keys)


if __name__ == "__main__":
    main()
