# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a host's ufw that is ours: rules whose comment says so. All other rules belong to somebody else."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence

from ._core import fs
from ._core.errors import InvalidData, Unavailable
from ._core.text import shown

OURS = "vizgate"
"""How the comments of our rules begin."""
NOTE = "/etc/ufw/vizgate.json"
"""How the firewall was before us."""
DEFAULTS = "/etc/default/ufw"

_PORT = re.compile(r"([0-9]{1,5})(?:[-:]([0-9]{1,5}))?")
_COMMENT = re.compile(r"[A-Za-z0-9 ._:/@+-]{0,80}")
_VERDICTS = {"DROP": "deny", "REJECT": "reject", "ACCEPT": "allow"}

Run = Callable[[Sequence[str]], str]
"""Runs a command and returns what it prints; raises UfwFailed."""
Command = tuple[str, ...]


class UfwFailed(Unavailable):
    """ufw does not do what it is asked for; the message is its own."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule as `ufw show added` writes it."""

    place: str
    """What it is about: `1234/tcp`, `from 10.0.0.0/8 to any port 1234 proto tcp`. There is one rule for each."""
    action: str = "allow"
    comment: str = OURS

    @property
    def is_ours(self) -> bool:
        return self.comment == OURS or self.comment.startswith(OURS + ": ")


def wanted(rules: Iterable[Mapping[str, str]]) -> list[Rule]:
    """The rules that `{port, proto, from, comment}` stand for, in their order; raises InvalidData with every problem."""
    found: dict[str, Rule] = {}
    problems = []
    for rule in rules:
        try:
            made = _rule(rule)
        except InvalidData as error:
            problems += error.problems
        else:
            found.setdefault(made.place, made)
    if problems:
        raise InvalidData(problems)
    return list(found.values())


def _rule(rule: Mapping[str, str]) -> Rule:
    port, proto, source, comment = (str(rule.get(key) or "") for key in ("port", "proto", "from", "comment"))
    label = f"firewall rule for port {shown(port)}"
    match = _PORT.fullmatch(port)
    if not match or not 1 <= int(match[1]) <= int(match[2] or match[1]) <= 65535:
        raise InvalidData([f"{label}: it is neither a port nor a range like 6000-6007 in 1-65535"])
    port = f"{int(match[1])}:{int(match[2])}" if match[2] else str(int(match[1]))
    if not _COMMENT.fullmatch(comment):
        raise InvalidData(
            [f"{label}: comment {shown(comment)} has characters other than letters, digits, spaces and ._:/@+-"]
        )
    text = f"{OURS}: {comment}" if comment else OURS
    if source in ("", "any"):
        return Rule(f"{port}/{proto or 'tcp'}", comment=text)
    try:
        network = ipaddress.ip_network(source, strict=False)
    except ValueError:
        raise InvalidData([f"{label}: from {shown(source)} is neither 'any' nor an address or network"]) from None
    address = str(network if network.prefixlen < network.max_prefixlen else network.network_address)
    return Rule(f"from {address} to any port {port} proto {proto or 'tcp'}", comment=text)


def parse_added(text: str) -> list[Rule]:
    """The rules in what `ufw show added` prints."""
    found = []
    for line in text.splitlines():
        if line.startswith("ufw "):
            words = shlex.split(line)[1:]
            comment = words.pop() if len(words) > 2 and words[-2] == "comment" else ""
            words = words[:-1] if comment else words
            place = [word for word in words[1:] if word not in ("log", "log-all")]
            found.append(Rule(" ".join(place), words[0], comment))
    return found


def steps(there: Sequence[Rule], coming: Sequence[Rule]) -> list[Command]:
    """The commands that make `coming` all of our rules: first what opens, then what closes. Where somebody else has a rule
    for the same place it stays, and is none of ours."""
    foreign = {rule.place for rule in there if not rule.is_ours}
    ours = {rule.place: rule for rule in there if rule.is_ours}
    keep = {rule.place: rule for rule in coming if rule.place not in foreign}
    opening = [rule for place, rule in keep.items() if ours.get(place) != rule]
    closing = [rule for place, rule in ours.items() if place not in keep]
    return [("ufw", "allow", *rule.place.split(), "comment", rule.comment) for rule in opening] + [
        ("ufw", "--force", "delete", rule.action, *rule.place.split()) for rule in closing
    ]


def _refuse_to_close(there: Sequence[Rule], coming: Sequence[Rule]) -> None:
    """A rule of somebody else's stays. One that nobody has noticed as long as the firewall was off may keep everybody out."""
    places = {rule.place for rule in coming}
    closing = [
        rule for rule in there if not rule.is_ours and rule.place in places and rule.action in ("deny", "reject")
    ]
    if closing:
        raise InvalidData(
            [
                f"ufw is disabled; if it were enabled, its rule '{rule.action} {rule.place}' would close a port that must be open;"
                f" remove the rule: ufw delete {rule.action} {rule.place}"
                for rule in closing
            ]
        )


def run(command: Sequence[str]) -> str:
    """Runs ufw."""
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    except (OSError, subprocess.SubprocessError) as error:
        raise UfwFailed(f"{shlex.join(command)} cannot be run ({error}); role firewall installs ufw") from None
    if done.returncode != 0:
        raise UfwFailed(f"{shlex.join(command)} fails: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Firewall:
    """The host's ufw."""

    def __init__(self, note: str = NOTE, defaults: str = DEFAULTS, run: Run = run) -> None:
        self.note, self.defaults, self.run = note, defaults, run

    def plan(self, rules: Sequence[Rule] | None) -> list[Command]:
        """What makes ours these rules, refuses all else that comes in, and switches the firewall on; without rules, what
        takes all that back. Raises InvalidData where that would bring a rule into force that closes what is to be open."""
        there = parse_added(self.run(("ufw", "show", "added")))
        active, incoming = self._state()
        if rules is not None:
            if not active:
                _refuse_to_close(there, rules)
            commands = steps(there, rules)
            commands += [] if incoming == "deny" else [("ufw", "default", "deny", "incoming")]
            return commands + ([] if active else [("ufw", "--force", "enable")])
        before = self._before()
        # first what lets everybody in again: our rules may be what keeps an administrator connected
        commands = [("ufw", "--force", "disable")] if active and before.get("active") is False else []
        was = before.get("incoming", incoming)
        commands += [] if was == incoming else [("ufw", "default", str(was), "incoming")]
        return commands + steps(there, ())

    def carry_out(self, commands: Iterable[Command], rules: Sequence[Rule] | None) -> None:
        """Runs what `plan` has found, and keeps the note of how it was before us."""
        if rules is not None and not os.path.exists(self.note):
            active, incoming = self._state()
            fs.write(self.note, json.dumps({"active": active, "incoming": incoming}) + "\n")
        for command in commands:
            self.run(command)
        if rules is None and os.path.exists(self.note):
            os.unlink(self.note)

    def _state(self) -> tuple[bool, str]:
        """Whether the firewall is on, and what it does with connections that no rule is about."""
        active = "Status: active" in self.run(("ufw", "status"))
        with open(self.defaults, encoding="utf-8") as file:
            found = re.search(r'^DEFAULT_INPUT_POLICY="?([A-Z]+)"?', file.read(), re.MULTILINE)
        return active, _VERDICTS.get(found[1] if found else "", "deny")

    def _before(self) -> Mapping[str, object]:
        try:
            with open(self.note, encoding="utf-8") as file:
                found = json.load(file)
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
