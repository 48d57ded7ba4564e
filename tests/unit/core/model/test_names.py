# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that can be taken, and every refusal with its exact words."""

from __future__ import annotations

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import name_problem
from ansible_collections.vizgate.gateway.tests.unit.core.model.declared import FORM


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("user", "alice"),
        ("user", "_apt"),
        ("user", "a"),
        ("user", "a" * 32),
        ("user", "a-b_c-9"),
        ("link", "training"),
        ("link", "0"),
        ("link", "run-1.2_b"),
        ("link", "a" * 63),
        ("link", "a..b"),
        ("login", "alice"),
        ("login", "Alice.B+x@example.org"),
        ("login", "_"),
        ("login", "a" * 63),
        ("source", "inventory"),
        ("source", "a" * 32),
    ],
)
def test_names_that_can_be_taken(what: str, name: str) -> None:
    assert name_problem(what, name) is None


@pytest.mark.parametrize(
    ("what", "name", "seen"),
    [
        ("user", "", "''"),
        ("user", "Alice", "'Alice'"),
        ("user", "9alice", "'9alice'"),
        ("user", "-alice", "'-alice'"),
        ("user", "al ice", "'al ice'"),
        ("user", "alice\n", r"'alice\n'"),
        ("user", "\nalice", r"'\nalice'"),
        ("user", "alice/bob", "'alice/bob'"),
        ("user", "..", "'..'"),
        ("user", "al.ice", "'al.ice'"),
        ("user", "älice", r"'\xe4lice'"),
        ("user", "аlice", r"'\u0430lice'"),  # noqa: RUF001  # the Cyrillic letter is the point
        ("user", "alice\0", r"'alice\x00'"),
        ("user", "a" * 33, "'" + "a" * 33 + "'"),
        ("user", "a" * 500, "'" + "a" * 77 + "…'"),
        ("user", None, "'None'"),
        ("user", 7, "'7'"),
        ("user", True, "'True'"),
        ("link", "", "''"),
        ("link", "-x", "'-x'"),
        ("link", ".x", "'.x'"),
        ("link", "_x", "'_x'"),
        ("link", "Run", "'Run'"),
        ("link", "run 1", "'run 1'"),
        ("link", "a/b", "'a/b'"),
        ("link", "a%2fb", "'a%2fb'"),
        ("link", "a;b", "'a;b'"),
        ("link", 'a"b', "'a\"b'"),
        ("link", "$host", "'$host'"),
        ("link", "run1\n", r"'run1\n'"),
        ("link", "run\u2028", r"'run\u2028'"),
        ("link", "run\ud800", r"'run\ud800'"),
        ("link", "a" * 64, "'" + "a" * 64 + "'"),
        ("link", 2024, "'2024'"),
        ("login", "", "''"),
        ("login", "a:b", "'a:b'"),
        ("login", "#a", "'#a'"),
        ("login", "-a", "'-a'"),
        ("login", "a b", "'a b'"),
        ("login", "alice\n", r"'alice\n'"),
        ("login", "ä", r"'\xe4'"),
        ("login", "a" * 64, "'" + "a" * 64 + "'"),
        ("source", "Apps", "'Apps'"),
        ("source", "../x", "'../x'"),
        ("source", "9x", "'9x'"),
        ("source", "x.json", "'x.json'"),
        ("source", "a" * 33, "'" + "a" * 33 + "'"),
    ],
)
def test_names_of_another_form(what: str, name: object, seen: str) -> None:
    assert name_problem(what, name) == f"{what} {seen}: the name is not of the form {FORM[what]}"


@pytest.mark.parametrize(
    ("what", "name"),
    [
        *[("user", name) for name in ("api", "login", "logout", "paraview", "proxy", "static", "vizgate")],
        *[("link", name) for name in ("favicon.ico", "index.html", "robots.txt")],
    ],
)
def test_reserved_names(what: str, name: str) -> None:
    assert name_problem(what, name) == f"{what} '{name}': the name is reserved; take another"
