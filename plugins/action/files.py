# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files on the controller and sends them to the host in one piece."""

from __future__ import annotations

import glob
import json
import os
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """The action of module files."""

    TRANSFERS_FILES = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Returns the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            files = [file for source in self._task.args.get("sources") or [] for file in _read(source)]
        except (OSError, KeyError, UnicodeDecodeError) as error:
            return {**result, "failed": True, "msg": f"files: a source cannot be read: {error}"}
        try:
            packed = self._connection._shell.join_path(self._make_tmp_path(), "files.json")
            self._transfer_data(packed, json.dumps(files))
            self._fixup_perms2((self._connection._shell.tmpdir, packed), execute=False)
            result.update(self._execute_module(module_args={**self._task.args, "packed": packed}, task_vars=task_vars))
            return result
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)


def _read(source: dict[str, str]) -> list[dict[str, str]]:
    """The files of a source: all below a folder, or all that match a pattern."""
    src, dest = source["src"], source["dest"]
    if os.path.isdir(src):
        paths = [os.path.join(folder, name) for folder, _folders, names in os.walk(src) for name in names]
        base = src
    else:
        paths, base = glob.glob(src), os.path.dirname(src)
    if not paths:
        raise FileNotFoundError(f"there is nothing at {src}")
    found = []
    for path in sorted(paths):
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        found.append({"path": os.path.join(dest, os.path.relpath(path, base)), "text": text, "mode": source["mode"]})
    return found
