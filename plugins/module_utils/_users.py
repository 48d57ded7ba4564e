# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads users files: YAML, one per user, the file's name is the user's. Every problem carries its file and line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ._apps import App, parse_apps
from ._model import Policy, UserData, name_problem, parse_user, shown
from ._yaml import Lines, NotYaml, load

ENDINGS = (".yml", ".yaml")


def is_users_file(name: str) -> bool:
    """Whether a file name is that of a users file."""
    return name.endswith(ENDINGS) and not name.startswith(".")


class Declared(NamedTuple):
    """What users files say."""

    users: dict[str, UserData]
    apps: dict[str, tuple[App, ...]]
    """Of those users whose files have the key."""
    problems: list[str]
    """One line each, like `alice.yml:7: link 'run1': port 99999 is not in 1-65535`, none left out."""


def parse_users(
    texts: Mapping[str, str], decrypt: Callable[[str], str], policy: Policy | None = None
) -> tuple[dict[str, UserData], list[str]]:
    """Reads the texts of users files, by path, and holds their links against a `policy`. Returns the users, and the problems."""
    declared = parse_files(texts, decrypt, policy)
    return declared.users, declared.problems


def parse_files(texts: Mapping[str, str], decrypt: Callable[[str], str], policy: Policy | None = None) -> Declared:
    """As `parse_users`, with the users' apps."""
    users: dict[str, UserData] = {}
    apps: dict[str, tuple[App, ...]] = {}
    problems: list[str] = []
    for path, text in sorted(texts.items()):
        user = os.path.basename(path).rsplit(".", 1)[0]
        file = ascii(path)[1:-1]
        problem = name_problem("user", user) or (policy.user_problem(user) if policy else None)
        if problem:
            problems.append(f"{file}:1: {problem}")
        elif user in users:
            problems.append(f"{file}:1: user {shown(user)} has two files; keep one")
        else:
            try:
                data = load(text, decrypt)
            except NotYaml as error:
                problems.append(f"{file}:{error.line}: {error}")
                continue
            users[user], found = parse_user(data, policy)
            if isinstance(data, dict) and "apps" in data:
                apps[user], more = parse_apps(data, user)
                found += more
            if found:
                lines = Lines(text)
                problems += [f"{file}:{lines.of(problem.path)}: {problem.text}" for problem in found]
    return Declared(users, apps, problems)
