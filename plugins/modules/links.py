#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: links
short_description: Publish the links and logins of all users from a folder of users files
version_added: 0.1.0
description:
  - Publishes the links and logins that the users files declare, and removes those that are no longer declared.
  - All users files are read and validated on the controller. Every problem is reported with its file and line, and nothing is
    changed if there is a problem.
  - Changes take effect at once, without a reload of nginx.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  src:
    description:
      - Folder of users files on the controller, one C(<user>.yml) per user with the lists C(links) and C(logins).
      - Passwords and whole files may be encrypted with Ansible Vault. Values for apps may be encrypted with vault id C(users).
      - A folder below an inventory folder is refused, because Ansible parses every file there as an inventory.
      - Required unless I(source) is C(inventory). In that case the default is the host's variable C(gateway_users_dir), or
        C(users/<site>) beside the folder of the inventories, for example C(users/lab) for C(inventories/lab).
    type: path
  source:
    description: Name of the source of this folder. Links and logins of other sources are not changed.
    type: str
    default: inventory
  verify:
    description:
      - Whether to also repair include files of users without changes, in case they were edited by hand.
      - Without it, a run without changes needs one short command on the host.
    type: bool
    default: false
  validate_only:
    description: Whether to only read and validate the folder on the controller.
    type: bool
    default: false
  policy:
    description:
      - Site policy to validate against on the controller, before any change.
      - The policy on the host is always applied.
    type: dict
    suboptions:
      allowed_hosts:
        description: Allowed backend hosts of links, as networks and name patterns.
        type: list
        elements: str
        required: true
      allowed_ports:
        description: Allowed backend ports of links, as ports and ranges of ports.
        type: list
        elements: str
        required: true
      url:
        description: Public URL of the gateway.
        type: str
        default: ''
      backend_ca:
        description: File on the gateway with the CA certificates that verify backends.
        type: str
        default: /etc/ssl/certs/ca-certificates.crt
      url_style:
        description: Whether users have paths on the gateway, or subdomains.
        type: str
        choices: [path, subdomain]
        default: path
      self_service:
        description: Whether users can publish links by self-service.
        type: bool
        default: false
      links_per_user:
        description: Maximum number of links of one user by self-service.
        type: int
        default: 200
      logins_per_user:
        description: Maximum number of logins of one user by self-service.
        type: int
        default: 50
      legacy_hashes_until:
        description: Last day on which imported logins with old hashes are accepted. Empty sets no limit.
        type: str
        default: ''
      old_addresses:
        description: Whether old addresses of imported links are redirected.
        type: bool
        default: true
      port_range_start:
        description: First port of the users' port ranges. 0 disables them.
        type: int
        default: 0
      port_range_size:
        description: Number of ports in each range.
        type: int
        default: 100
      port_range_users:
        description: Number of ranges.
        type: int
        default: 100
  may_be_empty:
    description:
      - Whether a folder without users files removes everything that it had declared. Otherwise such a folder is refused.
      - By default the host's variable C(gateway_users_dir_may_be_empty).
    type: bool
  packed:
    description: Internal. The users' data, packed by the action plugin.
    type: str
  digest:
    description: Internal. Fingerprint of the users files.
    type: str
  empty_folder:
    description: Internal. The users folder, if it has no users files and I(may_be_empty) is not set.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Publish the links of the site
  vizgate.gateway.links:

- name: Publish the links of another folder
  vizgate.gateway.links:
    src: /srv/users
    source: survey
"""

RETURN = r"""
plan:
  description: The changes, in check mode the planned ones.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description:
        - One of add, change, remove, unresolved, add login, change login, remove login.
        - take over means that source inventory now declares what the user had declared, and give back that it no longer does.
        - repair means that an include file differed from the declared state.
      type: str
      sample: add
    url:
      description: Path of the link on the gateway. With subdomains, the subdomain replaces the first part.
      type: str
      sample: /alice/training/
    target:
      description: The backend of the link, the name of the login, or the repaired file.
      type: str
      sample: visdomserv1:9087
    user:
      description: Owner of the link or login.
      type: str
      sample: alice
    prefix:
      description: C(host), if the link has its own host name, C(training--alice) below the gateway's.
      returned: for links with their own host name
      type: str
      sample: host
reload:
  description: Whether nginx must be reloaded or started to serve the change.
  returned: always
  type: bool
"""

import hashlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vizgate.gateway.plugins.module_utils import _module, _packed
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ROOT,
            "src": {"type": "path"},
            "source": {"type": "str", "default": "inventory"},
            "verify": {"type": "bool", "default": False},
            "validate_only": {"type": "bool", "default": False},
            "policy": {"type": "dict", "options": _module.policy_options()},
            "may_be_empty": {"type": "bool"},
            "packed": _packed.OPTION,
            "digest": {"type": "str"},
            "empty_folder": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    gateway = _module.connect(module)
    source, policy = module.params["source"], module.params["policy"]

    def work() -> _module.Outcome:
        packed = _packed.unpack(module.params["packed"])
        users = {user: _module.checked(_module.parse_user(data)) for user, data in packed.items()}
        empty = module.params["empty_folder"]
        everything = gateway.registry.everything() if empty else {}
        _module.refuse_empty([user for user, sources in everything.items() if source in sources], source, empty)
        outcome = gateway.declare(
            source,
            lambda registry: users,
            Options(
                prune=True,
                check=module.check_mode,
                repair=module.params["verify"],
                diff=module._diff,
                new_policy=_module.Policy.parse(policy, "gateway_* variables of the play") if policy else None,
            ),
        )
        if not module.check_mode:
            with open(gateway.paths.policy, "rb") as file:
                seen = f"{module.params['digest']} {hashlib.sha256(file.read()).hexdigest()}\n"
            gateway.save_fingerprint(source, "" if outcome.unsettled else seen)
        return outcome

    _module.run(module, work)


if __name__ == "__main__":
    main()
