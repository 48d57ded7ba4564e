# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared for a user: links and logins."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .kinds import KINDS
from .targets import HTTPS

# What htpasswd wrote for the old script, by default and with -s. Both are quickly guessed by who has the hash; what it writes with -d
# looks at eight characters alone, and is taken from nobody.
LEGACY_HASHES = (
    re.compile(r"\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}"),
    re.compile(r"\{SHA\}[A-Za-z0-9+/]{27}="),
)


class Link(NamedTuple):
    """A published target: `http://gateway/<user>/<name>/` leads to `host`:`port`, or to a unix `socket`."""

    name: str
    port: int = 0
    kind: str = "http"
    host: str = "127.0.0.1"
    description: str = ""
    prefix: str = ""
    """`keep`, `strip`, `host`, or nothing for what the kind says."""
    socket: str = ""
    scheme: str = "http"
    """What the target speaks: `http` or `https`."""
    verify: bool = True
    """With `https`, whether the target's certificate has to be good for `host`."""

    @property
    def mode(self) -> str:
        """Whether the backend sees the link's prefix, `keep` or `strip`; or `host` for a link with a host name of its own."""
        return self.prefix or KINDS[self.kind].prefix

    @property
    def target(self) -> str:
        """`host:port`, `https://host:port` or `unix:<path>`, as people write it."""
        if self.socket:
            return f"unix:{self.socket}"
        place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"https://{place}" if self.scheme == HTTPS else place

    def as_json(self) -> dict[str, Any]:
        """All of it in plain types; of host and port, socket, scheme and verify, those that count."""
        idle = [*(("host", "port") if self.socket else ("socket",))]
        idle += [] if self.scheme == HTTPS else ["scheme", "verify"]
        return {key: value for key, value in self._asdict().items() if key not in idle}


class Login(NamedTuple):
    """A name and password that open a user's links. A clear password is hashed before it is stored."""

    name: str
    password_hash: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Login(name={self.name!r})"

    @property
    def is_legacy(self) -> bool:
        """Whether the hash is of a kind that is only imported, and that a policy may end."""
        return any(pattern.fullmatch(self.password_hash) for pattern in LEGACY_HASHES)


class UserData(NamedTuple):
    """What one source declares for one user."""

    links: tuple[Link, ...] = ()
    logins: tuple[Login, ...] = ()
    moving: tuple[str, ...] = ()
    """Names of links that source `inventory` takes over for good as soon as it declares them."""
    renamed: tuple[tuple[str, str], ...] = ()
    """Names that links had before they were imported, like `Run-B`, and what they are called now."""

    def as_json(self) -> dict[str, Any]:
        """The same in plain types, defaults left out; `parse_user` reads it back."""
        found: dict[str, list[Any]] = {
            "links": [_plain(link) for link in self.links],
            "logins": [_plain(login) for login in self.logins],
        }
        more: dict[str, Any] = {"moving": list(self.moving)} if self.moving else {}
        return {**found, **more, **({"renamed": dict(self.renamed)} if self.renamed else {})}


def _plain(item: Link | Login) -> dict[str, Any]:
    return {key: value for key, value in item._asdict().items() if value != item._field_defaults.get(key)}
