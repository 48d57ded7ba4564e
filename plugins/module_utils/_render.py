# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure rendering: what is declared for one user becomes include files for nginx and entries for the live table."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Mapping
from typing import Any

from ._kinds import KINDS
from ._model import UserData
from ._resolve import is_name

FOLDERS = {"links.d": ".map", "logins.d": ".htpasswd", "pages": ".html"}
"""The folders of per-user include files, and how the files in them end."""
TEMPLATES = ("links.map.j2", "logins.htpasswd.j2", "index.html.j2")
"""The templates of the same files, in the same order."""
EMPTY = "# Nothing is declared for this user any more; the file stays, as nginx may be about to open it.\n"
"""The map file of a user without links and logins."""


@dataclasses.dataclass(frozen=True)
class Rendered:
    """`files`: path below the include folder → text. `entries`: what nginx looks up, key → value."""

    files: dict[str, str] = dataclasses.field(default_factory=dict)
    entries: dict[str, str] = dataclasses.field(default_factory=dict)


@functools.cache
def _environment(templates: str) -> Any:
    import jinja2  # so that its absence can be said in words

    compiled = os.path.join(templates, "compiled")
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        bytecode_cache=jinja2.FileSystemBytecodeCache(compiled) if os.access(compiled, os.W_OK) else None,
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def prepare(templates: str) -> None:
    """Loads the templates, for who has the time to do so before the data is there."""
    for name in TEMPLATES:
        _environment(templates).get_template(name)


def file_names(user: str) -> list[str]:
    """The include files that a user can have, below the include folder."""
    return [os.path.join(folder, user + ending) for folder, ending in FOLDERS.items()]


def entries(user: str, data: UserData, addresses: Mapping[str, str]) -> dict[str, str]:
    """What nginx looks up for a user: `alice/training` → `keep 127.0.0.1:8097`, where no address is known `keep :8097`;
    and `alice/` → the generation of her logins, which is another whenever one of them changes."""
    found = {}
    if data.logins:
        declared = "\n".join(f"{login.name}:{login.password_hash}" for login in data.logins)
        found[user + "/"] = hashlib.sha256(declared.encode()).hexdigest()[:24]
    for link in data.links:
        address = addresses.get(link.host, "") if is_name(link.host) else link.host
        if ":" in address:
            address = f"[{address}]"
        found[f"{user}/{link.name}"] = f"{link.mode} {link.target if link.socket else f'{address}:{link.port}'}"
    return found


def render(templates: str, user: str, data: UserData, addresses: Mapping[str, str]) -> Rendered:
    """Renders one user through the templates in the folder `templates`.

    `data` is what all sources declare for the user together; `addresses` holds the address of every host name of
    theirs that has one.
    """
    found = entries(user, data, addresses)
    if not data.links and not data.logins:
        return Rendered()
    environment = _environment(templates)
    texts = [
        environment.get_template(name).render(user=user, data=data, entries=found, kinds=KINDS) for name in TEMPLATES
    ]
    return Rendered(dict(zip(file_names(user), texts, strict=True)), found)
