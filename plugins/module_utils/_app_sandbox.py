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


def fence(user: str, home: str, writable: Sequence[str], sockets: str = "", gpu: bool = False) -> Properties:
    """The properties of systemd that keep a user's processes within what is theirs.

    They write to the `writable` folders and the folder of `sockets` alone, and see nothing that acts for the owner elsewhere.
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
        # Everything is read-only but this. Nothing is bound from the home to elsewhere: PID 1 would follow a link that the owner
        # puts there into a folder which others' homes keep closed, and the bound folder would be open.
        ("ReadWritePaths", " ".join(writable)),
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


def launcher(log: str, *, echo: bool = False, home: str = "", folder: str = "") -> list[str]:
    """The words before a command that write its log, and with a home restrict it to the app's folder there."""
    if not home and not os.path.exists(RUN):
        # a host of an earlier version: apps are removed from there, without a log
        return []
    return [RUN, log, *(["--echo"] if echo else []), *(["--home", home, "--open", folder] if home else []), "--"]
