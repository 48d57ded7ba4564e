# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds misspelt variables of the collection's roles, which Ansible itself ignores."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: Find variables that have a role's prefix, but that the role does not know
version_added: 0.1.0
description:
  - Compares the names of variables with the argument specs of the collection's roles.
positional: _input, role, ignored
options:
  _input:
    description: Names of variables, as lookup P(ansible.builtin.varnames#lookup) returns them.
    type: list
    elements: str
    required: true
  role:
    description: Role of this collection whose prefix is looked at.
    type: str
    required: true
  ignored:
    description: Names that are something else's, in which C(*) stands for anything.
    type: list
    elements: str
    default: []
author: The vizgate authors
"""

EXAMPLES = r"""
- ansible.builtin.assert:
    that: problems | length == 0
    fail_msg: "{{ problems | join('; ') }}"
  vars:
    problems: "{{ query('ansible.builtin.varnames', '^gateway_') | vizgate.gateway.unknown_variables('gateway') }}"
"""

RETURN = r"""
_value:
  description: One line for each unknown variable, with the known one that it is most like.
  type: list
  elements: str
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.vizgate.gateway.plugins.module_utils._core.text import did_you_mean

ROLES = Path(__file__).resolve().parents[2] / "roles"
RESULTS = frozenset(("accounts_problems", "accounts_report", "apps_problems", "database_problems"))
"""Facts with which roles and playbooks of the collection return what they have done."""


@functools.cache
def _known(role: str) -> list[str]:
    path = ROLES / role / "meta" / "argument_specs.yml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AnsibleFilterError(f"unknown_variables: {path} cannot be read: {error.strerror}") from None
    return list(yaml.safe_load(text)["argument_specs"]["main"]["options"])


def unknown_variables(names: Iterable[str], role: str, ignored: Sequence[str] = ()) -> list[str]:
    """The problems of the variables among `names` that begin with `role` and `_`."""
    known = _known(role)
    problems = []
    for name in sorted(set(names) - set(known) - RESULTS):
        if name.startswith(role + "_") and not any(fnmatchcase(name, pattern) for pattern in ignored):
            advice = did_you_mean(name, known, 0.8) or "remove it."
            problems.append(
                f"role {role} has no variable '{name}'; {advice}"
                " If something else uses it, add it to gateway_ignored_variables."
            )
    return problems


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Name → filter."""
        return {"unknown_variables": unknown_variables}
