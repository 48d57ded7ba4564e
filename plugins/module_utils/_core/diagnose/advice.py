# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings, and the commands and settings that they tell to type."""

from __future__ import annotations

import os
import shlex
from typing import TypedDict

from ..model.entities import Link
from ..model.kinds import KINDS
from ..model.urls import SUBDOMAIN
from ..text import printable
from .fingerprints import ANY_TOOL
from .observation import Observed


class Finding(TypedDict):
    """One thing that was found out."""

    severity: str
    finding: str
    fix: str


def error(finding: str, fix: str) -> Finding:
    return {"severity": "error", "finding": finding, "fix": fix}


def warning(finding: str, fix: str) -> Finding:
    return {"severity": "warning", "finding": finding, "fix": fix}


def printable_finding(finding: Finding) -> Finding:
    """Pages and processes say what they like."""
    return {**finding, "finding": printable(finding["finding"]), "fix": printable(finding["fix"])}


def describe_process(seen: Observed) -> str:
    """Whose process the target is, as far as one can see."""
    probe = seen.probe
    if probe.command:
        return f"'{short_command(probe.command)}' of {probe.user}"
    return f"a process of {probe.user}" if probe.user else "the tool"


def short_command(command: str) -> str:
    """A command line as people know it: without the interpreter of a script, without folders, of bounded length."""
    words = command.split(" ")
    if len(words) > 1 and os.path.basename(words[0]).startswith("python") and not words[1].startswith("-"):
        words = words[1:]
    text = " ".join([os.path.basename(words[0]), *words[1:]])
    return cut(text, 60)


def cut(text: str, characters: int = 200) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def edit_command(seen: Observed, **changes: str | int | bool) -> str:
    """How to change the link, which only who has declared it can."""
    source = seen.link["source"]
    if source == "self":
        command = ["vizgate"] if seen.user == seen.account else ["vizgate", "--user", seen.user]
        options = [
            word
            for key, value in changes.items()
            for word in (["--insecure"] if value is False else [f"--{key}", str(value)])
        ]
        return shlex.join([*command, "edit", seen.name, *options])
    settings = ", ".join(f"{key}: {'false' if value is False else value}" for key, value in changes.items())
    if source == "inventory":
        return f"in the users file {seen.user}.yml, link '{seen.name}': {settings}; then run the playbook links"
    return f"{settings} for link '{seen.name}' where source '{source}' declares it"


def start_command(seen: Observed, kind: str = "", port: int = 0) -> str:
    """The command that starts the tool so that it fits the link; of kind http, which may be any tool, in words."""
    kind = kind or seen.kind
    path = seen.link.get("socket")
    if kind == "http":
        host = seen.link.get("host") or "127.0.0.1"
        return "start your tool on " + (
            f"socket {path}" if path and not port else f"address {host}, port {port or seen.link['port']}"
        )
    if path and not port:
        if kind not in ANY_TOOL:
            port = free_port(seen)
            return f"{edit_command(seen, port=port)} && {start_command(seen, kind, port)}"
        script = ["-e", f"SCRIPT_NAME={seen.base}"] if kind == "wsgi" else []
        return shlex.join(["gunicorn", "--bind", f"unix:{path}", *script, "app:app"])
    host = seen.link.get("host") or "127.0.0.1"
    return shlex.join(KINDS[kind].command(seen.base, host, port or seen.link["port"], seen.site[1]))


def start_with_base_path(seen: Observed) -> str:
    """The command, or words, that give the tool the link's base path."""
    return start_command(seen) if seen.kind != "http" else f"start your tool with base path {seen.base}"


def change_port(seen: Observed, port: int) -> str:
    """How to give the link and its tool another port."""
    kind = str(seen.link["kind"])
    return f"{edit_command(seen, port=port)}{', then ' if kind == 'http' else ' && '}{start_command(seen, kind, port)}"


def free_port(seen: Observed, host: str = "") -> int:
    """The next port that the policy allows, nobody listens on, and no other link of the user's names; 0 for none."""
    taken = {listener.port for listener in seen.known} | {link.get("port") for link in seen.answer["links"]}
    first = seen.link.get("port") or 8000
    candidates = [*range(first + 1, 65536), *range(1024, first)]
    if seen.answer.get("ports") and seen.here:
        own = seen.answer["ports"]
        candidates = [*range(own["first"], own["last"] + 1)]
    return next((port for port in candidates if port not in taken and not policy_refusal(seen, host, port)), 0)


def policy_refusal(seen: Observed, host: str = "", port: int = 0) -> str:
    """Why the policy does not allow the link, or would not with another host or port; or ""."""
    link, own = seen.link, seen.answer.get("ports")
    if own and port and seen.here and link["source"] == "self" and not own["first"] <= port <= own["last"]:
        return f"port {port} is not in {seen.user}'s own range {own['first']}-{own['last']}"
    changed = Link(
        seen.name,
        prefix=str(link["prefix"]),
        port=port or link.get("port") or 0,
        host=host or link.get("host") or "127.0.0.1",
        socket="" if host or port else link.get("socket") or "",
    )
    return (seen.policy.link_problem(changed, seen.user) or "").removeprefix(f"link '{seen.name}': ")


def service_command(seen: Observed, action: str) -> str:
    if seen.root:
        return shlex.join([f"{seen.root}/usr/local/lib/vizgate/bin/vizgate-rootless", action])
    return f"sudo service nginx {action}" + ("" if action == "reload" else ", which only an administrator can run")


def free_name(seen: Observed) -> str:
    names = {link["name"] for link in seen.answer["links"]}
    return next(name for name in (f"{seen.name[:60]}-{number}" for number in range(2, 9999)) if name not in names)


def has_host_names(seen: Observed) -> bool:
    """Whether links can have host names of their own here."""
    return seen.policy.url_style == SUBDOMAIN


def tunnel_command(seen: Observed) -> str:
    """How one person reaches the tool without the gateway."""
    host = seen.site[1].rpartition("]")[2].partition(":")[0] if not seen.site[1].startswith("[") else seen.site[1]
    place = seen.link.get("socket") or f"{seen.link['host']}:{seen.link['port']}"
    return shlex.join(["ssh", "-L", f"8080:{place}", host])


def curl_command(seen: Observed, path: str) -> str:
    """How to see the tool's own answer to a request for `path`."""
    words = ["curl", "-i", "-H", f"Host: {seen.site[1]}"]
    if seen.link.get("socket"):
        words += ["--unix-socket", seen.place, f"http://localhost{path}"]
    else:
        insecure = [] if seen.link.get("verify", True) else ["-k"]
        words += [*insecure, f"{'' if '://' in seen.place else 'http://'}{seen.place}{path}"]
    return shlex.join(words)
