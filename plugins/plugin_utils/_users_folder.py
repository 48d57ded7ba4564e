# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the users folder on the controller, for the actions that are about it."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import EncryptedString
from ansible_collections.vizgate.gateway.plugins.module_utils._users import is_users_file


class Refused(Exception):
    """The users folder cannot be used; the message says why. Ansible's own exceptions would come with a traceback."""


def decrypted(text: str) -> str:
    """The text that an Ansible vault holds."""
    # Ansible's string carries tags, and PyYAML wants a plain one
    return str(EncryptedString(ciphertext=text)).encode().decode()


def read(loader: Any, what: str, src: str | None) -> dict[str, str]:
    """Users file, as messages name it → its text, decrypted where the whole file is vaulted."""
    if not src:
        raise Refused(f"{what}: src is missing; give the folder of the users files")
    folder = loader.path_dwim(src)
    try:
        names = sorted(filter(is_users_file, os.listdir(folder)))
    except OSError as error:
        message = f"{what}: src {folder}: {error.strerror}; give the folder of the users files"
        raise Refused(message) from None
    shown = os.path.basename(os.path.normpath(folder))
    texts = {}
    for name in names:
        path = os.path.join(folder, name)
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if text.startswith("$ANSIBLE_VAULT;"):
                text = decrypted(text)
        except (OSError, UnicodeDecodeError, AnsibleError) as error:
            raise Refused(f"{shown}/{name}:1: this cannot be read: {error}") from None
        texts[f"{shown}/{name}"] = text
    return texts
