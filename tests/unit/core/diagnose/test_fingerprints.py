# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which marks a page's tool is known, and what the doctor says where the link has another kind."""

from __future__ import annotations

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose import fingerprints
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from ansible_collections.vizgate.gateway.tests.unit.core.diagnose.tools import (
    ABSOLUTE,
    SOCKET,
    VISDOM,
    answer,
    page,
    running,
    says,
    started,
)

JUPYTER_CONFIGURATION = '<script id="jupyter-config-data" type="application/json">{"baseUrl": "/alice/run/"}</script>'
"""Solara, Voila and others have it too."""


def test_what_several_tools_have_is_no_mark() -> None:
    with running({"/": page("<title>Solara ☀️</title>" + JUPYTER_CONFIGURATION)}) as tool:
        assert [severity for severity, _, _ in says(answer(tool.port))] == ["ok"]
        assert [severity for severity, _, _ in says(answer(tool.port, "wsgi", prefix="strip"))] == ["ok"]
        found = fingerprints.kind_of(
            "<title>Home</title>" + JUPYTER_CONFIGURATION.replace("{", '{"appName": "JupyterLab", '), ""
        )
    assert (fingerprints.kind_of(JUPYTER_CONFIGURATION, ""), found) == ("", "jupyter")


BOKEH_SCRIPT = '<script src="/static/js/bokeh.min.js"></script>'


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bokeh", "<title>My app</title>" + BOKEH_SCRIPT),
        # these bring Bokeh's scripts as well
        ("panel", BOKEH_SCRIPT + '<script src="/static/extensions/panel/panel.min.js"></script>'),
        ("panel", "<title>Panel Applications</title>" + BOKEH_SCRIPT),
        ("dask", "<title>Dask: Status</title>" + BOKEH_SCRIPT),
        ("viser", "<title>Viser</title>"),
        # a page about tools is none of theirs
        ("", f"<title>All tools</title><p>{', '.join(KINDS)}</p>"),
        ("", "".join(f'<script src="{kind}.js"></script><a href="{kind}/">{kind}</a>' for kind in KINDS)),
    ],
)
def test_a_page_is_the_most_special_tools(kind: str, text: str) -> None:
    assert fingerprints.kind_of(text, "") == kind


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("jupyter", "<title>JupyterLab</title>"),
        ("visdom", VISDOM),
        ("tensorboard", "<title>TensorBoard</title>"),
        ("bokeh", "<title>Bokeh Application</title>"),
        ("streamlit", "<title>Streamlit</title>"),
        ("trame", '<html data-app-name="trame">'),
        ("novnc", "<title>noVNC</title>"),
        ("panel", "<title>My app</title><script>'static/extensions/panel/panel.min.js'</script>"),
        ("dask", "<title>Dask Diagnostic UI</title>"),
        ("gradio", '<title>My demo</title><script>window.gradio_config = {"version":"6"};</script>'),
        ("dash", '<title>My app</title><script id="_dash-config" type="application/json">{}</script>'),
        ("shiny", '<script type="application/html-dependencies">jquery[3.6.0];shiny[1.8.0]</script>'),
        ("shiny", '<script type="application/html-dependencies">shiny-css[1.7.4];shiny-javascript[1.7.4]</script>'),
        ("nicegui", '<title>My app</title><link href="/alice/run/_nicegui/3.18.0/static/favicon.ico">'),
        ("marimo", "<title>My notebook</title><marimo-version hidden>0.25.2</marimo-version>"),
        ("voila", JUPYTER_CONFIGURATION + '<link href="/alice/run/voila/templates/lab/static/index.css">'),
        ("mlflow", "<title>MLflow</title>"),
    ],
)
def test_the_page_is_another_kinds(kind: str, text: str) -> None:
    """What works under a name that says nothing is left alone; what does not gets its own."""
    declared = "http" if KINDS[kind].prefix == "keep" else "wsgi"
    base = "/alice/run/" if KINDS[kind].prefix == "keep" else "/"
    socket = fingerprints.websocket_of(kind, base, base)
    with running({base: page(text), **({socket.partition("?")[0]: SOCKET} if socket else {})}) as tool:
        expected = (
            "error",
            f"the page is {kind}'s, but the link's kind is {declared}",
            f"vizgate edit run --kind {kind}",
        )
        assert says(answer(tool.port, declared)) == [expected]
        assert [severity for severity, _, _ in says(answer(tool.port, kind))] == ["ok"]


def test_the_kind_is_another_tools_though_it_works() -> None:
    pages = {"/alice/run/": page(VISDOM), "/alice/run/socket": SOCKET}
    with running(pages) as tool:
        text = "the page is visdom's, but the link's kind is jupyter"
        assert says(answer(tool.port, "jupyter")) == [("warning", text, "vizgate edit run --kind visdom")]


def test_the_right_kind_with_the_right_prefix() -> None:
    with running({"/alice/run/": page(VISDOM), "/alice/run/socket": SOCKET}) as tool:
        found = says(answer(tool.port, "wsgi", prefix="strip"))
    text = "the page is visdom's, but the link's kind is wsgi"
    assert found == [("error", text, "vizgate edit run --kind visdom --prefix keep")]


def test_the_kind_is_wrong_and_the_flag_is_missing() -> None:
    with running({"/": page(VISDOM + ABSOLUTE)}) as tool:
        assert says(answer(tool.port)) == [
            ("error", "the page is visdom's, but the link's kind is http", "vizgate edit run --kind visdom"),
            (
                "error",
                "it answers 404 at /alice/run/ and 200 at /: visdom was not started for /alice/run",
                started("visdom", tool.port),
            ),
        ]
