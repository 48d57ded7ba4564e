# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules share: running the core and telling Ansible how it went."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule

from ._core.apply.change import Options
from ._core.apply.gateway import Gateway
from ._core.errors import InvalidData, VizgateError
from ._core.model.entities import UserData
from ._core.model.outcome import Outcome
from ._core.model.parse import Problem, parse_user
from ._core.model.policy import PATH, Policy
from ._core.model.urls import SUBDOMAIN
from ._core.paths import Paths
from ._core.registry.store import Registry

Result = TypeVar("Result")

__all__ = [
    "ROOT",
    "Outcome",
    "Paths",
    "Policy",
    "attempt",
    "checked",
    "connect",
    "declare_one",
    "parse_user",
    "policy_options",
    "refuse_empty",
    "run",
    "withdraw",
]

ROOT = {"root": {"type": "path", "default": "/"}}
_TYPES = {str: "str", bool: "bool", int: "int"}


def policy_options() -> dict[str, Any]:
    """The options for a policy: one for each field of Policy, with its default."""
    options: dict[str, Any] = {}
    for key, default in Policy._field_defaults.items():
        if isinstance(default, tuple):
            options[key] = {"type": "list", "elements": "str", "required": True}
        elif key != "origin":
            options[key] = {"type": _TYPES[type(default)], "default": default}
    options["url_style"]["choices"] = [PATH, SUBDOMAIN]
    return options


def connect(module: AnsibleModule) -> Gateway:
    """The gateway below the module's `root`."""
    # the process ends before there is any garbage worth looking for, and looking takes a third of its time
    gc.disable()
    return Gateway(Paths(module.params["root"]))


def attempt(module: AnsibleModule, work: Callable[[], Result]) -> Result:
    """What `work` returns; the core's errors end the module in their own words."""
    try:
        return work()
    except InvalidData as error:
        failure: dict[str, Any] = {"msg": "\n".join(error.problems), "problems": error.problems}
    except (VizgateError, OSError) as error:
        failure = {"msg": str(error)}
    # not inside "except", where Ansible would add a traceback that helps nobody
    module.fail_json(**failure)
    raise AssertionError  # fail_json does not come back


def checked(parsed: tuple[UserData, list[Problem]]) -> UserData:
    """The data, if nothing is wrong with it; raises InvalidData."""
    data, problems = parsed
    if problems:
        raise InvalidData(problem.text for problem in problems)
    return data


def refuse_empty(users: Sequence[str], source: str, folder: str) -> None:
    """Raises InvalidData where an empty users `folder` ("" for none) would take everything away that `users` have from `source`."""
    if folder and users:
        some = ", ".join(users[:3]) + (f" and {len(users) - 3} more" if len(users) > 3 else "")
        raise InvalidData(
            [
                f"users folder {folder} has no users files, so everything that source '{source}' declares for {some} would be removed;"
                " nothing was changed: restore the files, or correct gateway_users_dir, or set"
                " gateway_users_dir_may_be_empty to true to remove everything"
            ]
        )


def run(module: AnsibleModule, work: Callable[[], Outcome]) -> None:
    """Ends the module with what `work` did."""
    outcome = attempt(module, work)
    for step in outcome.plan:
        if step["action"] == "unresolved":
            module.warn(
                f"{step['url']}: host of {step['target']} has no address; the link answers 502 until it has one"
            )
        elif step["action"] == "repair":
            module.warn(f"{step['target']} differed from the declared state and was repaired")
    for warning in outcome.warnings:
        module.warn(warning)
    if outcome.reload:
        module.warn("nginx does not run with the gateway's configuration; a reload or start makes it serve the change")
    # the plan as text: of a list, Ansible would look at each of its thousands of values on the way to the controller
    plan = json.dumps(outcome.plan)
    module.exit_json(changed=outcome.changed, plan=plan, diff=outcome.diff, reload=outcome.reload)


def withdraw(module: AnsibleModule) -> None:
    """Takes everything of the user `name` away. A host without a gateway has nothing, and need not have what one needs."""
    there = os.path.isdir(Paths(module.params["root"]).state)
    gateway = connect(module) if there else None
    name, check, diff = module.params["name"], module.check_mode, module._diff
    run(module, lambda: gateway.withdraw(name, check=check, diff=diff) if gateway else Outcome())


def declare_one(module: AnsibleModule, kind: str, keys: Sequence[str]) -> None:
    """Adds, changes or removes the one link or login (`kind`: links, logins) that the parameters `keys` describe."""
    gateway = connect(module)
    user, source = module.params["user"], module.params["source"]
    item = {key: module.params[key] for key in keys if module.params[key] is not None}
    if source in ("inventory", "self"):
        module.fail_json(
            msg=f"source '{source}' is reserved: 'inventory' is for users files, 'self' for users' own links; use another source"
        )

    def declaration(registry: Registry) -> dict[str, UserData]:
        data = registry.sources(user).get(source, UserData()).as_json()
        data[kind] = [other for other in data[kind] if other["name"] != item["name"]]
        if module.params["state"] == "present":
            data[kind].append(item)
        return {user: checked(parse_user(data))}

    run(module, lambda: gateway.declare(source, declaration, Options(check=module.check_mode, diff=module._diff)))
