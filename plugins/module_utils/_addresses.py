# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where browsers find what plans and the registry call `/alice/train/`, in either of the policy's url styles."""

from __future__ import annotations

SUBDOMAIN = "subdomain"  # as in _model, whose import takes too long for the command's everyday use


def site(url: str, style: str, user: str) -> str:
    """The origin of a user's pages, on a gateway at `url`: that, or `https://alice.gate.example.org:1234`."""
    url = url.rstrip("/")
    scheme, found, host = url.partition("://")
    return f"{scheme}://{user}.{host}" if found and style == SUBDOMAIN else url


def below(style: str, place: str) -> str:
    """The path below the origin: `/alice/train/`, or `/train/`."""
    return "/" + place.split("/", 2)[2] if style == SUBDOMAIN else place
