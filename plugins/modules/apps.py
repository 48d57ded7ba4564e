#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apps
short_description: Deploy, update, roll back and remove the apps of all users
version_added: 0.3.0
description:
  - Makes the gateway run the apps that the users files declare, and no longer those that they do not declare any more.
  - A release is fetched, built, migrated and started as its owner, each in a folder of its own; it serves once it answers.
    A step that fails leaves the release before it serving, and is told with the end of the log.
  - What goes wrong with one app does not keep the others from being deployed; the task fails in the end.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  src:
    description:
      - Folder of users files on the controller, one C(<user>.yml) per user with the list C(apps).
      - Where it is not given, the host's variable C(gateway_users_dir) is used, or else C(users/<site>) beside the folder
        that has the inventory, so C(users/lab) for C(inventories/lab).
    type: path
  state:
    description:
      - C(present) deploys what has changed in the users files. C(updated) also follows branches to where they are now.
      - C(listed) only reads the users files, and returns what they declare.
      - C(rolled_back) lets an earlier release of I(app) serve again. C(absent) removes all apps, or all of one I(user).
    type: str
    choices: [present, updated, listed, rolled_back, absent]
    default: present
  app:
    description: The one app that this is about, like C(alice/flasktasks).
    type: str
  user:
    description: With I(state=absent), whose apps are removed; everybody's where not given.
    type: str
  release:
    description: With I(state=rolled_back), the number of the release; by default the one before the one that serves.
    type: int
    default: 0
  keep_releases:
    description: How many releases of each app are kept, the one that serves included.
    type: int
    default: 3
  health_seconds:
    description: How long a new release has until it answers.
    type: int
    default: 60
  step_seconds:
    description: How long fetching, building and migrating may take, each; the apps of one user in one run take twice as long at most.
    type: int
    default: 900
  step_memory:
    description: Memory that fetching and building may use.
    type: str
    default: 2G
  environment:
    description: Variables of fetching and building, like those of a proxy or a package index. Every user who has an app can read them.
    type: dict
    default: {}
  uv:
    description: The program uv on the host.
    type: path
    default: /usr/local/lib/vizgate/uv/bin/uv
  python:
    description: The Python that environments are made of.
    type: path
    default: /usr/bin/python3
  conda:
    description: The program on the host that makes environments of conda packages, which role apps installs.
    type: path
    default: /usr/local/lib/vizgate/conda/bin/conda-environment
  remove_data:
    description: Whether the data of an app that is removed go, too.
    type: bool
    default: false
  forget:
    description: Whether apps that are removed leave nothing outside of their owners' homes, as when the owner leaves.
    type: bool
    default: false
  may_be_empty:
    description:
      - Whether a folder without users files withdraws everything that it had declared; otherwise it is refused.
      - By default what the host's variable C(gateway_users_dir_may_be_empty) says.
    type: bool
  packed:
    description: Internal; the users' apps, as the action plugin sends them.
    type: path
  empty_folder:
    description: Internal; the users folder, where no users file is in it and nobody has said that this is meant.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Deploy what the inventory declares
  vizgate.gateway.apps:

- name: Go back to the release before
  vizgate.gateway.apps:
    app: alice/flasktasks
    state: rolled_back
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: One of deploy, update, start, roll back, remove, forget (what was left of an app that was removed earlier).
      type: str
      sample: update
    app:
      description: The app.
      type: str
      sample: alice/flasktasks
    url:
      description: Its address below the gateway's own.
      type: str
      sample: /alice/flasktasks/
    version:
      description: The version that is declared.
      type: str
      sample: v1.4
    was:
      description: The release that served.
      type: str
      sample: release 3 (v1.3, 0a1b2c3d4e)
    now:
      description: The release that serves.
      type: str
      sample: release 4 (v1.4, 5f6a7b8c9d)
    data:
      description: Of an app that is removed, where its data are.
      type: str
      sample: kept in /home/alice/apps/flasktasks/shared
apps:
  description: With I(state=listed), of every app user, name, database, supervisor, and conda, its environment file.
  returned: when I(state) is C(listed)
  type: list
  elements: dict
problems:
  description: What went wrong, with the step, the reason, and the end of the log.
  returned: on failure
  type: list
  elements: str
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vizgate.gateway.plugins.module_utils import _module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import SOURCE, Outcome, Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App, parse_apps


def declared(path: str) -> tuple[dict[str, tuple[App, ...]], dict[str, list[str]]]:
    """The users' apps, as the action plugin has packed them, and the problems of users whose apps cannot be read."""
    with open(path, encoding="utf-8") as file:
        users = json.load(file)
    found, refused = {}, {}
    for user, apps in users.items():
        found[user], problems = parse_apps({"apps": apps})
        if problems:
            del found[user]
            refused[user] = [f"user '{user}': {problem.text}" for problem in problems]
    return found, refused


def settings(params: dict) -> Settings:
    """What the site says about all apps."""
    keys = [key for key in Settings._fields if key != "environment"]
    environment = tuple(sorted((name, str(value)) for name, value in params["environment"].items()))
    return Settings(environment=environment, **{key: params[key] for key in keys})


def work(module: AnsibleModule) -> Outcome:
    """Does what the parameters say."""
    params, check = module.params, module.check_mode
    if params["state"] == "absent" and not os.path.isdir(os.path.join(_module.Paths(params["root"]).state, "apps")):
        # a host without apps need not be a gateway
        return Outcome([], [])
    deployer = Deployer(_module.connect(module), settings(params), host_not_installed=check)
    # also of those whose app has never answered, and so has no link
    owners = sorted({user for user, _name in deployer.store.known()})
    _module.refuse_empty(owners, SOURCE, params["empty_folder"])
    if params["state"] == "rolled_back":
        user, _slash, name = (params["app"] or "").partition("/")
        return deployer.roll_back(user, name, params["release"], check)
    if params["state"] == "absent":
        return deployer.remove(params["user"] or "", check)
    update = params["state"] == "updated"
    apps, refused = declared(params["packed"])
    outcome = deployer.converge(apps, only=params["app"] or "", update=update, check=check, spared=refused)
    outcome.problems.extend(problem for problems in refused.values() for problem in problems)
    return outcome


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ROOT,
            "src": {"type": "path"},
            "state": {
                "type": "str",
                "choices": ["present", "updated", "listed", "rolled_back", "absent"],
                "default": "present",
            },
            "app": {"type": "str"},
            "user": {"type": "str"},
            "release": {"type": "int", "default": 0},
            "keep_releases": {"type": "int", "default": 3},
            "health_seconds": {"type": "int", "default": 60},
            "step_seconds": {"type": "int", "default": 900},
            "step_memory": {"type": "str", "default": "2G"},
            "environment": {"type": "dict", "default": {}},
            "uv": {"type": "path", "default": "/usr/local/lib/vizgate/uv/bin/uv"},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "conda": {"type": "path", "default": "/usr/local/lib/vizgate/conda/bin/conda-environment"},
            "remove_data": {"type": "bool", "default": False},
            "forget": {"type": "bool", "default": False},
            "may_be_empty": {"type": "bool"},
            "packed": {"type": "path"},
            "empty_folder": {"type": "str", "default": ""},
        },
        required_if=[("state", "rolled_back", ("app",))],
        supports_check_mode=True,
    )
    outcome = _module.attempt(module, lambda: work(module))
    lines = [
        f"{step['action']} {step['app']} {step.get('now') or step.get('version') or step.get('data', '')}\n"
        for step in outcome.plan
    ]
    result = {
        "changed": bool(outcome.plan),
        "plan": json.dumps(outcome.plan),
        "diff": [{"before_header": "apps", "after_header": "apps", "before": "", "after": "".join(lines)}]
        if lines
        else [],
    }
    if outcome.problems:
        module.fail_json(msg="\n".join(outcome.problems), problems=outcome.problems, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
