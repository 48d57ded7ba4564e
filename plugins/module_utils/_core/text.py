# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in messages: bounded, on one line, without what a terminal would obey."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 3


def shown(value: object) -> str:
    """A value as an error message shows it: quoted, on one line, of bounded length."""
    try:
        # reprlib bounds what nests or repeats, as a few lines of YAML aliases can say a billion things
        text = str(value) if isinstance(value, (str, int, float)) or hasattr(value, "isoformat") else _SHORT.repr(value)
    except (ValueError, RecursionError):
        text = f"{type(value).__name__} too big to show"
    text = ascii(text)
    return text if len(text) <= 82 else text[:78] + "…'"


def did_you_mean(value: object, known: Iterable[str], likeness: float) -> str:
    """Advice for a mistyped value, or ""; `likeness` is between 0 and 1."""
    import difflib  # only by who has mistyped

    near = difflib.get_close_matches(shown(value)[1:-1], known, 1, likeness)
    return f"did you mean '{near[0]}'?" if near else ""


def printable(text: str) -> str:
    """A text on one line, with escapes for what a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
