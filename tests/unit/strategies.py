# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hypothesis puts into any field, and what has to hold of all that comes of it."""

from __future__ import annotations

import datetime
import html.parser
import re

import hypothesis
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render.user_files import entries, render
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, TEMPLATES
from hypothesis import strategies as st

FEWER = hypothesis.settings(max_examples=max(hypothesis.settings.default.max_examples // 4, 1))
"""For what starts a program for each example."""
MORE = hypothesis.settings(max_examples=hypothesis.settings.default.max_examples * 3)


GENERATION = r"[0-9a-f]{24}(?: [A-Za-z0-9._@+-]+)+"
"""A user's logins: their generation, and their names."""


MAP_LINE = re.compile(rf'"([a-z_][a-z0-9_-]*)/([a-z0-9._-]*)" "([a-z]+ [0-9a-f.:\[\]]*:[0-9]+|{GENERATION})";')
LOGIN_LINE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*:\$[A-Za-z0-9./$=]+")


def assert_harmless(user: str, data: UserData) -> None:
    """The include files hold lines of their own form and nothing else, and the page is the text that was declared."""
    files = render(str(TEMPLATES), user, data, entries(user, data, {}))
    if not files:
        return
    comment, *lines = files[f"links.d/{user}.map"].split("\n")[:-1]
    assert comment.startswith("# ")
    matches = [MAP_LINE.fullmatch(line) for line in lines]
    assert all(match and match[1] == user for match in matches)
    assert len(lines) == len(data.links) + bool(data.logins)
    passwords = files[f"logins.d/{user}.htpasswd"].split("\n")[:-1]
    assert all(map(LOGIN_LINE.fullmatch, passwords))
    assert len(passwords) == len(data.logins)
    page = Page(files[f"pages/{user}.html"])
    assert page.descriptions == [link.description for link in data.links]
    plain = render(str(TEMPLATES), user, plain_texts(data), {})
    assert page.tags == Page(plain[f"pages/{user}.html"]).tags


def plain_texts(data: UserData) -> UserData:
    """The same with descriptions in which there is nothing to escape."""
    plain = tuple(Link(link.name, link.port, link.kind, link.host, "x", link.prefix) for link in data.links)
    return UserData(plain, data.logins)


class Page(html.parser.HTMLParser):
    """The descriptions on an index page, and all tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.descriptions: list[str] = []
        self.tags: list[object] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))
        self._inside = ("class", "description") in attrs
        if self._inside:
            self.descriptions.append("")

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(tag)
        self._inside = False

    def handle_data(self, text: str) -> None:
        if self._inside:
            self.descriptions[-1] += text


# any value in any field

SEEDS = [
    "",
    " ",
    "'",
    '"',
    "\\",
    ";",
    "{",
    "}",
    "$host",
    "${x}",
    "#",
    "~*.*",
    "*",
    "%0d%0a",
    "\n",
    "\r\n",
    "\0",
    "\t",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\xa0",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u200b",
    "\ufeff",
    "\ud800",
    "\udfff",
    "\U0001f4a5",
    "ａ",  # noqa: RUF001
    "İ",
    "\u212a",
    "../",
    "/",
    "//",
    "%2F",
    "a/b",
    ":",
    "[::1]",
    "<script>alert(1)</script>",
    "</span>",
    "&amp;",
    "{{ 7*7 }}",
    "{% raw %}",
    "{#",
    "-",
    "--",
    "=",
    "@",
    "`id`",
    "$(id)",
    "|",
    '\n"a/b" "c";\n',
    '"; } include /etc/passwd; #',
]
FIT = ["training", "visdom", "http", "keep", "127.0.0.1", "::1", "gpu1.example", "8097", "alice", HASH, "Loss curves"]
any_text = st.text(st.characters(exclude_categories=()), max_size=30)
nearly_fit = st.builds(
    lambda fit, at, odd: fit[: at % (len(fit) + 1)] + odd + fit[at % (len(fit) + 1) :],
    st.sampled_from(FIT),
    st.integers(0, 100),
    st.sampled_from(SEEDS) | any_text,
)
long_text = st.sampled_from(["x", "\n", "'", "💥"]).map(lambda sign: sign * 10_000)
texts = st.one_of(st.sampled_from(SEEDS), nearly_fit, any_text, long_text)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.binary(max_size=20),
    st.dates(),
    st.datetimes(),
    st.sampled_from([0, -1, 65535, 65536, 10**40, datetime.date(1, 1, 1), float("inf")]),
)
keys = st.none() | st.booleans() | st.integers() | texts | st.dates() | st.just((1, 2))
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4) | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)


def assert_fit(problems: list[str], start: str = "") -> None:
    """Every message is one bounded line that any terminal shows as it is, and begins with what it is about."""
    for problem in problems:
        assert problem.startswith(start)
        assert problem.replace("…", "").isascii()
        assert problem.isprintable()
        assert len(problem) < 500
