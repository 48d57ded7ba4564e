# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of variables in every role's README from the role's argument specs: `python tests/readme.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROLES = sorted(path.parents[1] for path in Path(__file__).resolve().parents[1].glob("roles/*/meta/argument_specs.yml"))
HEAD = "| variable | default | what |\n|---|---|---|\n"


def options(role: Path) -> dict[str, Any]:
    """What a role takes, as its argument specs have it."""
    text = (role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return found


def _rows(found: dict[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    for name, option in found.items():
        default = "required" if option.get("required") else ""
        if "default" in option:
            value = option["default"]
            default = f"`{value if value and isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"
        lines = option["description"] if isinstance(option["description"], list) else [option["description"]]
        what = re.sub(r"\b[CIVOBM]\(([^)]*)\)", r"`\1`", " ".join(lines))
        if "choices" in option:
            what += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        yield f"`{above}{name}`", default, what
        yield from _rows(option.get("options", {}), f"{above}{name}{'[]' if option['type'] == 'list' else ''}.")


def table(role: Path) -> str:
    """The table of a role's variables, in Markdown."""
    rows = ([cell.replace("|", r"\|") for cell in row] for row in _rows(options(role)))
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_table(text: str, new: str) -> str:
    """A README with the table in the place of the one that it has."""
    assert HEAD in text, f"the README has no line {HEAD.splitlines()[0]}"
    before, after = text.split(HEAD)
    return before + new + re.sub(r"\A(\|.*\n|<!--.*\n)*", "", after)


def main() -> None:
    """Brings every README up to date."""
    for role in ROLES:
        path = role / "README.md"
        text = path.read_text(encoding="utf-8")
        new = with_table(text, table(role))
        if new != text:
            path.write_text(new, encoding="utf-8")
            print(f"{path.relative_to(role.parents[1])}: table of variables renewed")


if __name__ == "__main__":
    main()
