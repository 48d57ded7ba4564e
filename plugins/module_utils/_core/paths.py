# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a gateway keeps its things: the same tree below `/` or below a rootless gateway's folder."""

from __future__ import annotations

import os


class Paths:
    """The gateway's places below `root`, an absolute folder."""

    def __init__(self, root: str = "/") -> None:
        self.root = root

    def _below(self, path: str) -> str:
        return os.path.join(self.root, path)

    @property
    def rootless(self) -> bool:
        """Whether the gateway belongs to an ordinary user, who runs all of it."""
        return self.root != "/"

    @property
    def policy(self) -> str:
        """The site policy."""
        return self._below("etc/vizgate/policy.json")

    @property
    def certificate(self) -> str:
        """The certificate's chain, and its key."""
        return self._below("etc/vizgate/tls/gateway.pem")

    @property
    def state(self) -> str:
        """The folder of the registry, its lock, journal and audit log."""
        return self._below("var/lib/vizgate")

    @property
    def users(self) -> str:
        """The registry: one folder per user, in it one file per source."""
        return os.path.join(self.state, "users")

    @property
    def addresses(self) -> str:
        """The last known address of every host name that a link names."""
        return os.path.join(self.state, "addresses.json")

    @property
    def ports(self) -> str:
        """Which users have which of the port ranges, where the policy has some."""
        return os.path.join(self.state, "ports.json")

    @property
    def guard(self) -> str:
        """The nftables rules that are loaded, where the loopback guard is on; only there is this file."""
        return self._below("etc/vizgate/guard.nft")

    @property
    def journal(self) -> str:
        """The transaction under way, if there is one."""
        return os.path.join(self.state, "journal.json")

    @property
    def lock(self) -> str:
        """The file that a writer holds locked; its text says who that is."""
        return os.path.join(self.state, "lock")

    @property
    def nginx_check(self) -> str:
        """The folder in which nginx checks staged maps; it is where nobody else can put anything."""
        return os.path.join(self.state, "trial")

    @property
    def access_log(self) -> str:
        """One JSON line for every request; the lines from before the last rotation are beside it, as `….1`."""
        return self._below("var/log/nginx/vizgate.jsonl")

    def audit(self, user: str = "") -> str:
        """One JSON line for every change: of a user's own making, or of everybody else's."""
        return os.path.join(self.state, "audit", user + ".jsonl") if user else os.path.join(self.state, "audit.jsonl")

    def user_lock(self, user: str) -> str:
        """The file that a user's own change holds locked, so that nobody makes two at a time."""
        return os.path.join(self.state, "turns", user)

    def fingerprint(self, source: str) -> str:
        """What the last complete run of a source was made from."""
        return os.path.join(self.state, source + ".digest")

    @property
    def includes(self) -> str:
        """The folder of the rendered include files."""
        return self._below("etc/nginx/vizgate")

    @property
    def lib(self) -> str:
        """The folder of the installed releases of the code, of Lua and pages."""
        return self._below("usr/local/lib/vizgate")

    @property
    def templates(self) -> str:
        """The templates of the include files: those of this code's own release, or where it is none, of the one in use."""
        own = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "templates")
        return own if os.path.isdir(own) else os.path.join(self.lib, "current/templates")

    def sockets(self, user: str) -> str:
        """The folder of the unix sockets that a user's links may lead to; nobody else's processes but nginx's enter it."""
        return self._below(f"run/vizgate/sockets/{user}")

    @property
    def control(self) -> str:
        """The socket on which changes of links go live."""
        return self._below("run/vizgate/control/publish.sock")
