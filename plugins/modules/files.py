#!/usr/bin/python
# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Put many text files on a host at once
version_added: 0.2.0
description:
  - Does for a whole list of files and folders of the controller what C(ansible.builtin.copy) does for one, in one run.
  - The collection's roles install their own files with it, fifty of which would take half a minute one by one.
  - Files that are on the host alone stay.
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
  sources:
    description: What is put where.
    type: list
    elements: dict
    required: true
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
"""

RETURN = r"""
files:
  description: The files that were not as they should be.
  returned: always
  type: list
  elements: str
  sample: [/usr/local/lib/lab/bin/start]
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    source = {key: {"type": "str", "required": True} for key in ("src", "dest", "mode")}
    module = AnsibleModule(
        argument_spec={
            "sources": {"type": "list", "elements": "dict", "required": True, "options": source},
            "packed": {"type": "path"},
        },
        supports_check_mode=True,
    )
    if not module.params["packed"]:
        module.fail_json(msg="files: run it as vizgate.gateway.files, whose action sends what is in the sources")
    with open(module.params["packed"], encoding="utf-8") as file:
        files = json.load(file)
    changed, diff = [], []
    for wanted in files:
        path, text, mode = wanted["path"], wanted["text"], int(wanted["mode"], 8)
        present = _read(path)
        if present == (text, mode):
            continue
        changed.append(path)
        if not module.check_mode:
            _write(path, text, mode)
        if module._diff:
            before = present or ("", 0)
            header = {
                f"{when}_header": f"{path} (mode {which:04o})"
                for when, which in (("before", before[1]), ("after", mode))
            }
            diff.append({**header, "before": before[0], "after": text})
    module.exit_json(changed=bool(changed), files=changed, diff=diff)


def _read(path: str) -> tuple[str, int] | None:
    """A file's text and mode; nothing where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read(), os.fstat(file.fileno()).st_mode & 0o7777
    except FileNotFoundError:
        return None


def _write(path: str, text: str, mode: int) -> None:
    """Replaces a file at once: programs and nginx may be reading it."""
    folder = os.path.dirname(path)
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for folder in reversed(missing):
        os.mkdir(folder)
        os.chmod(folder, 0o755)  # noqa: S103  # everybody reads what is in it
    coming = path + ".new"
    descriptor = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        os.fchmod(descriptor, mode)
    os.replace(coming, path)


if __name__ == "__main__":
    main()
