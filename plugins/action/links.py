# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the users folder on the controller: one task for all users, and no data in variables, which Ansible would template."""

from __future__ import annotations

import gc
import hashlib
import json
import shlex
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.plugins.module_utils._packed import pack
from ansible_collections.vizgate.gateway.plugins.plugin_utils._gateway_action import GatewayAction
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_folder import Refused
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_texts import UsersFolder


class ActionModule(GatewayAction):
    """Validates all users files on the controller, and runs module links on the host if anything differs from its last run."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Returns the module's result. Skips the module if the host's last run had the same files and the same policy."""
        try:
            return self._publish(dict(self._task.args), task_vars or {})
        except Refused as error:
            return {"failed": True, "msg": str(error)}

    def _publish(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        # the worker process ends with the task, and garbage collection takes a considerable part of its time
        gc.disable()
        validate_only = boolean(args.pop("validate_only", False))
        source = args.get("source", "inventory")
        if source != "inventory" and not args.get("src"):
            # the default folder belongs to source inventory
            raise Refused("links: src is missing; give the folder of the users files")
        src = self._users_folder(task_vars)
        folder = UsersFolder("links", src)
        # a file that could not be read also changes the fingerprint
        seen = [folder.texts, *folder.problems]
        digest = hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
        paths = Paths(self._root(task_vars))

        unchanged = {"changed": False, "plan": [], "diff": [], "reload": False}
        if not validate_only and not boolean(args.get("verify", False)) and self._last_digest(paths, source) == digest:
            return unchanged
        users = self._parse(folder, args.get("policy"))
        if validate_only:
            return unchanged

        args.update(
            root=paths.root,
            packed=pack({user: data.as_json() for user, data in users.items()}),
            digest=digest,
            empty_folder=self._unconfirmed_empty_folder(src, folder.is_empty, task_vars),
        )
        return self._run_module(args, task_vars)

    @staticmethod
    def _parse(folder: UsersFolder, policy: dict[str, Any] | None) -> dict[str, Any]:
        try:
            site = Policy.parse(policy, "gateway_* variables of the play") if policy else None
        except InvalidData as error:
            raise Refused(f"the site policy is invalid, nothing was changed:\n{error}") from None
        return folder.declared(site).users

    def _last_digest(self, paths: Paths, source: str) -> str:
        """The digest of the host's last complete run, or "" if the host's policy has changed since."""
        policy, digest = shlex.quote(paths.policy), shlex.quote(paths.fingerprint(source))
        done = self._low_level_execute_command(f"cat {digest} && sha256sum < {policy}", sudoable=True)
        words = str(done["stdout"]).split()
        return words[0] if done["rc"] == 0 and len(words) >= 3 and words[1] == words[2] else ""
