# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the gateway's action plugins that they share."""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.vizgate.gateway.plugins.plugin_utils import _users_folder


class GatewayAction(ActionBase):
    """Runs the module of the action's name on the gateway that the host's variables describe."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the module. Where the task gives no `root`, `gateway_rootless_dir` of the host is it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = {"root": self._root(task_vars or {}), **self._task.args}
        result.update(self._run_module(args, task_vars or {}))
        return result

    def _run_module(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """What the module returns; it sends its plan as text."""
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        if "plan" in result:
            result["plan"] = json.loads(result["plan"])
        return result

    def _root(self, task_vars: dict[str, Any]) -> str:
        given = self._task.args.get("root") or self._templar.template(task_vars.get("gateway_rootless_dir", ""))
        return str(given or "/")

    def _users_folder(self, task_vars: dict[str, Any]) -> str:
        """The users folder: `src`, or `gateway_users_dir` of the host, or the site's default. Raises Refused."""
        given = self._task.args.get("src") or self._templar.template(task_vars.get("gateway_users_dir", ""))
        return _users_folder.find(self._task.action.rpartition(".")[2], str(given or ""), task_vars, self._loader)

    def _doubtful(self, folder: str, is_empty: bool, task_vars: dict[str, Any]) -> str:
        """The users folder if nothing is in it, unless the task or the host's variables say that this is meant."""
        may_be = self._task.args.get("may_be_empty")
        if may_be is None:
            may_be = self._templar.template(task_vars.get("gateway_users_dir_may_be_empty", False))
        return folder if is_empty and not boolean(may_be) else ""
