#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: link
short_description: Publish or remove one link
version_added: 0.1.0
description:
  - Publishes C(/<user>/<name>/) on the gateway that the task runs on. In plays for other hosts, delegate the task to the gateway.
  - The change takes effect at once, without a reload of nginx.
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
    description: Whether the link exists.
    type: str
    choices: [present, absent]
    default: present
  kind:
    description: Kind of the tool, a preset of the settings that it needs.
    type: str
    default: http
  host:
    description: IP address or host name of the tool, as seen from the gateway. By default the gateway itself.
    type: str
  port:
    description: Port that the tool listens on. This or I(socket) is required when I(state) is C(present).
    type: int
  socket:
    description:
      - Unix socket that the tool listens on, in the folder C(/run/vizgate/sockets/<user>). Excludes I(host) and I(port).
      - The folder is created with the first such link. The socket must be group-writable, as with C(umask 007).
    type: path
  description:
    description: Text for the user's index page, up to 200 characters.
    type: str
    default: ''
  prefix:
    description:
      - Whether the tool gets request paths with C(/<user>/<name>/). The kind sets the default.
      - With C(host) the link has its own host name, as in C(https://<name>--<user>.gate.example.org/), for tools that do not support
        a base path. This needs C(gateway_url_style=subdomain).
    type: str
    choices: [keep, strip, host]
  scheme:
    description: Protocol of the tool.
    type: str
    choices: [http, https]
    default: http
  verify:
    description:
      - With I(scheme=https), whether to verify the tool's certificate for I(host), which must be a host name then.
      - The trusted CA certificates are those of C(gateway_backend_ca) of role C(gateway).
    type: bool
    default: true
  source:
    description: Name of the source that declares the link. A link belongs to one source.
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
