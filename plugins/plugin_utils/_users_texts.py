# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads users files on the controller. Their contents are untrusted: authors are all who can propose a change."""

from __future__ import annotations

import functools
import os
import stat

from ansible.errors import AnsibleError
from ansible.parsing.vault import EncryptedString, VaultLib, VaultSecretsContext, match_secrets
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import (
    PROBLEMS,
    Declared,
    is_users_file,
    parse_files,
)
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_folder import Refused

FILE_BYTES = 2**20
FOLDER_BYTES = 64 * 2**20
"""Size limit of all files together, because all are in memory at once."""
VAULT_ID = "users"
"""The only vault id whose values reach apps. Users must not be able to read values of other vault ids."""


class UsersFolder:
    """The texts of a folder's users files; wholly vaulted files are decrypted."""

    def __init__(self, what: str, folder: str) -> None:
        """Reads the folder; `what` names the task in messages. Raises Refused for a folder that cannot be read."""
        self.texts: dict[str, str] = {}
        """Text by the path that messages show, like `lab/alice.yml`."""
        self.vaulted: set[str] = set()
        self.problems: list[str] = []
        try:
            names = sorted(filter(is_users_file, os.listdir(folder)))
        except OSError as error:
            message = f"{what}: src {folder}: {error.strerror}; give the folder of the users files"
            raise Refused(message) from None
        self.is_empty = not names
        """Whether the folder has no users files, for example because the path is wrong or the repository is not checked out."""
        left = FOLDER_BYTES
        for name in names:
            if len(self.problems) >= PROBLEMS:
                self.problems.append("there are more problems; fix these first")
                break
            path = f"{os.path.basename(os.path.normpath(folder))}/{name}"
            try:
                found = _read(os.path.join(folder, name))
                left -= len(found)
                if left < 0:
                    raise Refused(f"{what}: the users files in {folder} have more than {FOLDER_BYTES} bytes together")
                text = found.decode()
                if text.startswith("$ANSIBLE_VAULT;"):
                    self.vaulted.add(path)
                    text = decrypted(text)
                self.texts[path] = text
            except (OSError, ValueError, AnsibleError) as error:
                self.problems.append(f"{ascii(path)[1:-1]}:1: {_reason(error)}")

    def declared(self, policy: Policy | None = None) -> Declared:
        """Parses the files; raises Refused with all their problems."""
        declared = parse_files(self.texts, decrypted, policy, for_apps=decrypted_for_apps, vaulted=self.vaulted)
        problems = self.problems + declared.problems
        if problems:
            count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise Refused(f"{count} in the users files, nothing was changed:\n" + "\n".join(problems))
        return declared


def _read(path: str) -> bytes:
    """Reads a small regular file; raises ValueError for anything else, without following links or opening devices."""
    _require_regular_file(os.lstat(path).st_mode)
    # in case the file was replaced meanwhile: do not follow a link, do not block on a FIFO
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _require_regular_file(os.fstat(file).st_mode)
        with open(file, "rb", closefd=False) as opened:
            found = opened.read(FILE_BYTES + 1)
    finally:
        os.close(file)
    if len(found) > FILE_BYTES:
        raise ValueError(f"this file has more than {FILE_BYTES} bytes")
    return found


def _require_regular_file(mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise ValueError("this is a symbolic link; a users file is a regular file")
    if not stat.S_ISREG(mode):
        raise ValueError("this is not a regular file")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "this is not UTF-8"
    if isinstance(error, OSError):
        return f"this cannot be read: {error.strerror}"
    return str(error) if isinstance(error, ValueError) else f"this cannot be decrypted: {' '.join(str(error).split())}"


@functools.cache
def decrypted(text: str) -> str:
    """Decrypts a vaulted text with any of Ansible's vault secrets."""
    # encode and decode, because Ansible's string has tags and PyYAML needs a plain str
    return str(EncryptedString(ciphertext=text)).encode().decode()


@functools.cache
def decrypted_for_apps(text: str) -> str:
    """Decrypts a vaulted text that an app can read, with the secrets of vault id `users` only."""
    context = VaultSecretsContext.current(optional=True)
    secrets = match_secrets(context.secrets if context else [], [VAULT_ID])
    if not secrets:
        raise ValueError(f"vaulted values of apps need vault id {VAULT_ID}; run with --vault-id {VAULT_ID}@prompt")
    return str(VaultLib(secrets).decrypt(text).decode())
