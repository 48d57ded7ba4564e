# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one user's declarations become: entries for nginx's table, map file, password file and index page."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render.user_files import (
    entries,
    file_names,
    render,
)
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, OTHER_HASH, TEMPLATES, data

ALICE = data(
    {"name": "training", "kind": "visdom", "port": 8097, "description": "Loss & <accuracy>"},
    {"name": "notes", "port": 9000, "host": "::1"},
    {"name": "remote", "kind": "jupyter", "host": "gpu1", "port": 8888, "prefix": "strip"},
    logins=[{"name": "alice", "password_hash": HASH}, {"name": "guest", "password_hash": OTHER_HASH}],
)


def files(declared: UserData, addresses: dict[str, str] | None = None, templates: object = TEMPLATES) -> dict[str, str]:
    """The include files of alice."""
    return render(str(templates), "alice", declared, entries("alice", declared, addresses or {}))


@pytest.mark.parametrize(
    ("link", "addresses", "value"),
    [
        ({"port": 80}, {}, "strip 127.0.0.1:80"),
        ({"port": 80, "kind": "visdom"}, {}, "keep 127.0.0.1:80"),
        ({"port": 80, "kind": "visdom", "prefix": "strip"}, {}, "strip 127.0.0.1:80"),
        ({"port": 80, "host": "fd00::1"}, {}, "strip [fd00::1]:80"),
        ({"port": 80, "host": "gpu1"}, {"gpu1": "10.0.0.7"}, "strip 10.0.0.7:80"),
        ({"port": 80, "host": "gpu1"}, {"gpu1": "fd00::7"}, "strip [fd00::7]:80"),
        # a name without an address costs only its own link
        ({"port": 80, "host": "gpu1"}, {"gpu2": "10.0.0.7"}, "strip :80"),
        # what speaks TLS, and which name its certificate has to be good for, whatever address that has
        ({"port": 80, "host": "gpu1", "scheme": "https"}, {"gpu1": "10.0.0.7"}, "strip:verified:gpu1 10.0.0.7:80"),
        ({"port": 80, "host": "gpu1", "scheme": "https"}, {}, "strip:verified:gpu1 :80"),
        ({"port": 80, "scheme": "https", "verify": False}, {}, "strip:unverified: 127.0.0.1:80"),
        (
            {"port": 80, "host": "gpu1", "kind": "visdom", "scheme": "https", "verify": False},
            {"gpu1": "fd00::7"},
            "keep:unverified:gpu1 [fd00::7]:80",
        ),
        # an address is never looked up
        ({"port": 80, "host": "10.0.0.1"}, {"10.0.0.1": "10.0.0.2"}, "strip 10.0.0.1:80"),
    ],
)
def test_the_entry_of_a_link(link: dict[str, object], addresses: dict[str, str], value: str) -> None:
    assert entries("alice", data({"name": "run1", **link}), addresses) == {"alice/run1": value}


def test_a_users_login_generation_changes_with_any_login() -> None:
    def generation(*logins: tuple[str, str]) -> str | None:
        declared = data(logins=[{"name": name, "password_hash": password_hash} for name, password_hash in logins])
        return entries("alice", declared, {}).get("alice/")

    one = generation(("a", HASH))
    assert one is not None
    assert one == generation(("a", HASH))
    different = {
        one,
        generation(("a", OTHER_HASH)),
        generation(("b", HASH)),
        generation(("a", HASH), ("b", HASH)),
        generation(),
    }
    assert len(different) == 5
    assert generation() is None


def test_nothing_declared_renders_nothing() -> None:
    assert files(UserData()) == entries("alice", UserData(), {}) == {}


def test_the_map_file() -> None:
    generation = entries("alice", ALICE, {})["alice/"]
    assert files(ALICE, {"gpu1": "10.0.0.7"})["links.d/alice.map"] == (
        "# The links and login generation of alice; written by vizgate, changes here are replaced.\n"
        f'"alice/" "{generation}";\n'
        '"alice/notes" "strip [::1]:9000";\n'
        '"alice/remote" "strip 10.0.0.7:8888";\n'
        '"alice/training" "keep 127.0.0.1:8097";\n'
    )


def test_the_password_file() -> None:
    assert files(ALICE)["logins.d/alice.htpasswd"] == f"alice:{HASH}\nguest:{OTHER_HASH}\n"


def test_the_files_are_those_that_a_user_can_have() -> None:
    assert (
        list(files(ALICE))
        == file_names("alice")
        == [
            "links.d/alice.map",
            "logins.d/alice.htpasswd",
            "pages/alice.html",
        ]
    )


@pytest.mark.parametrize(
    "declared", [data({"name": "a", "port": 1}), data(logins=[{"name": "a", "password_hash": HASH}])]
)
def test_links_alone_and_logins_alone_have_all_files(declared: UserData) -> None:
    assert set(files(declared)) == set(file_names("alice"))


class Page(HTMLParser):
    """An index page as a browser would see it: `rows` of text by class, and every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[dict[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._into = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "li":
            self.rows.append({"data-link": found["data-link"] or ""})
        self._into = "link" if tag == "a" else found.get("class") or ""
        if self.rows and self._into:
            self.rows[-1].setdefault(self._into, "")

    def handle_endtag(self, tag: str) -> None:
        self._into = ""

    def handle_data(self, text: str) -> None:
        if self.rows and self._into:
            self.rows[-1][self._into] += text


def test_the_index_page() -> None:
    text = files(ALICE)["pages/alice.html"]
    page = Page(text)
    assert text.startswith("<!doctype html>\n")
    assert [{key: row[key] for key in ("data-link", "link", "kind", "description")} for row in page.rows] == [
        {"data-link": "notes", "link": "notes", "kind": "http", "description": ""},
        {"data-link": "remote", "link": "remote", "kind": "jupyter", "description": ""},
        {"data-link": "training", "link": "training", "kind": "visdom", "description": "Loss & <accuracy>"},
    ]
    assert [found["href"] for tag, found in page.tags if tag == "a"] == [
        "/alice/notes/",
        "/alice/remote/",
        "/alice/training/",
    ]


@pytest.mark.parametrize(
    "description",
    [
        "<script>alert(1)</script>",
        "</span></li></ul><h1>x",
        "\"' onmouseover=alert(1) x='",
        "&lt;b&gt; &amp;amp; &#60;",
        "{{ 7 * 7 }} {% raw %} ${parts} $user $ <!-- -->",
        "]]><![CDATA[",
        "a\nb\r\nc\td",
        "\u202e\u2028\0\x1b[31m",
    ],
)
def test_a_description_is_text_and_nothing_else(description: str) -> None:
    plain = Page(files(data({"name": "a", "port": 1}))["pages/alice.html"])
    declared = data({"name": "a", "port": 1, "description": description})
    page = Page(files(declared)["pages/alice.html"])
    assert page.rows[0]["description"] == description
    assert page.tags == plain.tags


def test_a_page_without_links_says_so() -> None:
    declared = data(logins=[{"name": "a", "password_hash": HASH}])
    text = files(declared)["pages/alice.html"]
    assert "No links yet" in text
    assert "<li" not in text


def test_no_secret_is_on_the_page_or_in_the_map() -> None:
    found = files(ALICE)
    assert HASH not in found["pages/alice.html"] + found["links.d/alice.map"]


def test_a_template_with_a_misspelt_variable_is_an_error(tmp_path: object) -> None:
    for template in TEMPLATES.iterdir():
        text = template.read_text(encoding="utf-8").replace("$key", "$kee")
        (tmp_path / template.name).write_text(text, encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(KeyError, match="kee"):
        files(ALICE, templates=tmp_path)
