# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in messages: quoted, on one short line, however big they are."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.text import shown
from ansible_collections.vizgate.gateway.tests.unit.core.model.declared import problems


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        ("it's", '"it\'s"'),
        ("a\nb", r"'a\nb'"),
        ("ü\u202e", r"'\xfc\u202e'"),
        ("x" * 80, "'" + "x" * 80 + "'"),
        ("x" * 81, "'" + "x" * 77 + "…'"),
        (None, "'None'"),
        (5, "'5'"),
        ({"a": 1}, "\"{'a': 1}\""),
    ],
)
def test_values_are_shown_quoted_on_one_short_line(value: object, text: str) -> None:
    assert shown(value) == text


class _Counted:
    """Counts how often it is written out."""

    times = 0

    def __repr__(self) -> str:
        type(self).times += 1
        return "x"


def test_a_value_of_many_aliases_is_not_written_out() -> None:
    nested: Any = _Counted()
    for _ in range(6):
        nested = [nested] * 6
    assert len(shown(nested)) <= 82
    assert _Counted.times < 1000, "an alias bomb of 30 lines would take all memory"


def _deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


def _recursive() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


MONSTERS: dict[str, Any] = {
    "deep": _deep(),
    "recursive": _recursive(),
    "int": 16**5000,
    "negative": -(16**5000),
    "in a dict": {"a": 16**5000},
    "in a set": {16**5000},
    "bytes": b"x" * 1_000_000,
    "text": "\U0001f4a5" * 1_000_000,
}


@pytest.mark.parametrize("value", MONSTERS.values(), ids=MONSTERS)
def test_a_value_too_big_to_print_is_shown_all_the_same(value: object) -> None:
    text = shown(value)
    assert len(text) <= 82
    assert text.replace("…", "").isascii()


@pytest.mark.parametrize("value", MONSTERS.values(), ids=MONSTERS)
def test_a_value_too_big_to_print_is_refused_in_every_field(value: object) -> None:
    link = dict.fromkeys(("name", "port", "kind", "host", "description", "prefix"), value)
    login = dict.fromkeys(("name", "password_hash"), value)
    for data in (
        value,
        {"links": value, "logins": value},
        {"links": [value, link], "logins": [login, {"password": value}]},
    ):
        refused = parse_user(data)[1]
        assert refused
        assert all(len(problem.text) < 500 for problem in refused)


@pytest.mark.parametrize("key", [16**5000, "x" * 1_000_000, (1,) * 10_000, None, 1.5], ids=type)
def test_a_key_of_any_size_is_refused(key: object) -> None:
    for data in (
        {key: 1},
        {"links": [{"name": "a", "port": 1, key: 1}]},
        {"logins": [{"name": "a", "password": "x", key: 1}]},
    ):
        (problem,) = parse_user(data)[1]
        assert f"unknown key {shown(key)}; " in problem.text
        assert len(problem.text) < 500


def test_a_port_of_any_size_makes_a_short_message() -> None:
    (text,) = problems(link={"port": 16**5000})
    assert text.startswith("link 'run1': port ")
    assert len(text) < 200
