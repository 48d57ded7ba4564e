#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apps
short_description: Deploy, update, roll back and remove the apps of all users
version_added: 0.1.0
description:
  - Deploys the apps that the users files declare, and removes apps that are no longer declared.
  - Each release has its own folder. It is fetched, built, migrated and started as the app's owner, and becomes active when its
    health check succeeds. If a step fails, the previous release stays active, and the problem has the end of the log.
  - A problem with one app does not stop the others. The task fails at the end.
extends_documentation_fragment:
  - vizgate.gateway.gateway
options:
  src:
    description:
      - Folder of users files on the controller, one C(<user>.yml) per user with the list C(apps).
      - By default the host's variable C(gateway_users_dir), or C(users/<site>) beside the folder of the inventories, for example
        C(users/lab) for C(inventories/lab).
    type: path
  state:
    description:
      - C(present) deploys changes of the users files. C(updated) also deploys new commits of branches and tags.
      - C(listed) only reads the users files and returns the declared apps.
      - C(rolled_back) activates an earlier release of I(app). C(absent) removes all apps, or all apps of one I(user).
    type: str
    choices: [present, updated, listed, rolled_back, absent]
    default: present
  app:
    description: The app to process, like C(alice/flasktasks). By default all apps.
    type: str
  user:
    description: With I(state=absent), the user whose apps are removed. By default all users.
    type: str
  release:
    description: With I(state=rolled_back), the number of the release. C(0) is the one before the active release.
    type: int
    default: 0
  keep_releases:
    description: Number of releases to keep of each app, including the active one.
    type: int
    default: 3
  health_seconds:
    description: Time in seconds in which a new release must pass its health check.
    type: int
    default: 60
  step_seconds:
    description: Time limit in seconds for each step (fetch, build, migrate). All apps of one user have twice this time in one run.
    type: int
    default: 900
  step_memory:
    description: Memory limit of the steps fetch and build, in the format of systemd's C(MemoryMax).
    type: str
    default: 2G
  environment:
    description:
      - Environment variables of the steps fetch and build, for example of a proxy or a package index.
      - Every user who has an app can read them.
    type: dict
    default: {}
  uv:
    description: Path of uv on the host.
    type: path
    default: /usr/local/lib/vizgate/uv/bin/uv
  python:
    description: Python interpreter of the apps' virtual environments.
    type: path
    default: /usr/bin/python3
  conda:
    description: Path of the program on the host that creates conda environments. Role apps installs it.
    type: path
    default: /usr/local/lib/vizgate/conda/bin/conda-environment
  remove_data:
    description: Whether removing an app also removes its data.
    type: bool
    default: false
  forget:
    description: Whether removing an app also removes its files outside of the owner's home. Off-boarding sets this.
    type: bool
    default: false
  may_be_empty:
    description:
      - Whether a folder without users files removes everything that it had declared. Otherwise such a folder is refused.
      - By default the host's variable C(gateway_users_dir_may_be_empty).
    type: bool
  packed:
    description: Internal. The users' apps, packed by the action plugin.
    type: str
  empty_folder:
    description: Internal. The users folder, if it has no users files and I(may_be_empty) is not set.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Deploy the apps of the users files
  vizgate.gateway.apps:

- name: Roll back to the previous release
  vizgate.gateway.apps:
    app: alice/flasktasks
    state: rolled_back
"""

RETURN = r"""
plan:
  description: The changes, in check mode the planned ones.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: One of deploy, update, start, roll back, remove, forget (remaining files of an app that was removed earlier).
      type: str
      sample: update
    app:
      description: The app.
      type: str
      sample: alice/flasktasks
    url:
      description: Path of the app on the gateway.
      type: str
      sample: /alice/flasktasks/
    version:
      description: The declared version.
      type: str
      sample: v1.4
    was:
      description: The release that was active before.
      type: str
      sample: release 3 (v1.3, 0a1b2c3d4e)
    now:
      description: The active release.
      type: str
      sample: release 4 (v1.4, 5f6a7b8c9d)
    data:
      description: For a removed app, where its data are.
      type: str
      sample: kept in /home/alice/apps/flasktasks/shared
apps:
  description: With I(state=listed), user, name, database, supervisor and conda (the environment file) of every app.
  returned: when I(state) is C(listed)
  type: list
  elements: dict
problems:
  description: The problems, with the step, the reason and the end of the log.
  returned: on failure
  type: list
  elements: str
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vizgate.gateway.plugins.module_utils import _module, _packed
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import SOURCE, Outcome, Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App, parse_apps


def declared(packed: str) -> tuple[dict[str, tuple[App, ...]], dict[str, list[str]]]:
    """Reads the users' apps as the action plugin packed them; returns the apps, and the problems of users whose apps are invalid."""
    found, refused = {}, {}
    for user, apps in _packed.unpack(packed).items():
        found[user], problems = parse_apps({"apps": apps})
        if problems:
            del found[user]
            refused[user] = [f"user '{user}': {problem.text}" for problem in problems]
    return found, refused


def settings(params: dict) -> Settings:
    """The site's settings for all apps."""
    keys = [key for key in Settings._fields if key != "environment"]
    environment = tuple(sorted((name, str(value)) for name, value in params["environment"].items()))
    return Settings(environment=environment, **{key: params[key] for key in keys})


def work(module: AnsibleModule) -> Outcome:
    """Brings the apps to the requested state."""
    params, check = module.params, module.check_mode
    if params["state"] == "absent" and not os.path.isdir(os.path.join(_module.Paths(params["root"]).state, "apps")):
        # a host without apps may have no gateway
        return Outcome([], [])
    deployer = Deployer(_module.connect(module), settings(params), host_not_installed=check)
    # includes owners whose apps have never become healthy, and so have no link
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
            "packed": _packed.OPTION,
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
