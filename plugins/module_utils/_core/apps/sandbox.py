# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps an app's processes within what is theirs: properties of systemd, and the program that starts them."""

from __future__ import annotations

import os
from collections.abc import Sequence

RUN = "/usr/local/lib/vizgate/bin/vizgate-app-run"
"""Runs a command of an app as its owner, writes its log, and restricts it by Landlock."""
HIDDEN = (".ssh", ".gnupg", "run")
"""Folders of a home with sockets that act for the owner. Landlock keeps files from being read, and sockets from nobody."""
OUTSIDE = ("/dev/pts", "/var/lib/incus", "/var/lib/lxd", "/var/snap/lxd")
"""Terminals that the owner types into, and sockets of container managers outside of /run."""
RUNTIME = (
    "/run/postgresql",
    "/run/mysqld",
    "/run/redis",
    "/run/nscd",
    "/run/nslcd",
    "/run/resolvconf",
    "/run/NetworkManager/resolv.conf",
    "/run/systemd/journal",
    "/run/systemd/resolve",
    "/run/systemd/userdb",
)
"""All that is left of /run: databases, names and the journal. All else there acts for the owner, or is nothing for an app."""
GPU_RUNTIME = ("/run/nvidia-persistenced",)

# Kernel drivers' names. Who of the users may open what they make is for the devices' groups to say.
_GPU_DEVICES = [
    ("DevicePolicy", "closed"),
    *(("DeviceAllow", f"char-{driver} rw") for driver in ("drm", "kfd", "nvidia*")),
]

Properties = list[tuple[str, str]]


def fence(user: str, home: str, sockets: str = "", gpu: bool = False) -> Properties:
    """The properties of systemd that keep a user's processes within what is theirs.

    They write to the home and the folder of `sockets` alone, and see nothing that acts for the owner elsewhere. Where in the home
    they write is restricted by Landlock.
    """
    runtime = [*RUNTIME, *(GPU_RUNTIME if gpu else ())]
    return [
        ("User", user),
        ("UMask", "0007"),
        # one worker that takes too much is one worker less, until its server starts another
        ("OOMPolicy", "continue"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        # which leaves homes out
        ("ProtectHome", "read-only"),
        # Everything is read-only but this. PID 1 makes a path writable by binding it to itself, and looks it up twice for that. Below
        # the home, the owner could exchange a folder for a link between the two: PID 1 would bind the inside of a closed home of
        # another user's to where the owner sees it. The home itself is in a folder of root's.
        ("ReadWritePaths", home),
        ("InaccessiblePaths", " ".join(f"-{path}" for path in (*(f"{home}/{name}" for name in HIDDEN), *OUTSIDE))),
        # What is bound here is root's, and so is the way to it. What comes to /run later is not seen.
        ("TemporaryFileSystem", "/run:ro,mode=0755"),
        ("BindReadOnlyPaths", " ".join(f"-{path}" for path in runtime)),
        *([("BindPaths", sockets)] if sockets else []),
        ("PrivateTmp", "yes"),
        ("PrivateIPC", "yes"),
        *(_GPU_DEVICES if gpu else [("PrivateDevices", "yes")]),
        ("ProtectClock", "yes"),
        ("ProtectControlGroups", "yes"),
        ("ProtectHostname", "yes"),
        ("ProtectKernelLogs", "yes"),
        ("ProtectKernelModules", "yes"),
        ("ProtectKernelTunables", "yes"),
        ("ProtectProc", "invisible"),
        ("LockPersonality", "yes"),
        ("RestrictNamespaces", "yes"),
        ("RestrictRealtime", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
        ("SystemCallArchitectures", "native"),
        ("SystemCallFilter", "@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self"),
    ]


def launcher(
    log: str, *, echo: bool = False, home: str = "", folder: str = "", writable: Sequence[str] = ()
) -> list[str]:
    """The words before a command that write its log; with a home the command reads the app's folder there, and writes `writable`."""
    if not home and not os.path.exists(RUN):
        # a host of an earlier version: apps are removed from there, without a log
        return []
    restriction = ["--home", home, "--open", folder, *(word for path in writable for word in ("--write", path))]
    return [RUN, log, *(["--echo"] if echo else []), *(restriction if home else []), "--"]
