# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders for the unix sockets of users' own programs: the user's and nginx's, nobody else's."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd

NO_SYMLINKS = 0x2000
"""The mount option nosymfollow, among the flags of statvfs(3). Without it a link in one's own folder would lead nginx to
another's socket."""
NGINX_GROUP = "www-data"


def is_made(folder: str, user: str, rootless: bool) -> bool:
    """Whether a user's folder for sockets is there and nobody else's, or rightly is not, as there is no such account."""
    owner = os.getuid() if rootless else _uid(user)
    try:
        found = os.lstat(folder).st_uid
    except FileNotFoundError:
        return owner is None
    # where the accounts are not to be had for a moment, what runs there stays
    return found == owner or (owner is None and _name(found) is None)


def make_folder(folder: str, user: str, rootless: bool) -> None:
    """Makes a user's folder for sockets below its parent, unless it is there. Raises OSError.

    It is the user's, with nginx's group; an account that does not exist gets none. That of a `rootless` gateway is its
    owner's alone.
    """
    if is_made(folder, user, rootless):
        return
    parent = os.path.dirname(folder)
    if rootless:
        os.makedirs(folder, mode=0o700)
        return
    if not os.statvfs(parent).f_flag & NO_SYMLINKS:
        raise OSError(f"{parent} follows symbolic links; run role gateway again, which mounts it otherwise")
    with contextlib.suppress(FileNotFoundError):
        # that of somebody who has the number of an earlier account, or half made
        os.chown(folder, 0, 0)
        # Python's own rmtree gives up on folders that nest deep enough
        import subprocess

        subprocess.run(["rm", "-rf", "--one-file-system", "--", folder], check=False, capture_output=True)
    owner = _uid(user)
    if owner is None:
        return
    os.mkdir(folder, mode=0o700)
    # the sockets get the folder's group, and nginx with it
    os.chown(folder, 0, grp.getgrnam(NGINX_GROUP).gr_gid)
    os.chmod(folder, 0o2710)  # noqa: S103  # others get nothing
    os.chown(folder, owner, -1)


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _uid(user: str) -> int | None:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None
