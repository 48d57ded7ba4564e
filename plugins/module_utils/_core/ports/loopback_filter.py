# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port ranges on a real host: its accounts and addresses, who listens, and the loopback guard in the kernel."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .. import fs
from ..errors import GuardFailed
from ..paths import Paths
from .ranges import TABLE, Ports, account, guard_rules, is_trusted

if TYPE_CHECKING:
    import subprocess

    from ..net.listeners import Listening

NFT = "/usr/sbin/nft"
GATEWAY = "www-data"
"""The account of nginx's workers."""


def uids(users: Iterable[str], ports: Ports, rootless: bool) -> dict[str, int | None]:
    """User → the number of their account, if there is one. All programs behind a `rootless` gateway are its owner's."""
    known = {user: holder.uid for user, holder in ports.holders.items()}
    return {user: os.getuid() if rootless else account(user, known.get(user)) for user in users}


def here(addresses: Iterable[str]) -> frozenset[str]:
    """Those of the addresses that are this host's."""
    from ..net.endpoint import is_here

    return frozenset(address for address in addresses if address and is_here((address, 0)))


def foreign_listener(entry: str, listening: Listening) -> str:
    """Whose listener keeps the gateway from serving a link with this entry, or ""."""
    words = entry.split(" ")
    if len(words) < 3:
        return ""
    host, _colon, port = words[1].rpartition(":")
    uid = listening.owner(host.strip("[]"), int(port))
    if uid is None or is_trusted(entry, uid):
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_on(paths: Paths) -> bool:
    """Whether role firewall has switched the guard on."""
    return os.path.exists(paths.guard)


def enforce(paths: Paths, ports: Ports | None, *, recheck: bool = False) -> bool:
    """Makes the guard in the kernel that of `ports`, where it is on; `recheck` also where it seems to be right already.

    The file holds what the kernel has taken. Returns whether something had to be done; raises GuardFailed, OSError.
    """
    if not is_on(paths) or ports is None:
        return False
    text = guard_rules(ports, pwd.getpwnam(GATEWAY).pw_uid)
    with open(paths.guard, encoding="utf-8") as file:
        same = file.read() == text
    if same and not recheck:
        return False
    if same and _nft("-t", "list", "table", *TABLE.split()).returncode == 0:
        return False
    _load(text)
    if not same:
        fs.write(paths.guard, text)
    return True


def switch(paths: Paths, ports: Ports | None, *, check: bool = False) -> bool:
    """Switches the guard on, or off where there are no `ports`. Returns whether it was otherwise before; `check` only
    tells. Raises GuardFailed, OSError."""
    on = is_on(paths)
    if check:
        return on != (ports is not None)
    if ports is None:
        if on:
            withdraw()
            os.unlink(paths.guard)
        return on
    if not on:
        fs.write(paths.guard, "")
    return enforce(paths, ports, recheck=True)


def withdraw() -> None:
    """Takes the table out of the kernel; raises GuardFailed."""
    if os.path.exists(NFT):
        # the first line makes sure that there is something to delete
        _load(f"table {TABLE}\ndelete table {TABLE}\n")


def _load(text: str) -> None:
    done = _nft("-f", "-", text=text)
    if done.returncode != 0:
        raise GuardFailed(f"nft rejects the rules of the loopback filter: {done.stderr.strip().splitlines()[0]}")


def _nft(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    import subprocess  # where there is no guard, a change can do without

    try:
        return subprocess.run([NFT, *words], input=text, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise GuardFailed(f"nft cannot be run ({error}); role firewall installs it") from None
