# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure rendering: what is declared for one user becomes include files for nginx and entries for the live table."""

from __future__ import annotations

import functools
import html
import os
import re
import string
from collections.abc import Mapping
from typing import NamedTuple

from ..model.data import HTTPS, PATH, Link, UserData
from ..model.urls import below
from ..net.resolve import is_name
from ..ports.ranges import Watch, plain_address

try:
    # Python's own: OpenSSL, which hashlib prefers, takes 3 ms to load, and each `vizgate add` waits for it
    from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]  # before Python 3.12
    except ImportError:
        from hashlib import sha256

FOLDERS = {"links.d": ".map", "logins.d": ".htpasswd", "pages": ".html"}
"""The folders of per-user include files, and how the files in them end."""
OLD_LOGINS = "//old"
"""The end of the key under which nginx finds a user's logins with old hashes; no link's key ends so."""
EMPTY = "# Nothing is declared for this user any more; the file stays, as nginx may be about to open it.\n"
"""The map file of a user without links and logins."""


class Rendered(NamedTuple):
    """`files`: path below the include folder → text. `entries`: what nginx looks up, key → value."""

    files: dict[str, str]
    entries: dict[str, str]


@functools.cache
def _template(folder: str, name: str) -> string.Template:
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return string.Template(file.read())


def file_names(user: str) -> list[str]:
    """The include files that a user can have, below the include folder."""
    return [os.path.join(folder, user + ending) for folder, ending in FOLDERS.items()]


def entries(user: str, data: UserData, addresses: Mapping[str, str], watch: Watch | None = None) -> dict[str, str]:
    """What nginx looks up for a user: `alice/training` → `keep 127.0.0.1:8097`, where no address is known `keep :8097`;
    and `alice/` → the generation of her logins, which is another whenever one of them changes, and their names. With a `watch`, links to
    this host also say whose listeners they trust: `keep 127.0.0.1:20001 1001`. Where https is spoken, the first word says
    whether the certificate has to be good, and for which name: `keep:verified:node7 10.0.0.7:8443`. `alice//old` → the names of her
    logins whose hashes are to be replaced, if there are any; `alice/^run-^b` → `moved run-b` for what was `Run-B` once."""
    found = {}
    if data.logins:
        declared = "\n".join(f"{login.name}:{login.password_hash}" for login in data.logins)
        generation = sha256(declared.encode()).hexdigest()[:24]
        found[user + "/"] = " ".join([generation, *(login.name for login in data.logins)])
    old = [login.name for login in data.logins if login.is_legacy]
    if old:
        found[user + OLD_LOGINS] = " ".join(old)
    for name, now in data.renamed:
        # nginx's maps do not tell capital letters from small ones
        found[f"{user}/{re.sub('[A-Z]', lambda letter: '^' + letter[0].lower(), name)}"] = f"moved {now}"
    for link in data.links:
        address = addresses.get(link.host, "") if is_name(link.host) else link.host
        trusted = ""
        if watch:
            address = plain_address(address)
            trusted = watch.trusted(link, address)
        if ":" in address:
            address = f"[{address}]"
        target = link.target if link.socket else f"{address}:{link.port}"
        found[f"{user}/{link.name}"] = f"{link.mode}{_security(link)} {target}{trusted}"
    return found


def _security(link: Link) -> str:
    if link.scheme != HTTPS:
        return ""
    return f":{'verified' if link.verify else 'unverified'}:{link.host if is_name(link.host) else ''}"


def render(
    templates: str,
    user: str,
    data: UserData,
    addresses: Mapping[str, str],
    watch: Watch | None = None,
    *,
    style: str = PATH,
) -> Rendered:
    """Renders one user through the templates in the folder `templates`.

    `data` is what all sources declare for the user together; `addresses` holds the address of every host name of
    theirs that has one; `watch` is for a gateway with port ranges; `style` is the policy's url_style.
    """
    found = entries(user, data, addresses, watch)
    if not data.links and not data.logins:
        return Rendered({}, {})

    def filled(template: str, parts: str = "", **values: str) -> str:
        if template.endswith(".html"):
            values = {key: html.escape(value) for key, value in values.items()}
        return _template(templates, template).substitute(values, parts=parts)

    home = below(style, f"/{user}/")
    lines = [filled("entry.map", key=key, value=value) for key, value in found.items()]
    logins = [filled("login.htpasswd", name=each.name, password_hash=each.password_hash) for each in data.logins]
    links = [
        filled("link.html", home=home, name=link.name, kind=link.kind, description=link.description)
        for link in data.links
    ]
    texts = [
        filled("links.map", "".join(lines), user=user),
        "".join(logins),
        filled(
            "index.html",
            filled("links.html", "".join(links)) if links else filled("no_links.html"),
            user=user,
            home=home,
        ),
    ]
    return Rendered(dict(zip(file_names(user), texts, strict=True)), found)
