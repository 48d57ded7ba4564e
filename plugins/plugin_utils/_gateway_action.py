# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base class of the gateway's action plugins."""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.vizgate.gateway.plugins.plugin_utils import _users_folder


class GatewayAction(ActionBase):
    """Runs the module with the action's name on the gateway of the host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the module. The default of `root` is the host's variable `gateway_rootless_dir`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = {"root": self._root(task_vars or {}), **self._task.args}
        result.update(self._run_module(args, task_vars or {}))
        return result

    def _run_module(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Runs the module and returns its result. The module returns its plan as JSON text."""
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        if "plan" in result:
            result["plan"] = json.loads(result["plan"])
        return result

    def _root(self, task_vars: dict[str, Any]) -> str:
        root = self._task.args.get("root") or self._templar.template(task_vars.get("gateway_rootless_dir", ""))
        return str(root or "/")

    def _users_folder(self, task_vars: dict[str, Any]) -> str:
        """The users folder: the option `src`, the host's variable `gateway_users_dir`, or the site's default. Raises Refused."""
        src = self._task.args.get("src") or self._templar.template(task_vars.get("gateway_users_dir", ""))
        return _users_folder.find(self._task.action.rpartition(".")[2], str(src or ""), task_vars, self._loader)

    def _unconfirmed_empty_folder(self, folder: str, is_empty: bool, task_vars: dict[str, Any]) -> str:
        """The users folder if it is empty and neither the task nor the host's variables allow this; otherwise ""."""
        may_be = self._task.args.get("may_be_empty")
        if may_be is None:
            may_be = self._templar.template(task_vars.get("gateway_users_dir_may_be_empty", False))
        return folder if is_empty and not boolean(may_be) else ""
