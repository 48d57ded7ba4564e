# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any text as a users file, and any file name, is refused in fit lines, or does no harm."""

from __future__ import annotations

import re

import hypothesis
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.text import shown
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import parse_users
from ansible_collections.vizgate.gateway.tests.unit.strategies import MORE, any_text, assert_fit, assert_harmless, texts
from ansible_collections.vizgate.gateway.tests.unit.support import HASH
from hypothesis import strategies as st

FRAGMENTS = [
    *("links", "logins", "name", "port", "host", "password", "description", "a", "8097", "0x1f", "017", "1:2:3", "1e9"),
    *(": ", ":", " ", "  ", "\n", "\n  ", "\n  - ", "- ", ", ", "{", "}", "[", "]", "? ", "'", '"', "|\n", ">\n", "#"),
    *(
        "&a ",
        "*a",
        "&b ",
        "*b",
        "<<: ",
        "~",
        "null",
        "yes",
        "off",
        "=",
        "2026-01-02",
        "2026-13-45",
        ".inf",
        ".nan",
        "0b2",
    ),
    *(
        "!!int ",
        "!!float ",
        "!!bool ",
        "!!binary ",
        "!!timestamp ",
        "!!set ",
        "!!omap ",
        "!!pairs ",
        "!!null ",
        "!!str ",
    ),
    *(
        "!!map ",
        "!!seq ",
        "!!python/object:os.system ",
        "!vault ",
        "!x ",
        "!",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "%TAG ! x\n",
    ),
    *("\t", "\0", "\x85", "\u2028", "\ufeff", "\ud800", "\x1b", "\\", "@", "`", "%", "0x" + "f" * 5000, "9" * 5000),
    *("[" * 50, "{a: " * 50, "- " * 50, "💥"),
]


def decrypt(text: str) -> str:
    """A vault without a key."""
    raise ValueError(f"cannot decrypt\n{text}")


GOOD = f"""\
links:
  - name: training
    kind: visdom
    host: gpu1.example
    port: 8097
    description: "Loss curves"
  - {{name: notes, port: 9000}}
logins:
  - name: alice
    password_hash: {HASH}
  - name: guest
    password: geheim
"""


def put_in(places: list[tuple[int, int, str]]) -> str:
    """The good file with oddities in some places, instead of as many characters."""
    found = GOOD
    for at, size, odd in places:
        at %= len(found) + 1
        found = found[:at] + odd + found[at + size :]
    return found


places = st.tuples(st.integers(0, 1000), st.integers(0, 8), st.sampled_from(FRAGMENTS) | texts)


@MORE
@hypothesis.given(
    text=st.lists(places, max_size=3).map(put_in)
    | st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)
    | any_text
)
def test_any_text_as_a_users_file(text: str) -> None:
    found, problems = parse_users({"users/alice.yml": text}, decrypt)
    assert_fit(problems)
    lines = text.count("\n") + text.count("\x85") + text.count("\u2028") + 2
    for problem in problems:
        match = re.match(r"users/alice\.yml:([0-9]+): ", problem)
        assert match
        assert 1 <= int(match[1]) <= lines
    hypothesis.event("refused" if problems else "accepted")
    if not problems:
        data = found["alice"]
        assert_harmless("alice", UserData(data.links, tuple(login for login in data.logins if login.password_hash)))


@hypothesis.given(name=texts.map(lambda text: text.replace("/", "")), ending=st.sampled_from([".yml", ".yaml"]))
def test_any_file_name_as_a_user(name: str, ending: str) -> None:
    found, problems = parse_users({f"users/{name}{ending}": "links: [{name: a, port: 8097}]"}, decrypt)
    assert all(re.fullmatch("[a-z_][a-z0-9_-]{0,31}", user) for user in found)
    assert len(found) + len(problems) == 1
    for problem in problems:
        assert problem.isascii() or "…" in problem
        assert problem.isprintable()
        assert f"user {shown(name)}: the name is" in problem
