# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files on the controller and sends them, with the texts, to the host together with the module."""

from __future__ import annotations

import glob
import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.vizgate.gateway.plugins.module_utils._packed import pack


class ActionModule(ActionBase):
    """The action of module files."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Returns the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        try:
            files = [file for source in args.get("sources") or [] for file in _read(source)]
            release = [file for source in (args.get("release") or {}).get("sources") or [] for file in _read(source)]
        except (OSError, KeyError, UnicodeDecodeError) as error:
            return {**result, "failed": True, "msg": f"files: a source cannot be read: {error}"}
        texts = _texts(args)
        for text in texts:
            if not isinstance(text["text"], str):
                wrong = f"the text of {text['path']} must be a string, but is of type {type(text['text']).__name__}"
                return {**result, "failed": True, "msg": f"files: {wrong}; check the variable that it comes from"}
        args["packed"] = pack({"files": files + texts, "release": release})
        result.update(self._execute_module(module_args=args, task_vars=task_vars))
        return result


def _texts(args: dict[str, Any]) -> list[dict[str, Any]]:
    """Moves the texts out of the module's options, which the host logs. Incomplete texts stay; the module reports them."""
    texts = [text for text in args.get("texts") or [] if isinstance(text, dict) and {"path", "text"} <= text.keys()]
    if texts:
        args["texts"] = [{**text, "text": ""} if text in texts else text for text in args["texts"]]
    return [{"mode": "0644", **text} for text in texts]


def _read(source: dict[str, str]) -> list[dict[str, str]]:
    """Reads the files of a source: all files below a folder, or all that match a pattern."""
    src, dest = source["src"], source["dest"]
    if os.path.isdir(src):
        paths = [os.path.join(folder, name) for folder, _folders, names in os.walk(src) for name in names]
        # the host compiles its own bytecode
        paths, base = [path for path in paths if os.path.basename(os.path.dirname(path)) != "__pycache__"], src
    else:
        paths, base = glob.glob(src), os.path.dirname(src)
    if not paths:
        raise FileNotFoundError(f"there is nothing at {src}")
    found = []
    # a file is there after those in the folders beside it: nginx starts with vizgate.lua, which needs vizgate/*.lua
    for path in sorted(paths, key=lambda path: (-path.count(os.sep), path)):
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        found.append({"path": os.path.join(dest, os.path.relpath(path, base)), "text": text, "mode": source["mode"]})
    return found
