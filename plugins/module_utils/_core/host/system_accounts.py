# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts of a host belong to services: they publish nothing, and run nobody's apps."""

from __future__ import annotations

import pwd

FIRST_UID = 1000
"""Accounts below this number are services that an administrator has installed. Lua and account_facts.py of role accounts have it, too."""
DYNAMIC_UIDS = range(61184, 65520)
"""What systemd gives services that have no account, `DynamicUser=`; to nobody who logs in."""
NOBODY = 65534


def is_system(uid: int) -> bool:
    """Whether an account is a service's, or nobody's."""
    return uid < FIRST_UID or uid in DYNAMIC_UIDS or uid == NOBODY


def account_problem(user: str, uid: int) -> str | None:
    """Why an account may publish nothing, or nothing."""
    if is_system(uid):
        return f"user '{user}': this host has a system account with that name (uid {uid}); choose another name"
    return None


def name_on_host_problem(user: str) -> str | None:
    """The same for a name; one without an account on this host may publish."""
    try:
        return account_problem(user, pwd.getpwnam(user).pw_uid)
    except KeyError:
        return None
