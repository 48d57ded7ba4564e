# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads users files: YAML, one per user, the file's name is the user's. Every problem carries its file and line."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from ._model import UserData, name_problem, parse_user, shown

ENDINGS = (".yml", ".yaml")


class _Duplicate(ValueError):
    """A key that stands twice in one mapping; the message begins with its line."""


@functools.cache
def _yaml() -> tuple[Any, Any, Any]:
    """PyYAML, its safe loader, and a loader that also refuses duplicate keys and decrypts `!vault` values."""
    # here, so that this file can be imported where PyYAML is missing, and that be said in words
    import yaml

    safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(safe):  # type: ignore[misc]  # PyYAML's loader is chosen at run time
        decrypt: Callable[[str], str]

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
            if len(mapping) != len(node.value):
                seen = set()
                for key, _value in node.value:
                    if key.value in seen:
                        line = key.start_mark.line + 1
                        raise _Duplicate(
                            f"{line}: key {shown(key.value)} stands twice; the second would hide the first"
                        )
                    seen.add(key.value)
            return mapping

        def construct_vault(self, node: Any) -> str:
            return self.decrypt(self.construct_scalar(node))

    Loader.add_constructor("!vault", Loader.construct_vault)
    Loader.add_constructor("!vault-encrypted", Loader.construct_vault)
    return yaml, safe, Loader


def is_users_file(name: str) -> bool:
    """Whether a file name is that of a users file."""
    return name.endswith(ENDINGS) and not name.startswith(".")


def parse_users(texts: Mapping[str, str], decrypt: Callable[[str], str]) -> tuple[dict[str, UserData], list[str]]:
    """Reads the texts of users files, by path.

    Returns the users, and the problems (`alice.yml:7: link 'run1': port 99999 is not in 1-65535`), none left out.
    """
    yaml, safe, loader_class = _yaml()
    users: dict[str, UserData] = {}
    problems: list[str] = []
    for path, text in sorted(texts.items()):
        user = os.path.basename(path).rsplit(".", 1)[0]
        problem = name_problem("user", user)
        if problem:
            problems.append(f"{path}:1: {problem}")
            continue
        if user in users:
            problems.append(f"{path}:1: user {shown(user)} has two files; keep one")
            continue
        loader = loader_class(text)
        loader.decrypt = decrypt
        try:
            data = loader.get_single_data()
        except _Duplicate as error:
            problems.append(f"{path}:{error}")
            continue
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problems.append(f"{path}:{mark.line + 1 if mark else 1}: this is not YAML: {error.problem}")
            continue
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            problems.append(f"{path}:1: this cannot be read: {str(error).splitlines()[0]}")
            continue
        finally:
            loader.dispose()
        users[user], found = parse_user(data)
        if found:
            root = yaml.compose(text, Loader=safe)
            problems += [f"{path}:{_line(root, problem.path)}: {problem.text}" for problem in found]
    return users, problems


def _line(node: Any, path: tuple[str | int, ...]) -> int:
    """The line, from 1, of the value that `path` leads to, or of the last thing on the way that exists."""
    line = node.start_mark.line + 1 if node is not None else 1
    for step in path:
        kind = getattr(node, "id", "")
        if kind == "sequence" and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        elif kind == "mapping":
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if not found:
                break
            line = found[0][0].start_mark.line + 1
            node = found[0][1]
        else:
            break
    return int(line)
