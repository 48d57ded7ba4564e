#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Install many text files and folders at once
version_added: 0.1.0
description:
  - Does the work of C(ansible.builtin.file) and C(ansible.builtin.copy) for lists of folders and files in one module run.
  - The roles of this collection install their files with it. Fifty separate tasks would take half a minute.
  - Folders are created first. Other files on the host stay, unless a source sets C(prune).
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
    description: Folders on the host to create. Existing folders get owner, group and mode.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path of the folder, or of a symbolic link to one. Missing parent folders are created with mode C(0755).
        type: str
        required: true
      owner:
        description: Name of the owner. By default unchanged.
        type: str
      group:
        description: Name of the group. By default unchanged.
        type: str
      mode:
        description: Octal mode.
        type: str
        default: "0755"
  texts:
    description: Files on the host and their contents.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path of the file. Missing parent folders are created with mode C(0755).
        type: str
        required: true
      text:
        description: Content of the file, for example from R(lookup template,ansible_collections.ansible.builtin.template_lookup).
        type: str
        required: true
      owner:
        description: Name of the owner. By default unchanged.
        type: str
      group:
        description: Name of the group. By default unchanged.
        type: str
      mode:
        description: Octal mode.
        type: str
        default: "0644"
      keep:
        description: Whether an existing file keeps its content, for example a log or a key. The diff does not show the content.
        type: bool
        default: false
      validate:
        description: Command that checks the new content before the file is replaced, with C(%s) for its path. If it fails, the file stays.
        type: str
  sources:
    description: Files on the controller, and their folders on the host.
    type: list
    elements: dict
    default: []
    suboptions:
      src:
        description: A folder on the controller, which is copied with its contents, or a pattern like C(/opt/lib/*.py).
        type: str
        required: true
      dest:
        description: Folder on the host. It is created if it is missing.
        type: str
        required: true
      mode:
        description: Octal mode of the files. Created folders get C(0755).
        type: str
        required: true
      prune:
        description: Whether to remove empty folders and files below C(dest) that no source has. Bytecode of existing sources stays.
        type: bool
        default: false
  release:
    description:
      - Code on the controller that is installed and activated atomically. A program that starts meanwhile uses either the old or
        the new code completely. If a run is interrupted, the old code stays active.
      - The code is copied to C(releases/<digest of the files>) and compiled; then the symbolic link C(current) points to that
        folder. C(previous) points to the previous release, which running programs may still use; older releases are removed.
      - It is in use before O(texts) and O(sources) are written.
    type: dict
    suboptions:
      path:
        description: Folder on the host that has C(releases), C(current) and C(previous).
        type: path
        required: true
      sources:
        description: Files on the controller, and their folders in the release.
        type: list
        elements: dict
        required: true
        suboptions:
          src:
            description: A folder on the controller, which is copied with its contents, or a pattern like C(/opt/lib/*.py).
            type: str
            required: true
          dest:
            description: Folder in the release.
            type: str
            required: true
          mode:
            description: Octal mode of the files. Folders get C(0755).
            type: str
            required: true
      python:
        description: The Python interpreter that compiles the code.
        type: path
        required: true
      programs:
        description: A folder of the release. The folder of the same name below O(release.path) gets a link to each file in it.
        type: str
  absent:
    description: Files, links and folders on the host to remove. They are removed last.
    type: list
    elements: str
    default: []
  verify:
    description:
      - Command that checks the host once O(texts) and O(sources) are written, whether or not one has changed. If it fails, the files
        that have changed get their former content back, and the task fails with the command's output.
    type: str
  packed:
    description: Internal. The contents of all files, packed by the action plugin.
    type: str
"""

EXAMPLES = r"""
- name: Install the scripts
  vizgate.gateway.files:
    sources:
      - {src: "{{ role_path }}/files/bin", dest: /usr/local/lib/lab/bin, mode: "0755"}
      - {src: "{{ role_path }}/files/*.conf", dest: /etc/lab, mode: "0644"}

- name: Install a package and its programs, and switch to them in one step
  vizgate.gateway.files:
    release:
      path: /usr/local/lib/lab
      python: /usr/bin/python3
      programs: bin
      sources:
        - {src: "{{ role_path }}/files/lab", dest: lab, mode: "0644"}
        - {src: "{{ role_path }}/files/bin", dest: bin, mode: "0755"}

- name: Write the settings into a folder that only the group can read
  vizgate.gateway.files:
    folders:
      - {path: /etc/lab/secrets, group: lab, mode: "0750"}
    texts:
      - {path: /etc/lab/lab.conf, text: "{{ lookup('ansible.builtin.template', 'lab.conf.j2') }}"}
      - {path: /etc/sudoers.d/lab, text: "%lab ALL=(root) /usr/sbin/lab-reset\n", mode: "0440", validate: /usr/sbin/visudo -cf %s}
"""

RETURN = r"""
files:
  description: The folders and files that were changed or removed, in check mode the planned ones.
  returned: always
  type: list
  elements: str
  sample: [/usr/local/lib/lab/bin/start]
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _host_files as host_files
from ..module_utils import _packed

COMPILE = (
    # with a careful umask of root's, users could not read the bytecode, and would compile at each start
    "import compileall, os, sys; os.umask(0o022); raise SystemExit(not compileall.compile_dir(sys.argv[1]))"
)


def main() -> None:
    text, place = {"type": "str"}, {"type": "str", "required": True}
    folder = {"path": place, "owner": text, "group": text, "mode": {"type": "str", "default": "0755"}}
    file = {
        **folder,
        "text": place,
        "mode": {"type": "str", "default": "0644"},
        "keep": {"type": "bool", "default": False},
        "validate": text,
    }
    copied = {"src": place, "dest": place, "mode": place}
    source = {**copied, "prune": {"type": "bool", "default": False}}
    release = {
        "path": {"type": "path", "required": True},
        "sources": {"type": "list", "elements": "dict", "required": True, "options": copied},
        "python": {"type": "path", "required": True},
        "programs": text,
    }
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "list", "elements": "dict", "default": [], "options": folder},
            "texts": {"type": "list", "elements": "dict", "default": [], "options": file},
            "sources": {"type": "list", "elements": "dict", "default": [], "options": source},
            "release": {"type": "dict", "options": release},
            "absent": {"type": "list", "elements": "str", "default": []},
            "verify": {"type": "str"},
            "packed": _packed.OPTION,
        },
        supports_check_mode=True,
    )
    if not module.params["packed"]:
        module.fail_json(msg="files: run it as vizgate.gateway.files, whose action sends what is in the files")
    packed = _packed.unpack(module.params["packed"])
    changed = [folder["path"] for folder in module.params["folders"] if _folder_changes(module, **folder)]
    diff: list[dict[str, str]] = []
    release, check = module.params["release"], module.check_mode
    if release:
        changes = _install(module, release, packed["release"])
        changed += changes.paths
        diff += changes.diff
    replaced: list[tuple[str, host_files.Text | None]] = []
    for wanted in packed["files"]:
        # a kept file may be a log of any size, and its content does not change
        stays = wanted.get("keep") and os.path.exists(wanted["path"])
        before = host_files.read(wanted["path"]) if module.params["verify"] and not stays else None
        change = _file_changes(module, **wanted)
        if change:
            changed.append(wanted["path"])
            diff.append(change)
            if not stays:
                replaced.append((wanted["path"], before))
    if module.params["verify"] and not check:
        wrong = _output_of_failure(module, module.params["verify"])
        if wrong:
            for path, before in replaced:
                host_files.restore(path, before)
            module.fail_json(msg=f"files: {module.params['verify']} fails, so all files stay as they were: {wrong}")
    wanted = {os.path.normpath(file["path"]) for file in packed["files"]}
    pruned = [source["dest"] for source in module.params["sources"] if source["prune"]]
    changed += sorted({path for dest in pruned for path in host_files.prune(dest, wanted, check)})
    if release and release["programs"]:
        changed += _link_programs(release, packed["release"], check)
    if changed and not check:
        # what is new is kept by a power failure before what was there goes
        os.sync()
    changed += [path for absent in module.params["absent"] for path in host_files.remove(absent, check)]
    module.exit_json(changed=bool(changed), files=changed, diff=diff if module._diff else [])


def _install(
    module: AnsibleModule, release: Mapping[str, Any], files: Sequence[Mapping[str, str]]
) -> host_files.Changes:
    """Installs the release and switches to it."""

    def compile_folder(folder: str) -> bool:
        _code, out, _errors = module.run_command([release["python"], "-Ic", COMPILE, folder], check_rc=True)
        return "Compiling" in out

    texts = {file["path"]: (file["text"], int(file["mode"], 8)) for file in files}
    return host_files.install_release(release["path"], texts, compile_folder, module.check_mode)


def _link_programs(release: Mapping[str, Any], files: Sequence[Mapping[str, str]], check: bool) -> list[str]:
    """Links the release's programs; returns the changed paths."""
    folder = release["programs"]
    names = [os.path.basename(file["path"]) for file in files if os.path.dirname(file["path"]) == folder]
    return host_files.link_programs(release["path"], folder, names, check)


def _folder_changes(module: AnsibleModule, path: str, owner: str | None, group: str | None, mode: str) -> bool:
    """Makes a folder, or gives it owner, group and mode; says whether something was, or in check mode would be, done."""
    is_new = not os.path.isdir(path)
    if is_new and module.check_mode:
        return True
    if is_new:
        host_files.make_folders(path)
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
    validate: str | None = None,
) -> dict[str, str] | None:
    """Makes a file as it should be; returns the diff of what was, or in check mode would be, done."""

    def refusal(new: str) -> str:
        return _output_of_failure(module, validate.replace("%s", new)) if validate else ""

    stays = keep and os.path.exists(path)
    present, desired = None if stays else host_files.read(path), (text, int(mode, 8))
    is_written = not stays and present != desired
    if is_written and not module.check_mode:
        refused = host_files.write(path, *desired, refusal)
        if refused:
            module.fail_json(msg=f"files: the new {path} is refused, and the old one stays: {refused}")
    has_rights = os.path.exists(path) and _rights_change(module, path, owner, group, mode)
    if not is_written and not has_rights:
        return None
    difference = host_files.difference(path, present, desired)
    return {**difference, "before": "", "after": ""} if keep else difference


def _output_of_failure(module: AnsibleModule, command: str) -> str:
    """Runs a command; returns what it printed if it failed, otherwise ""."""
    code, out, errors = module.run_command(command)
    return (out + errors).strip() or f"{command} ends with {code}" if code else ""


if __name__ == "__main__":
    main()
