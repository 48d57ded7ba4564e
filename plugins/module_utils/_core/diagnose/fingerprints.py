# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the doctor recognises each kind's tool by its page, and where its websocket is."""

from __future__ import annotations

import re

ANY_TOOL = ("http", "wsgi")
"""Kinds that say nothing about what the page looks like."""

# Panel and Dask serve Bokeh's scripts too, and Voila and Solara Jupyter's configuration: a mark is what no other tool has,
# and the more special tool comes first.
_KIND_FINGERPRINTS = {
    "panel": re.compile(r"static/extensions/panel/|<title>Panel Applications</title>"),
    "dask": re.compile(r"<title>Dask(?: Diagnostic UI|: )"),
    "bokeh": re.compile(r"<title>Bokeh |/static/js/bokeh(?:\.min)?\.js"),
    "voila": re.compile(r"/voila/templates/|/voila/static/"),
    "jupyter": re.compile(r"<title>Jupyter(?:Lab| Server| Notebook)|\"appName\": ?\"Jupyter"),
    "visdom": re.compile(r"<title>visdom</title>"),
    "tensorboard": re.compile(r"<title>TensorBoard</title>"),
    "streamlit": re.compile(r"<title>Streamlit</title>"),
    "trame": re.compile(r'data-app-name="trame"|<title>trame '),
    "gradio": re.compile(r"window\.gradio_config\b"),
    "dash": re.compile(r'id="_dash-config"'),
    "shiny": re.compile(r'type="application/html-dependencies">[^<]*\bshiny(?:-javascript)?\['),
    "nicegui": re.compile(r"/_nicegui/"),
    "viser": re.compile(r"<title>Viser</title>"),
    "marimo": re.compile(r"<marimo-version\b"),
    "mlflow": re.compile(r"<title>MLflow</title>"),
    "novnc": re.compile(r"<title>noVNC</title>"),
}

_BELOW_FRONT = {
    "visdom": "socket",
    "jupyter": "api/events/subscribe",
    "streamlit": "_stcore/stream",
    "trame": "ws",
    "novnc": "websockify",
    "shiny": "websocket/",
    "nicegui": "_nicegui_ws/socket.io/?EIO=4&transport=websocket",
}
"""Websockets below the front page."""
_BELOW_PAGE = ("bokeh", "panel", "dask")
"""Kinds whose websocket is `ws` below the page itself, as Bokeh has it."""
_NO_SLASH = ("viser",)
"""Kinds whose websocket is the link's own address without the slash at its end."""

_NO_BASE_PATH = {
    "Optuna's dashboard": re.compile(r"<title>Optuna Dashboard</title>"),
}
"""Tools whose pages ask for addresses of the site's root, and that have no option for another place."""
NO_BASE_PATH_HELP = (
    "it needs its own host name: ask the administrator to set gateway_url_style: subdomain; until then open an SSH tunnel"
    " from your own machine, and use http://127.0.0.1:8080/"
)
"""What is said of them on a gateway whose users have paths."""


def without_base_path(body: str) -> str:
    """The name of the tool whose page this is, if it cannot be served below a path; or ""."""
    return next((tool for tool, mark in _NO_BASE_PATH.items() if mark.search(body)), "")


def kind_of(body: str, server: str) -> str:
    """The kind of the tool whose page this is, and which calls itself `server`; or ""."""
    if server.startswith("WebSockify"):
        return "novnc"
    return next((kind for kind, mark in _KIND_FINGERPRINTS.items() if mark.search(body)), "")


def websocket_of(kind: str, front: str, page: str) -> str:
    """The path of a tool's websocket, as the tool is asked for it, or ""; `front` is the link's own, `page` where it leads to."""
    if kind in _BELOW_PAGE:
        return page.partition("?")[0].rstrip("/") + "/ws"
    if kind in _NO_SLASH:
        return front.rstrip("/") or "/"
    return front + _BELOW_FRONT[kind] if kind in _BELOW_FRONT else ""


def websocket_protocol(kind: str, body: str) -> str:
    """What a page asks for as the protocol of its websocket; or ""."""
    token = re.search(r'"token":"([\w.=-]+)"', body) if kind in _BELOW_PAGE else None
    if token:
        return f"bokeh, {token[1]}"
    return "binary" if kind == "novnc" else ""
