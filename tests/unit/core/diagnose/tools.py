# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the doctor share: small servers, links to them, and what the doctor says."""

from __future__ import annotations

import contextlib
import http.server
import os
import pwd
import shlex
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.advice import Finding
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.doctor import diagnose
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS

ME = pwd.getpwuid(os.getuid()).pw_name
HOST = "gate.example:1234"
Answer = tuple[int, dict[str, str], str]
Triple = tuple[str, str, str]


def page(text: str = "", status: int = 200, **headers: str) -> Answer:
    """An answer with headers, `Content_Type` for Content-Type."""
    return status, {"Content-Type": "text/html", **{name.replace("_", "-"): v for name, v in headers.items()}}, text


def file(status: int = 200) -> Answer:
    return page("x", status, Content_Type="text/javascript")


def go(place: str, **headers: str) -> Answer:
    return page("", 302, Location=place, **headers)


SOCKET = page("", 101, Upgrade="websocket")


class TableHandler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        """As Tornado, and with it Voila, Bokeh and Jupyter."""
        tool: Any = self.server
        tool.heads.append(self.path)
        self.send_response(405)
        self.end_headers()

    def do_GET(self) -> None:
        tool: Any = self.server
        path = self.path.partition("?")[0]
        tool.requests.append((path, dict(self.headers)))
        known = tool.pages.get((path, self.headers["Host"])) or tool.pages.get(path) or page("", 404)
        status, headers, text = known
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def version_string(self) -> str:
        return "tool"

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


class Tool(socketserver.ThreadingTCPServer):
    """Answers by a table: path, or path and Host → answer; 404 for the rest."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, pages: Mapping[Any, Answer], host: str = "127.0.0.1", port: int = 0) -> None:
        self.pages, self.requests, self.heads = pages, list[tuple[str, dict[str, str]]](), list[str]()
        super().__init__((host, port), TableHandler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextlib.contextmanager
def running(pages: Mapping[Any, Answer], host: str = "127.0.0.1", port: int = 0) -> Iterator[Tool]:
    with Tool(pages, host, port) as tool:
        threading.Thread(target=tool.serve_forever, args=(0.01,), daemon=True).start()
        yield tool
        tool.shutdown()


def answer(port: int = 0, kind: str = "http", links: list[dict[str, Any]] | None = None, **link: Any) -> dict[str, Any]:
    """What `show` tells of the link /alice/run/ of the user who runs the tests."""
    if "socket" in link:
        place = {"target": f"unix:{link['socket']}"}
    else:
        host = link.get("host", "127.0.0.1")
        place = {"host": host, "port": port, "target": f"{host}:{port}"}
    entry = {
        "name": "run",
        "url": "/alice/run/",
        "kind": kind,
        "prefix": KINDS[kind].prefix,
        "description": "Loss curves",
        "source": "self",
        "rendered": True,
        "live": True,
        "yields_to": "",
        "moving": False,
        **place,
        **link,
    }
    site = {"url": f"http://{HOST}", "url_style": "path"}
    site |= {"allowed_hosts": ["127.0.0.0/8", "*"], "allowed_ports": ["1024-65535"]}
    return {"user": ME, "site": site, "serving": True, "links": [entry, *(links or [])]}


def triples(findings: list[Finding]) -> list[Triple]:
    return [(found["severity"], found["finding"], found["fix"]) for found in findings]


def says(shown: dict[str, Any]) -> list[Triple]:
    """The doctor's findings about the link 'run', in which no process is named."""
    return [
        (severity, text.replace(f"; stop process {os.getpid()} first", ""), fix)
        for severity, text, fix in triples(diagnose(shown, "run"))
    ]


def started(kind: str, port: int, base: str = "/alice/run", host: str = "127.0.0.1") -> str:
    if kind == "http":
        return f"start your tool on address {host}, port {port}"
    return shlex.join(KINDS[kind].command(base, host, port, HOST))


def curl(port: int, path: str) -> str:
    return f"curl -i -H 'Host: {HOST}' http://127.0.0.1:{port}{path}"


VISDOM = "<title>visdom</title>"
BELOW = '<title>visdom</title><script src="/alice/run/main.js"></script>'
ABSOLUTE = '<script src="/static/main.js"></script>'
RELATIVE = '<link rel="stylesheet" href="main.css"><script src="./main.js"></script>'


@contextlib.contextmanager
def saying(said: bytes) -> Iterator[int]:
    """The port of a server that says the same to everybody."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            with contextlib.suppress(ConnectionError):
                self.request.sendall(said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


def line(path: str, status: int = 404, seconds: float = 60, **fields: str) -> dict[str, Any]:
    """A line of the access log, so many seconds old."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - seconds))
    return {"time": at, "path": path, "status": status, "connect_seconds": "0.001", **fields}


OPTUNA = """<!DOCTYPE html><html lang="en"><head><title>Optuna Dashboard</title>
<script defer src="/static/bundle.js"></script></head></html>"""
"""The head of the page of optuna-dashboard 0.20."""


def with_hosts(port: int, kind: str = "http", url: str = "/run/", **link: Any) -> dict[str, Any]:
    """As `answer`, on a gateway whose users have host names."""
    shown = answer(port, kind, url=url, **link)
    shown["site"].update(url=f"http://alice.{HOST}", url_style="subdomain")
    return shown


def with_own_host(port: int, kind: str = "http", **link: Any) -> dict[str, Any]:
    """As `with_hosts`, with a host name for the link."""
    return with_hosts(port, kind, "/", prefix="host", origin=OWN_HOST, **link)


OWN_HOST = f"http://run--alice.{HOST}"
