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
  - Makes the gateway serve what the users files declare, and no longer what they do not declare any more.
  - All users files are read and validated on the controller; every problem is reported with its file and line,
    and nothing is touched while there is one.
  - A change is live at once, without a reload of nginx.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  src:
    description:
      - Folder of users files on the controller, one C(<user>.yml) per user with the lists C(links) and C(logins).
      - Passwords, or whole files, may be encrypted with Ansible Vault; so may what apps get, with vault id C(users).
      - A folder below an inventory folder is refused, because Ansible takes every file there for an inventory.
      - Required unless I(source) is C(inventory). For that, the host's variable C(gateway_users_dir) is the default, or else
        C(users/<site>) beside the folder that has the inventory, so C(users/lab) for C(inventories/lab).
    type: path
  source:
    description: Under which name this folder declares; what other sources declare is left alone.
    type: str
    default: inventory
  verify:
    description:
      - Also put right the include files of users for whom nothing changed, in case somebody edited one by hand.
      - Without it, a folder that the gateway has seen already costs one small command.
    type: bool
    default: false
  validate_only:
    description: Read and validate the folder on the controller and stop there.
    type: bool
    default: false
  policy:
    description:
      - Site policy to validate against on the controller, before anything is touched.
      - The policy on the host is checked in any case.
    type: dict
    suboptions:
      allowed_hosts:
        description: Networks and name patterns that links may lead to.
        type: list
        elements: str
        required: true
      allowed_ports:
        description: Ports and ranges of ports that links may lead to.
        type: list
        elements: str
        required: true
      url:
        description: Where browsers find the gateway.
        type: str
        default: ''
      backend_ca:
        description: File on the gateway with the authorities that targets' certificates are verified by.
        type: str
        default: /etc/ssl/certs/ca-certificates.crt
      url_style:
        description: Whether users have paths there, or host names below it.
        type: str
        choices: [path, subdomain]
        default: path
      self_service:
        description: Whether users publish links of their own.
        type: bool
        default: false
      links_per_user:
        description: How many links of their own users may have.
        type: int
        default: 200
      logins_per_user:
        description: How many logins of their own users may have.
        type: int
        default: 50
      legacy_hashes_until:
        description: Last day on which imported logins with old hashes open anything.
        type: str
        default: ''
      old_addresses:
        description: Whether the former names of imported links lead to the links.
        type: bool
        default: true
      port_range_start:
        description: First port of users' own ranges; 0 for none.
        type: int
        default: 0
      port_range_size:
        description: How many ports a range has.
        type: int
        default: 100
      port_range_users:
        description: How many ranges there are.
        type: int
        default: 100
  may_be_empty:
    description:
      - Whether a folder without users files withdraws everything that it had declared; otherwise it is refused.
      - By default what the host's variable C(gateway_users_dir_may_be_empty) says.
    type: bool
  packed:
    description: Internal; the users' data, as the action plugin sends it.
    type: path
  digest:
    description: Internal; what the data was read from.
    type: str
  empty_folder:
    description: Internal; the users folder, where no users file is in it and nobody has said that this is meant.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Publish what the inventory declares
  vizgate.gateway.links:

- name: Publish what another folder declares
  vizgate.gateway.links:
    src: /srv/users
    source: survey
"""

RETURN = r"""
plan:
  description: What changed, or in check mode would change.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description:
        - One of add, change, remove, unresolved, add login, change login, remove login.
        - Also take over, when inventory declares what a user had declared, and give back when it no longer does; and
          repair, for an include file that was not as declared.
      type: str
      sample: add
    url:
      description: Address below the gateway's own; where users have host names, the user's stands for its first part.
      type: str
      sample: /alice/training/
    target:
      description: Where the link leads, the login's name, or the repaired file.
      type: str
      sample: visdomserv1:9087
    user:
      description: Whose link or login it is.
      type: str
      sample: alice
    prefix:
      description: C(host), where the link has a host name of its own, C(training--alice) below the gateway's.
      returned: for such links
      type: str
      sample: host
reload:
  description: Whether nginx has to be reloaded or started before it serves the change.
  returned: always
  type: bool
"""

import hashlib
import json

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vizgate.gateway.plugins.module_utils import _module
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
            "packed": {"type": "path"},
            "digest": {"type": "str"},
            "empty_folder": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    gateway = _module.connect(module)
    source, policy = module.params["source"], module.params["policy"]

    def work() -> _module.Outcome:
        with open(module.params["packed"], encoding="utf-8") as file:
            users = {user: _module.checked(_module.parse_user(data)) for user, data in json.load(file).items()}
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
