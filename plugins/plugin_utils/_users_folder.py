# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the users folder on the controller, and refuses one that Ansible would parse as an inventory. `_users_texts` reads it."""

from __future__ import annotations

import os
import shlex
from typing import Any

from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import is_users_file


class Refused(Exception):
    """The users folder cannot be used; the message says why. Not an Ansible exception, which would show a traceback."""


def default_folder(inventory_dir: str) -> str:
    """The users folder of a site: `users/lab` for the inventory in `inventories/lab`. Role accounts uses the same default."""
    above, site = os.path.split(inventory_dir)
    return os.path.join(os.path.dirname(above), "users", site)


def find(what: str, src: str, task_vars: dict[str, Any], loader: Any) -> str:
    """The absolute path of the users folder: `src`, or the default of the site. Raises Refused for an unsafe folder."""
    inventory_dir = str(task_vars.get("inventory_dir") or "")
    if not src and not inventory_dir:
        raise Refused(f"{what}: src is missing; give the folder of the users files")
    folder = str(loader.path_dwim(src)) if src else default_folder(inventory_dir)
    old_default = os.path.join(inventory_dir, "users") if inventory_dir else ""
    sources = [path for path in map(str, task_vars.get("ansible_inventory_sources") or ()) if os.path.isdir(path)]
    for candidate in filter(None, (folder, old_default)):
        for source in sources:
            if _is_below(candidate, source) and _has_users_files(candidate):
                raise Refused(_below_an_inventory(what, candidate, source) + _fix(candidate, inventory_dir, bool(src)))
    # `-i` named an inventory file, so Ansible has not parsed the users files beside it
    return old_default if not src and not os.path.isdir(folder) and _has_users_files(old_default) else folder


def _is_below(path: str, source: str) -> bool:
    """Whether a path is below a folder, with or without its symbolic links resolved."""
    above = {os.path.abspath(source), os.path.realpath(source)}
    return any(os.path.commonpath([place, name]) == place for place in above for name in _names(path))


def _names(path: str) -> set[str]:
    return {os.path.abspath(path), os.path.realpath(path)}


def _has_users_files(folder: str) -> bool:
    try:
        return any(map(is_users_file, os.listdir(folder)))
    except OSError:
        return False


def _below_an_inventory(what: str, folder: str, source: str) -> str:
    return (
        f"{what}: users files are in {folder}, below the inventory {source}. Ansible parses every file there as an inventory:"
        " it runs executable files, and evaluates templates in the others. Nothing was changed; "
    )


def _fix(folder: str, inventory_dir: str, named: bool) -> str:
    """How to fix users files below an inventory. `named`: a variable or the task has set the folder."""
    default = default_folder(inventory_dir) if inventory_dir else ""
    if os.path.abspath(folder) == default:
        return f"pass only the folder of the inventory: -i {inventory_dir}"
    if not default:
        return "move them out of it, and set gateway_users_dir"
    return _move(folder, default) + (f", and set gateway_users_dir to {default}" if named else "")


def _move(old: str, new: str) -> str:
    quoted = [shlex.quote(path) for path in (old, new, os.path.dirname(new))]
    if os.path.isdir(new):
        return f"run: mv {quoted[0]}/* {quoted[1]}/"
    return f"run: mkdir -p {quoted[2]} && mv {quoted[0]} {quoted[1]}"
