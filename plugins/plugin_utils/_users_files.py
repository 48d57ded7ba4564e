# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses users files: YAML, one file per user, named after the user. Every problem has its file and line."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App, parse_apps
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import name_problem
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.vault import Decrypt
from ansible_collections.vizgate.gateway.plugins.module_utils._core.text import shown
from ansible_collections.vizgate.gateway.plugins.plugin_utils._yaml_lines import NotYaml, line_of, load

ENDINGS = (".yml", ".yaml")
PROBLEMS = 1000
"""Maximum number of reported problems, over all files."""


def is_users_file(name: str) -> bool:
    """Whether a file name is that of a users file."""
    return name.endswith(ENDINGS) and not name.startswith(".")


class Declared(NamedTuple):
    """The contents of all users files."""

    users: dict[str, UserData]
    apps: dict[str, tuple[App, ...]]
    """Apps by user, for users whose files have the key."""
    problems: list[str]
    """One line each, like `alice.yml:7: link 'run1': port 99999 is not in 1-65535`; at most about PROBLEMS."""


def parse_users(
    texts: Mapping[str, str], decrypt: Decrypt, policy: Policy | None = None
) -> tuple[dict[str, UserData], list[str]]:
    """Parses the texts of users files, by path, and checks their links against a `policy`. Returns the users and the problems."""
    declared = parse_files(texts, decrypt, policy)
    return declared.users, declared.problems


def parse_files(
    texts: Mapping[str, str],
    decrypt: Decrypt,
    policy: Policy | None = None,
    *,
    for_apps: Decrypt | None = None,
    vaulted: Collection[str] = (),
) -> Declared:
    """Parses users files like `parse_users`, including the apps.

    `for_apps` decrypts values that apps can read; the default is `decrypt`. `vaulted` has the paths of files that were
    encrypted as a whole: problems show none of their text.
    """
    users: dict[str, UserData] = {}
    apps: dict[str, tuple[App, ...]] = {}
    problems: list[str] = []
    for path, text in sorted(texts.items()):
        user = os.path.basename(path).rsplit(".", 1)[0]
        if len(problems) >= PROBLEMS:
            problems[PROBLEMS:] = ["there are more problems, and files that were not checked; fix these first"]
            break
        file = ascii(path)[1:-1]
        problem = name_problem("user", user) or (policy.user_problem(user) if policy else None)
        if problem:
            problems.append(f"{file}:1: {problem}")
        elif user in users:
            problems.append(f"{file}:1: user {shown(user)} has two files; keep one")
        else:
            try:
                data = load(text)
            except NotYaml as error:
                problems += _located(file, [(error.line, str(error))], path in vaulted)
                continue
            users[user], found = parse_user(data, policy, user=user, decrypt=decrypt)
            if isinstance(data, dict) and "apps" in data:
                apps[user], more = parse_apps(data, user, for_apps or decrypt)
                found += more
            located = [(line_of(data, problem.path), problem.text) for problem in found]
            problems += _located(file, located, path in vaulted)
    return Declared(users, apps, problems)


def _located(file: str, problems: Iterable[tuple[int, str]], vaulted: bool) -> list[str]:
    """Problems with their file and line; for a vaulted file, without their text."""
    if vaulted:
        hidden = "this is invalid; the text is not shown because the file is vaulted; see it with ansible-vault view"
        return [f"{file}:{line}: {hidden}" for line in sorted({line for line, _text in problems})]
    return [f"{file}:{line}: {text}" for line, text in problems]
