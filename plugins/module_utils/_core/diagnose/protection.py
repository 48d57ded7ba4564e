# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the recommended protection of a gateway is on, and how an administrator switches on what is off."""

from __future__ import annotations

import os
import re
import subprocess
from typing import NamedTuple

from ..apply.gateway import Gateway
from ..model.entities import UserData
from ..model.policy import Policy
from ..model.urls import SUBDOMAIN
from ..ports.loopback_filter import NFT, is_on
from ..ports.ranges import TABLE

NAMES_SHOWN = 5


class Facts(NamedTuple):
    """What is found on the host; of a rootless gateway, what it can have."""

    policy: Policy
    rootless: bool = False
    guard: str = ""
    """`loaded` in the kernel, only `written` to the file, or neither."""
    firewall: bool = False
    fail2ban: bool = False
    lockout: tuple[int, int] = (0, 0)
    """After how many wrong passwords a login is locked, and a client throttled; 0 for never."""
    legacy: tuple[str, ...] = ()
    """Logins with hashes of the old script, as `user/login`."""
    unverified: tuple[str, ...] = ()
    """Links whose targets' certificates are not verified, as `user/link`."""


class Measure(NamedTuple):
    """One recommended measure: whether it is `on`, what it protects from, and what switches it on."""

    name: str
    on: bool
    why: str
    fix: str


def facts(gateway: Gateway) -> Facts:
    """Looks at the gateway's host. Needs root, or the owner of a rootless gateway; raises InvalidData, OSError."""
    paths, registry = gateway.paths, gateway.registry
    state = registry.everything()
    rootless = paths.root != "/"
    legacy = [f"{user}/{login.name}" for user, data in _items(state) for login in data.logins if login.is_legacy]
    unverified = [f"{user}/{link.name}" for user, data in _items(state) for link in data.links if not link.verify]
    limits = re.search(r"vizgate\.lock_out\((\d+), (\d+), ", _text(os.path.join(paths.includes, "gateway.conf")))
    return Facts(
        registry.policy(),
        rootless,
        "" if rootless or not is_on(paths) else "loaded" if _is_loaded() else "written",
        not rootless and bool(re.search(r"^ENABLED=yes\b", _text("/etc/ufw/ufw.conf"), re.MULTILINE)),
        not rootless and os.path.exists("/etc/fail2ban/jail.d/vizgate.conf"),
        (int(limits[1]), int(limits[2])) if limits else (0, 0),
        tuple(legacy),
        tuple(unverified),
    )


def measures(found: Facts) -> list[Measure]:
    """What is recommended, the most important first; of a rootless gateway, what it can have."""
    policy = found.policy
    host = [
        Measure(
            "port ranges",
            policy.port_range_start > 0,
            "another user's program can take the port of a link, and visitors see its pages",
            "set gateway_port_range_start, for instance to 20000; new links to this host then use ports of their user's range",
        ),
        Measure(
            "loopback filter",
            found.guard == "loaded",
            "any account of this host can connect to any user's port, past the gateway and its logins",
            "systemctl restart vizgate-guard, which loads what is written"
            if found.guard == "written"
            else "set firewall_state: present, with port ranges; firewall_loopback_guard is true by default",
        ),
        Measure(
            "network firewall",
            found.firewall,
            "programs that listen on all addresses are open to the network, past the gateway and its logins",
            "set firewall_state: present; or make sure that another firewall allows only SSH and the gateway",
        ),
    ]
    everywhere = [
        Measure(
            "HTTPS",
            policy.url.startswith("https://"),
            "passwords and pages cross the network in clear text",
            "set gateway_tls: true and certificate_provider; behind another proxy that ends TLS, gateway_public_url",
        ),
        Measure(
            "lockout",
            all(found.lockout),
            "passwords can be guessed as quickly as they are checked",
            "give gateway_lockout_failures and gateway_throttle_failures other values than 0",
        ),
    ]
    bans = [
        Measure(
            "fail2ban",
            found.fail2ban,
            "a client that guesses passwords for hours is throttled, but not banned",
            "set gateway_fail2ban: true",
        )
    ]
    rest = [
        Measure(
            "strong password hashes",
            not found.legacy,
            f"these logins have weak hashes (imported from the multivisdom script), which are fast to crack: {_some(found.legacy)}",
            "ask for new passwords (vizgate login password NAME); gateway_legacy_hashes_until sets the last day on which the"
            " weak hashes are accepted",
        ),
        Measure(
            "verified targets",
            not found.unverified,
            f"these links accept any certificate, so an attacker in the network can read the traffic: {_some(found.unverified)}",
            "remove verify: false; for a private CA also set gateway_backend_ca",
        ),
        Measure(
            "origins",
            policy.url_style == SUBDOMAIN,
            "all users' pages have the same origin, so the gateway cannot refuse requests that scripts on other users' pages send",
            "set gateway_url_style: subdomain, which needs a wildcard DNS record and certificate",
        ),
    ]
    return [*everywhere, *rest] if found.rootless else [*host, *everywhere, *bans, *rest]


def _items(state: dict[str, dict[str, UserData]]) -> list[tuple[str, UserData]]:
    return [(user, data) for user, sources in state.items() for _source, data in sorted(sources.items())]


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _is_loaded() -> bool:
    command = [NFT, "-t", "list", "table", *TABLE.split()]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
