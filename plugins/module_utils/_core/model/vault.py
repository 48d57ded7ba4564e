# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypted values of users files: they stay encrypted until a field that may be secret asks for them."""

from __future__ import annotations

from collections.abc import Callable

Decrypt = Callable[[str], str]


class Vaulted:
    """A value that Ansible Vault encrypts. It is no text, so every field that is not meant to be secret refuses it."""

    def __init__(self, ciphertext: str) -> None:
        self.ciphertext = ciphertext

    def __repr__(self) -> str:
        return "!vault"


class NotDecrypted(ValueError):
    """A value that cannot be decrypted; the message says why, and shows nothing of it."""


def no_vault(_text: str) -> str:
    """Decrypts nothing."""
    raise ValueError("nothing here is vaulted")


def one_line(error: object) -> str:
    """An error's message on one line, in ASCII, of bounded length."""
    return " ".join(ascii(str(error))[1:-1].replace("\\n", " ").split())[:200]


def revealed(value: object, decrypt: Decrypt) -> object:
    """The text of a vaulted value, and any other value as it is; raises NotDecrypted."""
    if not isinstance(value, Vaulted):
        return value
    try:
        return decrypt(value.ciphertext)
    except UnicodeDecodeError:  # its message has a part of the value
        raise NotDecrypted("this value cannot be decrypted: it is not UTF-8") from None
    except Exception as error:  # whatever a vault raises, it concerns this value
        raise NotDecrypted(f"this value cannot be decrypted: {one_line(error)}") from None
