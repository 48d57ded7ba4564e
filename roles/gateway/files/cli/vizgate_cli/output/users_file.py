# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes links as the YAML of a users file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML reads as something other than text."""


def as_yaml(links: Iterable[Mapping[str, Any]]) -> str:
    """Links as the YAML of a users file, defaults left out."""
    from vizgate.model.kinds import KINDS

    lines = []
    for link in links:
        pairs = {"name": link["name"], "kind": link["kind"] if link["kind"] != "http" else None}
        if link.get("socket"):
            pairs["socket"] = link["socket"]
        else:
            pairs["host"] = link["host"] if link["host"] != "127.0.0.1" else None
            pairs["port"] = link["port"]
        pairs["scheme"] = "https" if link.get("scheme") == "https" else None
        pairs["verify"] = False if link.get("verify") is False else None
        pairs["description"] = link["description"] or None
        pairs["prefix"] = link["prefix"] if link["prefix"] != KINDS[link["kind"]].prefix else None
        given = [f"{key}: {_scalar(value)}" for key, value in pairs.items() if value is not None]
        lines.append("  - " + "\n    ".join(given) + "\n")
    return "links:\n" + "".join(lines) if lines else "links: []\n"


def _scalar(value: str | int) -> str:
    """A value as YAML, quoted unless YAML can only read it as this text."""
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    first, plain = value[:1], value.replace(" ", "").replace("-", "").replace(".", "").replace("_", "")
    if first.isalpha() and plain.isalnum() and value.isascii() and value[-1] != " " and value.lower() not in _WORDS:
        return value
    return '"' + "".join(_escaped(letter) for letter in value) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
