# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure rendering: what is declared for one user becomes include files for nginx and entries for the live table."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping

from ..model.entities import Link, UserData
from ..model.policy import PATH
from ..model.targets import HTTPS
from ..model.urls import below
from ..net.resolve import is_name
from ..ports.ranges import ListenerPolicy, plain_address

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


_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)


@functools.cache
def _template(folder: str, name: str) -> str:
    """A template as a text for the operator %, which fills thousands of them in the time in which string.Template fills some."""
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        text = file.read().replace("%", "%%")
    return _VARIABLE.sub(lambda found: found[1] or f"%({found[2] or found[3]})s", text)


def _escape(text: str) -> str:
    """As html.escape, whose module takes a millisecond to import, for its names of all characters."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#x27;")


def file_names(user: str) -> list[str]:
    """The include files that a user can have, below the include folder."""
    return [os.path.join(folder, user + ending) for folder, ending in FOLDERS.items()]


def entries(
    user: str, data: UserData, addresses: Mapping[str, str], policy: ListenerPolicy | None = None
) -> dict[str, str]:
    """What nginx looks up for a user: `alice/training` → `keep 127.0.0.1:8097`, where no address is known `keep :8097`;
    and `alice/` → the generation of her logins, which is another whenever one of them changes, and their names. With a `policy`, links to
    this host also say whose listeners they trust: `keep 127.0.0.1:20001 1001`. Where https is spoken, the first word says
    whether the certificate has to be good, and for which name: `keep:verified:node7 10.0.0.7:8443`. `alice//old` → the names of her
    logins whose hashes are to be replaced, if there are any; `alice/^run-^b` → `moved run-b` for what was `Run-B` once."""
    found: dict[str, str] = {}
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
        if policy:
            address = plain_address(address)
            trusted = policy.trusted(link, address)
        if ":" in address:
            address = f"[{address}]"
        target = link.target if link.socket else f"{address}:{link.port}"
        found[f"{user}/{link.name}"] = f"{link.mode}{_security(link)} {target}{trusted}"
    return found


def _security(link: Link) -> str:
    if link.scheme != HTTPS:
        return ""
    return f":{'verified' if link.verify else 'unverified'}:{link.host if is_name(link.host) else ''}"


def render(templates: str, user: str, data: UserData, entries: Mapping[str, str], style: str = PATH) -> dict[str, str]:
    """A user's include files, by the templates in the folder `templates`: path below the include folder → text.

    `data` is what all sources declare for the user together, and `entries` are its entries. `style` is the policy's
    url_style. Without links and logins there are no files. Raises KeyError for a variable that a template should not have.
    """
    if not data.links and not data.logins:
        return {}
    page = {"user": _escape(user), "home": _escape(below(style, f"/{user}/"))}
    line, login = _template(templates, "entry.map"), _template(templates, "login.htpasswd")
    lines = [line % {"key": key, "value": value} for key, value in entries.items()]
    logins = [login % {"name": each.name, "password_hash": each.password_hash} for each in data.logins]
    if data.links:
        item = _template(templates, "link.html")
        items = [
            item
            % {
                "home": page["home"],
                "name": _escape(link.name),
                "kind": _escape(link.kind),
                "description": _escape(link.description),
            }
            for link in data.links
        ]
        parts = _template(templates, "links.html") % {"parts": "".join(items)}
    else:
        parts = _template(templates, "no_links.html") % {}
    texts = (
        _template(templates, "links.map") % {"user": user, "parts": "".join(lines)},
        "".join(logins),
        _template(templates, "index.html") % {**page, "parts": parts},
    )
    return dict(zip(file_names(user), texts, strict=True))
