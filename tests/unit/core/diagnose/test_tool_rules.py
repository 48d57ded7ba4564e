# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says about tools that answer, but do not work below the link's path, or let no visitors in."""

from __future__ import annotations

import os

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose import fingerprints
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.doctor import diagnose
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from ansible_collections.vizgate.gateway.tests.unit.core.diagnose.tools import (
    ABSOLUTE,
    HOST,
    OPTUNA,
    RELATIVE,
    SOCKET,
    VISDOM,
    Answer,
    answer,
    curl,
    file,
    go,
    page,
    running,
    says,
    started,
    triples,
)


@pytest.mark.parametrize(
    ("kind", "pages", "text"),
    [
        ("visdom", {"/": page(VISDOM)}, "it answers 404 at /alice/run/ and 200 at /"),
        ("visdom", {"/old": page(VISDOM)}, "it answers 404 at /alice/run/ and 404 at /"),
        (
            "visdom",
            {"/alice/run/": page(VISDOM + ABSOLUTE + "?v=1"), "/": page(VISDOM + ABSOLUTE), "/static/main.js": file()},
            "the page loads, but looks for /static/main.js outside of the link",
        ),
        ("jupyter", {"/alice/run/": go("/alice/run"), "/": page()}, "/alice/run/ is in a redirect loop"),
        (
            "streamlit",
            {"/alice/run/": page(RELATIVE), "/": page(RELATIVE), "/main.js": file(), "/main.css": file()},
            "the page loads, but main.css does not",
        ),
        ("wsgi", {"/": page(ABSOLUTE)}, "it answers 404 at /alice/run/ and 200 at /"),
    ],
)
def test_a_tool_without_its_prefix_flag(kind: str, pages: dict[str, Answer], text: str) -> None:
    name = "the app" if kind == "wsgi" else kind
    with running(pages) as tool:
        ((severity, finding, fix),) = triples(diagnose(answer(tool.port, kind), "run"))
    assert (severity, fix) == ("error", started(kind, tool.port))
    assert finding == f"{text}: {name} was not started for /alice/run; stop process {os.getpid()} first"


@pytest.mark.parametrize(
    ("kind", "prefix", "pages", "text", "right"),
    [
        ("http", "strip", {"/alice/run/": page()}, "it answers 404 at / and 200 at /alice/run/", "keep"),
        ("http", "keep", {"/": page()}, "it answers 404 at /alice/run/ and 200 at /", "strip"),
        (
            "trame",
            "keep",
            {"/": go("a.html"), "/a.html": page()},
            "it answers 404 at /alice/run/ and 200 at /a.html",
            "strip",
        ),
        ("http", "strip", {"/alice/run/": page("", 401)}, "it answers 404 at / and 401 at /alice/run/", "keep"),
    ],
)
def test_the_wrong_prefix_mode(kind: str, prefix: str, pages: dict[str, Answer], text: str, right: str) -> None:
    begin = next(path for path in pages if path != "/" or kind == "http")
    text = f"{text}: the tool's addresses begin at {begin}"
    with running(pages) as tool:
        found = says(answer(tool.port, kind, prefix=prefix))
    assert found[0] == ("error", text, f"vizgate edit run --prefix {right}")
    assert len(found) == (2 if pages[begin][0] == 401 else 1)


def test_a_prefix_that_is_stripped_from_what_needs_it() -> None:
    text = "visdom needs /alice/run/ in request paths, but the link strips it"
    edit = ("error", text, "vizgate edit run --prefix keep")
    with running({"/alice/run/": page(VISDOM)}) as tool:
        assert says(answer(tool.port, "visdom", prefix="strip")) == [edit]
        tool.pages = {"/": page(VISDOM + ABSOLUTE)}
        text = "it answers 404 at /alice/run/ and 200 at /: visdom was not started for /alice/run"
        flag = ("error", text, started("visdom", tool.port))
        assert says(answer(tool.port, "visdom", prefix="strip")) == [edit, flag]


@pytest.mark.parametrize(
    "script", ["/static/main.js", f"http://{HOST}/main.js", "../main.js", "//127.0.0.1:{port}/main.js"]
)
def test_pages_that_look_outside(script: str) -> None:
    pages: dict[str, Answer] = {}
    with running(pages) as tool:
        script = script.format(port=tool.port)
        pages["/"] = page(f'<script src="{script}"></script>')
        text = (
            f"the page loads, but looks for {script} outside of the link:"
            " tell the tool its base path /alice/run (most have a flag for that), and then"
        )
        assert says(answer(tool.port)) == [("error", text, "vizgate edit run --prefix keep")]


def test_a_part_of_the_page_is_missing() -> None:
    with running({"/": page(RELATIVE), "/main.css": file()}) as tool:
        expected = ("error", "the page loads, but ./main.js does not", curl(tool.port, "/"))
        assert says(answer(tool.port)) == [expected]


def test_nothing_is_there() -> None:
    with running({}) as tool:
        text = "it answers 404 at / and 404 at /alice/run/: perhaps it has no front page"
        assert says(answer(tool.port)) == [("warning", text, curl(tool.port, "/"))]
        tool.pages = {"/": page("", 500), "/alice/run/": page("", 500)}
        text = "it answers 500 at / and 500 at /alice/run/"
        assert says(answer(tool.port)) == [("error", text, curl(tool.port, "/"))]
        tool.pages = {"/": page("", 418), "/alice/run/": page("", 500)}
        text = "it answers 418 at /; its log should say why"
        assert says(answer(tool.port)) == [("error", text, curl(tool.port, "/"))]


@pytest.mark.parametrize("place", [f"https://{HOST}/", "http://127.0.0.1/", "//elsewhere/"])
def test_a_page_that_sends_visitors_away(place: str) -> None:
    with running({"/": go(place)}) as tool:
        text = f"the page sends visitors to {place}, which is not below http://{HOST}/alice/run/"
        assert says(answer(tool.port)) == [("error", text, curl(tool.port, "/"))]


def test_redirects_that_never_end() -> None:
    pages = {"/": go("/0"), **{f"/{number}": go(f"/{number + 1}") for number in range(99)}}
    with running(pages) as tool:
        assert says(answer(tool.port))[0][1] == "/5 is in a redirect loop"


@pytest.mark.parametrize(
    "text",
    [
        '<form action="/login" method="post"></form>',
        '<img src="/login">',
        '<script>window.settings = {"apiRoot": "/login"}</script>',
    ],
)
def test_what_else_of_a_page_leads_outside(text: str) -> None:
    below = page(text.replace("/login", "/alice/run/login"))
    with running({"/": page(text), "/login": page(), "/alice/run/": below}) as tool:
        finding = (
            "the page loads, but a form, an image or a setting of it leads to /login, outside of the link:"
            " tell the tool its base path /alice/run"
        )
        assert says(answer(tool.port)) == [("warning", finding, curl(tool.port, "/"))]
        assert [severity for severity, _, _ in says(answer(tool.port, "wsgi"))] == ["ok"]


@pytest.mark.parametrize("pages", [{}, {"/srv/notebooks": page(), "/srv/notebooks-is-not-there": page()}])
def test_a_setting_that_is_no_address_is_not_told(pages: dict[str, Answer]) -> None:
    """Jupyter names its folder, Gradio a part of addresses; some tools answer whatever they are asked."""
    with running({"/": page('<script>settings = {"serverRoot": "/srv/notebooks"}</script>'), **pages}) as tool:
        assert [severity for severity, _, _ in says(answer(tool.port))] == ["ok"]


def test_a_tool_without_a_base_path() -> None:
    pages = {"/": go("/dashboard"), "/dashboard": page(OPTUNA), "/static/bundle.js": file()}
    with running(pages) as tool:
        for prefix in ("strip", "keep"):
            ((severity, text, fix),) = says(answer(tool.port, prefix=prefix))
            assert severity == "error"
            assert text == (
                "Optuna's dashboard has no option for a base path, so it does not work below /alice/run/; "
                + fingerprints.NO_BASE_PATH_HELP
            )
            assert fix == f"ssh -L 8080:127.0.0.1:{tool.port} gate.example"


# what does not let visitors in


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_of_its_own(status: int) -> None:
    text = f"it asks for its own login ({status}), but the gateway does not pass the Authorization header on"
    with running({"/": page("", status), "/alice/run/": page(VISDOM, status)}) as tool:
        assert says(answer(tool.port, "visdom")) == [("error", text, started("visdom", tool.port))]
        tool.pages = {"/": page("", status)}
        assert says(answer(tool.port)) == [("error", text, curl(tool.port, "/"))]


def test_the_token_of_jupyter() -> None:
    login = page("<title>Jupyter Server</title>Token authentication is enabled")
    with running({"/alice/run/": go("/alice/run/login?next=x"), "/alice/run/login": login}) as tool:
        text = "jupyter asks for a token, and its page then sends the token instead of the gateway's login"
        assert says(answer(tool.port, "jupyter")) == [("error", text, started("jupyter", tool.port))]


@pytest.mark.parametrize("status", [400, 403, 421])
def test_a_tool_that_does_not_know_the_gateways_name(status: int) -> None:
    text = f"it refuses requests with Host {HOST} ({status}), but accepts them with Host localhost"
    with running({"/": page("", status), ("/", "localhost"): page()}) as tool:
        assert says(answer(tool.port)) == [("error", text, curl(tool.port, "/"))]


@pytest.mark.parametrize(
    ("kind", "path", "endpoint"),
    [
        ("visdom", "/alice/run/", "/alice/run/socket"),
        ("jupyter", "/alice/run/lab", "/alice/run/api/events/subscribe"),
        ("bokeh", "/alice/run/app", "/alice/run/app/ws"),
        ("streamlit", "/alice/run/", "/alice/run/_stcore/stream"),
        ("trame", "/index.html", "/ws"),
        ("novnc", "/vnc.html", "/websockify"),
    ],
)
def test_the_websocket_is_refused(kind: str, path: str, endpoint: str) -> None:
    front = "/alice/run/" if KINDS[kind].prefix == "keep" else "/"
    pages = {front: go(path), path: page("<title>x</title>"), endpoint: page("", 403)}
    text = f"the page loads, but its websocket {endpoint} is refused (403); it has to accept pages of {HOST}"
    with running(pages) as tool:
        assert says(answer(tool.port, kind)) == [("error", text, started(kind, tool.port))]
        tool.pages = {**pages, endpoint: page()}
        text = f"the page loads, but its websocket {endpoint} is refused (200)"
        assert says(answer(tool.port, kind)) == [("error", text, started(kind, tool.port))]
        tool.pages = {**pages, endpoint: SOCKET}
        assert [severity for severity, _, _ in says(answer(tool.port, kind))] == ["ok"]
