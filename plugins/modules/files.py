#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Put many text files and folders on a host at once
version_added: 0.2.0
description:
  - Does for whole lists of folders and files what C(ansible.builtin.file) and C(ansible.builtin.copy) do for one, in one run.
  - The collection's roles install their own files with it, fifty of which would take half a minute one by one.
  - Folders are made first. Files that are on the host alone stay, unless a source sets C(prune).
author:
  - The vizgate authors (@vizgate)
extends_documentation_fragment:
  - action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    support: full
    platforms: posix
options:
  folders:
    description: Folders of the host, which are made, or get owner, group and mode if they are there.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The folder's path, which may be a symbolic link to one. Those above it are made with mode C(0755).
        type: str
        required: true
      owner:
        description: The name of its owner; without one it stays as it is.
        type: str
      group:
        description: The name of its group; without one it stays as it is.
        type: str
      mode:
        description: Its mode.
        type: str
        default: "0755"
  texts:
    description: Files of the host, and what stands in them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The file's path. Folders above it are made with mode C(0755).
        type: str
        required: true
      text:
        description: All of its content, for example what R(lookup template,ansible_collections.ansible.builtin.template_lookup) gives.
        type: str
        required: true
      owner:
        description: The name of its owner; without one it stays as it is.
        type: str
      group:
        description: The name of its group; without one it stays as it is.
        type: str
      mode:
        description: Its mode.
        type: str
        default: "0644"
      keep:
        description: Whether a file that is there keeps its content, like a log or a key. The diff of such a file shows none.
        type: bool
        default: false
  sources:
    description: Files of the controller, and where they are put.
    type: list
    elements: dict
    default: []
    suboptions:
      src:
        description: A folder of the controller, of which everything comes along, or a pattern like C(/opt/lib/*.py).
        type: str
        required: true
      dest:
        description: The folder on the host, which is made if it is not there.
        type: str
        required: true
      mode:
        description: The files' mode. Folders that are made get C(0755).
        type: str
        required: true
      prune:
        description: Whether to remove files below C(dest) that no source has, and empty folders. What Python has compiled stays.
        type: bool
        default: false
  packed:
    description: The files in one, on the host. The action sets it.
    type: path
"""

EXAMPLES = r"""
- name: Install the scripts
  vizgate.gateway.files:
    sources:
      - {src: "{{ role_path }}/files/bin", dest: /usr/local/lib/lab/bin, mode: "0755"}
      - {src: "{{ role_path }}/files/*.conf", dest: /etc/lab, mode: "0644"}

- name: Write the settings, into a folder that only the group reads
  vizgate.gateway.files:
    folders:
      - {path: /etc/lab/secrets, group: lab, mode: "0750"}
    texts:
      - {path: /etc/lab/lab.conf, text: "{{ lookup('ansible.builtin.template', 'lab.conf.j2') }}"}
"""

RETURN = r"""
files:
  description: The folders and files that were not as they should be, or should not be there.
  returned: always
  type: list
  elements: str
  sample: [/usr/local/lib/lab/bin/start]
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    text, place = {"type": "str"}, {"type": "str", "required": True}
    folder = {"path": place, "owner": text, "group": text, "mode": {"type": "str", "default": "0755"}}
    file = {
        **folder,
        "text": place,
        "mode": {"type": "str", "default": "0644"},
        "keep": {"type": "bool", "default": False},
    }
    source = {"src": place, "dest": place, "mode": place, "prune": {"type": "bool", "default": False}}
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "list", "elements": "dict", "default": [], "options": folder},
            "texts": {"type": "list", "elements": "dict", "default": [], "options": file},
            "sources": {"type": "list", "elements": "dict", "default": [], "options": source},
            "packed": {"type": "path"},
        },
        supports_check_mode=True,
    )
    if not module.params["packed"]:
        module.fail_json(msg="files: run it as vizgate.gateway.files, whose action sends what is in the files")
    with open(module.params["packed"], encoding="utf-8") as packed:
        files = json.load(packed)
    changed = [folder["path"] for folder in module.params["folders"] if _folder_changes(module, **folder)]
    diff = []
    for wanted in files:
        change = _file_changes(module, **wanted)
        if change:
            changed.append(wanted["path"])
            diff.append(change)
    wanted = {os.path.normpath(file["path"]) for file in files}
    pruned = [source["dest"] for source in module.params["sources"] if source["prune"]]
    changed += sorted({path for dest in pruned for path in _prune(dest, wanted, module.check_mode)})
    module.exit_json(changed=bool(changed), files=changed, diff=diff if module._diff else [])


def _folder_changes(module: AnsibleModule, path: str, owner: str | None, group: str | None, mode: str) -> bool:
    """Makes a folder, or gives it owner, group and mode; says whether something was, or in check mode would be, done."""
    is_new = not os.path.isdir(path)
    if is_new and module.check_mode:
        return True
    if is_new:
        _make_folders(path)
    return _rights_change(module, path, owner, group, mode) or is_new


def _rights_change(module: AnsibleModule, path: str, owner: str | None, group: str | None, mode: str) -> bool:
    """Gives what is at a path owner, group and mode, by functions that know names and say what cannot be done."""
    changed = module.set_owner_if_different(path, owner, False)
    changed = module.set_group_if_different(path, group, changed)
    return bool(module.set_mode_if_different(path, mode, changed))


def _file_changes(
    module: AnsibleModule,
    *,
    path: str,
    text: str,
    mode: str,
    owner: str | None = None,
    group: str | None = None,
    keep: bool = False,
) -> dict[str, str] | None:
    """Makes a file as it should be; returns the diff of what was, or in check mode would be, done."""
    stays = keep and os.path.exists(path)
    present = None if stays else _read(path)
    is_written = not stays and present != (text, int(mode, 8))
    if is_written and not module.check_mode:
        _write(path, text, int(mode, 8))
    has_rights = os.path.exists(path) and _rights_change(module, path, owner, group, mode)
    if not is_written and not has_rights:
        return None
    before = present or ("", 0)
    return {
        "before_header": f"{path} (mode {before[1]:04o})",
        "after_header": f"{path} (mode {int(mode, 8):04o})",
        "before": "" if keep else before[0],
        "after": "" if keep else text,
    }


def _prune(dest: str, wanted: set[str], check: bool) -> list[str]:
    """Removes what is below a folder and not wanted, with what Python has compiled of it; returns the paths."""
    gone = []
    for folder, _folders, names in os.walk(os.path.normpath(dest), topdown=False):
        for name in names:
            path = source = os.path.join(folder, name)
            if os.path.basename(folder) == "__pycache__":
                source = os.path.join(os.path.dirname(folder), name.split(".")[0] + ".py")
            if source not in wanted:
                gone.append(path)
                if not check:
                    os.unlink(path)
        if not check and not os.listdir(folder):
            os.rmdir(folder)
    return gone


def _read(path: str) -> tuple[str, int] | None:
    """A file's text and mode; nothing where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read(), os.fstat(file.fileno()).st_mode & 0o7777
    except FileNotFoundError:
        return None


def _make_folders(path: str) -> None:
    """Makes a folder and those above it, for everybody to read whatever the umask says."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        os.mkdir(folder)
        os.chmod(folder, 0o755)  # noqa: S103  # everybody reads what is in it


def _write(path: str, text: str, mode: int) -> None:
    """Replaces a file at once: programs and nginx may be reading it."""
    _make_folders(os.path.dirname(path))
    coming = path + ".new"
    descriptor = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        os.fchmod(descriptor, mode)
    os.replace(coming, path)


if __name__ == "__main__":
    main()
