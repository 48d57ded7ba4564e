# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders for the unix sockets of users' own programs: the user's and nginx's, nobody else's.

Each is a small file system of its own, so that a user who fills it keeps nobody else from making sockets.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from collections.abc import Mapping

from ..model.entities import UserData
from ..model.sources import has_socket
from ..paths import Paths
from ..text import shown

NO_SYMLINKS = 0x2000
"""The mount option nosymfollow, among the flags of statvfs(3). Without it a link in one's own folder would lead nginx to
another's socket."""
NGINX_GROUP = "www-data"
FILES = 1024
"""So many files a user's folder holds, and so many times 1 KiB: sockets take no more than their names."""
_OPTIONS = f"size={FILES}k,nr_inodes={FILES},mode=2710,nosuid,nodev,noexec,nosymfollow"


def is_made(folder: str, user: str, rootless: bool) -> bool:
    """Whether a user's folder for sockets is there and nobody else's, or rightly is not, as there is no such account."""
    owner = os.getuid() if rootless else _uid(user)
    try:
        found = os.lstat(folder).st_uid
    except FileNotFoundError:
        return owner is None
    # where the accounts are not to be had for a moment, what runs there stays
    return found == owner or (owner is None and _name(found) is None)


def are_made(paths: Paths, users: Mapping[str, UserData]) -> bool:
    """Whether all of `users` who have links to sockets have their folders."""
    return all(is_made(paths.sockets(user), user, paths.rootless) for user, data in users.items() if has_socket(data))


def make_folders(paths: Paths, users: Mapping[str, UserData]) -> list[str]:
    """Makes the folders of all of `users` who have links to sockets.

    Returns what went wrong, which costs only its own user's links.
    """
    wrong = []
    for user, data in users.items():
        if has_socket(data):
            try:
                make_folder(paths.sockets(user), user, paths.rootless)
            except OSError as error:
                wrong.append(f"user {shown(user)}: no folder for sockets: {error}")
    return wrong


def make_folder(folder: str, user: str, rootless: bool) -> None:
    """Makes and mounts a user's folder for sockets below its parent, unless it is there. Raises OSError.

    It is the user's, with nginx's group; an account that does not exist gets none. That of a `rootless` gateway is its
    owner's alone, and no mount.
    """
    if is_made(folder, user, rootless):
        return
    parent = os.path.dirname(folder)
    if rootless:
        os.makedirs(folder, mode=0o700)
        return
    if not os.statvfs(parent).f_flag & NO_SYMLINKS:
        raise OSError(f"{parent} is not mounted with nosymfollow; run role gateway again, which does that")
    _remove(folder)
    owner = _uid(user)
    if owner is None:
        return
    os.mkdir(folder, mode=0o700)
    # the sockets get the folder's group, and nginx with it
    ids = f"uid={owner},gid={grp.getgrnam(NGINX_GROUP).gr_gid}"
    _on_host("mount", "-t", "tmpfs", "-o", f"{_OPTIONS},{ids}", "vizgate", folder)
    if not is_made(folder, user, rootless):
        raise OSError(
            f"{folder} was mounted for the host, but cannot be seen from here; run this in a session of the host"
        )


def _remove(folder: str) -> None:
    """Removes what an earlier account of the name has left, or who was interrupted here. Programs keep what they have open."""
    if _is_mount(folder):
        _on_host("umount", "--lazy", folder)
    with contextlib.suppress(FileNotFoundError):
        # of a gateway that had one file system for all
        os.chown(folder, 0, 0)
        # Python's own rmtree gives up on folders that nest deep enough
        import subprocess

        subprocess.run(["rm", "-rf", "--one-file-system", "--", folder], check=False, capture_output=True)


def _is_mount(folder: str) -> bool:
    try:
        return os.lstat(folder).st_dev != os.lstat(os.path.dirname(folder)).st_dev
    except FileNotFoundError:
        return False


def _on_host(*command: str) -> None:
    """Runs a command where PID 1 sees it: whoever changes links may do so in a session with mounts of its own."""
    import subprocess  # folders are there most of the time

    line = ["nsenter", "--mount=/proc/1/ns/mnt", "--", *command]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


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
