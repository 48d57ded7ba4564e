# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what a change did, and the command that starts a link's tool."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import click
from vizgate.model import urls

from .. import client
from . import tables

_DONE = {"add": "added", "change": "changed", "remove": "removed", "repair": "repaired", "give back": "gave back"}


def print_plan(response: Mapping[str, Any]) -> None:
    """Prints one line for every step of a change."""
    for step in response["plan"]:
        url, target = step_url(step), tables.clean(step.get("now") or step["target"])
        action, is_login = step["action"].removesuffix(" login"), step["action"].endswith(" login")
        if action == "unresolved":
            tables.print_problems([f"host of {url} -> {target} has no address; the link answers 502 until it has one"])
        elif is_login:
            click.echo(f"{_DONE.get(action, action)} login {target} of {url}")
        else:
            was = f", was {tables.clean(step['was'])}" if "was" in step else ""
            click.echo(f"{_DONE.get(action, action)} {url} -> {target}{was}")


def locate_step(step: Mapping[str, str]) -> tuple[str, str]:
    """The origin and the path of the link or login of a plan's step; the origin is empty if the site policy has none."""
    try:
        with open(os.path.join(client.ROOT, "etc/vizgate/policy.json"), encoding="utf-8") as file:
            policy = json.load(file)
        url, style = str(policy.get("url", "")), str(policy.get("url_style", ""))
    except (OSError, ValueError, AttributeError):
        url, style = "", ""
    user, name = step["user"], step["url"].split("/")[2]
    link = urls.located({"prefix": "", **step, "name": name}, url, style, user)
    return link.get("origin", urls.site(url, style, user)), link["url"]


def step_url(step: Mapping[str, str]) -> str:
    """The URL of the link or login of a plan's step."""
    return "".join(locate_step(step))


def print_start_hint(response: Mapping[str, Any], declared: Mapping[str, Any]) -> None:
    """Prints what to do after adding a link: start its tool, or without a kind run the doctor, which detects it."""
    from vizgate.model.kinds import KINDS

    if "kind" not in declared:
        click.echo(f"next: vizgate doctor {declared['name']}")
        return
    kind = KINDS[declared["kind"]]
    step = next(step for step in response["plan"] if step["action"] == "add")
    origin, url = locate_step(step)
    link = {"prefix": kind.prefix, "host": "127.0.0.1", **declared, "kind": kind.name, "url": url}
    command = _start_command(link, origin)
    if command:
        click.echo(f"start it with: {command}" + (f"\n({kind.note})" if kind.note else ""))


def print_start_command(link: Mapping[str, Any], site: Mapping[str, Any]) -> None:
    """Prints the command that starts a link's tool; raises Failed if none is known."""
    command = _start_command(link, link.get("origin", site["url"]))
    if not command:
        what = f"socket {link['socket']}" if link.get("socket") else f"prefix {link['prefix']}"
        raise client.refused(f"link {link['name']!a}: kind {link['kind']} has no known command for {what}")
    click.echo(command)


def _start_command(link: Mapping[str, Any], url: str) -> str:
    """The command that starts a link's tool; "" if the link's prefix or socket is not what its kind expects."""
    import shlex

    from vizgate.model.kinds import KINDS

    kind = KINDS[link["kind"]]
    # a tool with a host name of its own has an empty base path
    if link["prefix"] not in (kind.prefix, urls.HOST) or link.get("socket"):
        return ""
    return shlex.join(kind.command(link["url"].rstrip("/"), link["host"], link["port"], url.partition("://")[2]))
