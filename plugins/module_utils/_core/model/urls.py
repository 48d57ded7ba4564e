# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where browsers find what plans and the registry call `/alice/train/`, in either of the policy's url styles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# not in data and kinds, whose import takes too long for the command's everyday use
SUBDOMAIN = "subdomain"
HOST = "host"
"""The prefix mode of a link that has a host name of its own, and so no prefix."""


def site(url: str, style: str, user: str, link: str = "") -> str:
    """The origin of a user's pages, on a gateway at `url`: that, or `https://alice.gate.example.org:1234`; that of a `link` with
    a host name of its own is `https://train--alice.gate.example.org:1234`."""
    url = url.rstrip("/")
    scheme, found, host = url.partition("://")
    return f"{scheme}://{label_of(user, link)}.{host}" if found and style == SUBDOMAIN else url


def label_of(user: str, link: str = "") -> str:
    """The first label of a user's host name, or of that of a link's own."""
    return f"{link}--{user}" if link else user


def below(style: str, place: str) -> str:
    """The path below the origin: `/alice/train/`, or `/train/`."""
    return "/" + place.split("/", 2)[2] if style == SUBDOMAIN else place


def located(link: Mapping[str, Any], url: str, style: str, user: str) -> dict[str, Any]:
    """A link as `info` tells it, with the `url` below the user's origin; or below `origin`, where it has one of its own."""
    if style == SUBDOMAIN and link["prefix"] == HOST:
        return {**link, "url": "/", "origin": site(url, style, user, link["name"])}
    return {**link, "url": below(style, link["url"])}
