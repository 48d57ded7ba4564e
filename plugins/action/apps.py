# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the users folder on the controller and sends the apps to the module. They never become variables, which Ansible would template."""

from __future__ import annotations

from typing import Any

from ansible_collections.vizgate.gateway.plugins.module_utils._packed import pack
from ansible_collections.vizgate.gateway.plugins.plugin_utils._gateway_action import GatewayAction
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_folder import Refused
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_texts import UsersFolder


class ActionModule(GatewayAction):
    """Validates all users files on the controller, then runs module apps on the host."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Returns the module's result."""
        args = dict(self._task.args)
        if args.get("state", "present") not in ("present", "updated", "listed"):
            return super().run(tmp, task_vars)
        try:
            src = self._users_folder(task_vars or {})
            folder = UsersFolder("apps", src)
            declared = folder.declared()
        except Refused as error:
            return {"failed": True, "msg": str(error)}
        if args.get("state") == "listed":
            listed = [
                {"user": user, **{key: getattr(app, key) for key in ("name", "database", "supervisor", "conda")}}
                for user, apps in sorted(declared.apps.items())
                for app in apps
            ]
            return {"changed": False, "apps": listed, "plan": []}
        args.update(
            root=self._root(task_vars or {}),
            packed=pack({user: [app.as_json() for app in apps] for user, apps in declared.apps.items()}),
            empty_folder=self._unconfirmed_empty_folder(src, folder.is_empty, task_vars or {}),
        )
        return self._run_module(args, task_vars or {})
