# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of users, links, logins and sources."""

from __future__ import annotations

import re

from ..text import shown

USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
LINK = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
OLD_LINK = re.compile(r"(?=.*[A-Z])[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""What an imported link may have been called and can be no longer: a name with capital letters."""
LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,62}")
SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
RESERVED_USERS = frozenset({"api", "login", "logout", "paraview", "proxy", "static", "vizgate"})
RESERVED_LINKS = frozenset({"favicon.ico", "index.html", "robots.txt"})


def name_problem(what: str, name: object) -> str | None:
    """Why `name` cannot name a user, link, login or source (`what`), or nothing."""
    pattern, reserved = {
        "user": (USER, RESERVED_USERS),
        "link": (LINK, RESERVED_LINKS),
        "login": (LOGIN, frozenset[str]()),
        "source": (SOURCE, frozenset[str]()),
    }[what]
    if not isinstance(name, str) or not pattern.fullmatch(name):
        return f"{what} {shown(name)}: the name is not of the form {pattern.pattern}"
    if name in reserved:
        return f"{what} {shown(name)}: the name is reserved; take another"
    return None
