# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says about links that work, and who has to fix the others; tests/kinds has the real tools."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.doctor import diagnose
from ansible_collections.vizgate.gateway.tests.unit.core.diagnose.tools import (
    ABSOLUTE,
    BELOW,
    HOST,
    ME,
    RELATIVE,
    SOCKET,
    Answer,
    answer,
    file,
    go,
    page,
    running,
    says,
)


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        ("http", {"/": page("hello")}),
        ("http", {"/": page(RELATIVE), "/main.js": file(), "/main.css": file()}),
        ("http", {"/": page('<script src="https://cdn.example/x.js"></script><script src="data:,1"></script>')}),
        ("http", {"/": go("start.html"), "/start.html": page()}),
        ("http", {"/": go("/start.html?a=b"), "/start.html": page()}),
        ("http", {"/": go(f"http://{HOST}/start.html"), "/start.html": page()}),
        ("http", {"/": page("<base href='a/'>" + RELATIVE), "/a/main.js": file(), "/a/main.css": file()}),
        ("http", {"/": page("<title>TensorBoard</title>")}),
        ("wsgi", {"/alice/run/": page(ABSOLUTE.replace("/static", "/alice/run")), "/alice/run/main.js": file()}),
        ("wsgi", {"/alice/run/": go("/alice/run/a"), "/alice/run/a": page()}),
        ("wsgi", {"/alice/run/": go("/alice/run/login"), "/alice/run/login": page()}),
        ("visdom", {"/alice/run/": page(BELOW), "/alice/run/main.js": file(), "/alice/run/socket": SOCKET}),
        ("novnc", {"/": page("files", Server="WebSockify Python/3"), "/websockify": SOCKET}),
        ("jupyter", {"/alice/run/": go("/alice/run/login"), "/alice/run/login": page("<title>Jupyter Server</title>")}),
    ],
)
def test_a_healthy_link(kind: str, pages: dict[str, Answer]) -> None:
    with running(pages) as tool:
        ((severity, text, fix),) = says(answer(tool.port, kind))
    assert (severity, fix) == ("ok", "")
    assert text.startswith(f"http://{HOST}/alice/run/ works: '")
    assert f"' of {ME} answers 200 on 127.0.0.1:{tool.port} in " in text


def test_a_page_that_wants_its_cookie_back() -> None:
    class Cookies(dict[str, Answer]):
        def get(self, path: Any, default: Any = None) -> Any:
            if path == "/":
                return (
                    page()
                    if "seen=1" in tool.requests[-1][1].get("Cookie", "")
                    else go("/", Set_Cookie="seen=1; Path=/")
                )
            return default

    with running(Cookies()) as tool:
        assert [finding["severity"] for finding in diagnose(answer(tool.port), "run")] == ["ok"]


def test_the_tool_is_asked_as_through_the_gateway() -> None:
    pages = {"/alice/run/": page(BELOW), "/alice/run/main.js": file(), "/alice/run/socket": SOCKET}
    with running(pages) as tool:
        diagnose(answer(tool.port, "visdom"), "run")
    # nothing is asked for that a visitor would not ask for
    assert [path for path, _ in tool.requests] == [*pages]
    # a page may start something for each GET
    assert tool.heads == ["/alice/run/"]
    assert {headers["Host"] for _, headers in tool.requests} == {HOST}
    assert tool.requests[-1][1]["Origin"] == f"http://{HOST}"
    assert tool.requests[-1][1]["X-Forwarded-Prefix"] == "/alice/run"


def test_who_declared_the_link_has_to_change_it() -> None:
    pages = {"/alice/run/": page()}
    with running(pages) as tool:
        fixes = [
            diagnose({**answer(tool.port, source=source), "user": user}, "run")[0]["fix"]
            for source, user in (("self", ME), ("self", "bob"), ("inventory", ME), ("apps", ME))
        ]
    assert fixes == [
        "vizgate edit run --prefix keep",
        "vizgate --user bob edit run --prefix keep",
        f"in the users file {ME}.yml, link 'run': prefix: keep; then run the playbook links",
        "prefix: keep for link 'run' where source 'apps' declares it",
    ]


def test_a_link_that_is_not_there() -> None:
    with pytest.raises(KeyError, match="ran"):
        diagnose(answer(1), "ran")
