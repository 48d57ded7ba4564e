"""A user's index page: all links, described, escaped, and whether each answers now."""

from __future__ import annotations

import html.parser

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login
from conftest import Backends
from rig import ALICE, Rig


class Page(html.parser.HTMLParser):
    """What a browser makes of the page: the texts of each list item by class, and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.items: dict[str, dict[str, str]] = {}
        self.tags: list[str] = []
        self._item = self._kind = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "li":
            self._item = given["data-link"] or ""
            self.items[self._item] = {}
        elif tag == "a":
            self.items[self._item]["href"] = given["href"] or ""
        self._kind = given.get("class") or tag

    def handle_endtag(self, tag: str) -> None:
        self._kind = ""

    def handle_data(self, data: str) -> None:
        if self._item and self._kind:
            self.items[self._item][self._kind] = data


@pytest.mark.parametrize("path", ["/alice", "/alice/", "/alice/?sort=1"])
def test_the_index_lists_all_links(gate: Rig, path: str) -> None:
    gate.declare("alice", [Link("run.12", 9099, "tensorboard", description="Scalars of run 12")])
    answer = gate.get(path, ALICE)
    assert (answer.status, answer.all("Cache-Control")) == (200, ["no-store"])
    items = Page(answer.text).items
    assert list(items) == ["dead", "echo", "keep", "run.12", "ws", "wskeep"]
    shown = items["run.12"]
    assert (shown["href"], shown["a"], shown["kind"]) == ("/alice/run.12/", "run.12", "tensorboard")
    assert shown["description"] == "Scalars of run 12"
    gate.declare("alice")
    assert "run.12" not in Page(gate.get(path, ALICE).text).items


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</span></li></ul><img src=x onerror=alert(1)>",
        "\"'><b onmouseover='x'>",
        "{{ 7 * 7 }} {% raw %} {# no #}",
        "<!--# echo var='status' --> <!--# include virtual='/bob/' -->",
        "&lt;b&gt; &amp; &#60;",
        "$vizgate_user ${host} \\1 %s",
        "]]> --> <!-- ü ☃ \U0001f600",
    ],
)
def test_a_description_is_text_and_nothing_else(gate: Rig, text: str) -> None:
    plain = Page(gate.get("/alice/", ALICE).text)
    gate.declare("alice", [Link("t", 9099, description=text)])
    page = Page(gate.get("/alice/", ALICE).text)
    assert page.items["t"]["description"] == text
    assert sorted(page.tags) == sorted([*plain.tags, "li", "a", "span", "span", "span"])


def test_a_user_with_logins_alone_has_an_empty_index(gate: Rig) -> None:
    gate.declare("carol", logins=[Login("carol", password="carol")])
    answer = gate.get("/carol/", ("carol", "carol"))
    assert (answer.status, Page(answer.text).items) == (200, {})
    assert "No links yet" in answer.text


def test_status_tells_what_answers_now(gate: Rig, backends: Backends) -> None:
    for link, answers in {"echo": True, "keep": True, "ws": True, "dead": False}.items():
        status = gate.get(f"/alice/-/status/{link}", ALICE)
        assert (status.status, status.all("Content-Type")) == (200, ["application/json"])
        assert status.json()["answers"] is answers
        assert status.json()["milliseconds"] >= 0
    assert [(seen.method, seen.target) for seen in backends.alice.seen] == [("HEAD", "/"), ("HEAD", "/alice/keep/")]


@pytest.mark.parametrize("path", ["/alice", "/alice/", "/alice/-/status/echo"])
def test_index_and_status_need_a_login(gate: Rig, backends: Backends, path: str) -> None:
    assert gate.get(path).status == 401
    assert gate.get(path, ("bob", "builder"), source=gate.address()).status == 401
    assert backends.alice.seen == []
