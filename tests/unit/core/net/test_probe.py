# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at targets: real sockets that behave well, badly, or belong to somebody else."""

from __future__ import annotations

import concurrent.futures
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.endpoint import place_of
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.http_client import gateway_headers
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.listener_table import listeners
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.probe import Probe, probe
from ansible_collections.vizgate.gateway.tests.unit.core.net.servers import (
    ME,
    OK,
    SITE,
    accept,
    link,
    listening,
    saying,
)
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION, ROLE, free_port


def test_a_tool_that_answers() -> None:
    asked = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).decode())
        time.sleep(0.05)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /lab\r\n\r\n")

    with listening(serve) as port:
        started = time.monotonic()
        seen = probe(link(port), SITE)
        taken = time.monotonic() - started
    assert seen == Probe(
        listening=True,
        answers=True,
        status=302,
        milliseconds=seen.milliseconds,
        uid=os.getuid(),
        user=ME,
        pid=os.getpid(),
        command=seen.command,
    )
    assert 50 <= (seen.milliseconds or 0) <= taken * 1000
    assert asked == [
        "HEAD / HTTP/1.1\r\nConnection: close\r\nHost: gate.example:1234\r\nAccept: text/html,*/*\r\n"
        "Accept-Encoding: identity\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
        "X-Forwarded-Host: gate.example:1234\r\nX-Forwarded-Prefix: /alice/run\r\n\r\n"
    ]


def test_a_tool_that_sees_its_prefix_is_asked_for_it() -> None:
    asked = []

    def serve(connection: socket.socket) -> None:
        asked.append(connection.recv(65536).split()[1])
        connection.sendall(OK)

    with listening(serve) as port:
        assert probe(link(port, prefix="keep"), SITE).status == 200
    assert asked == [b"/alice/run/"]


@pytest.mark.parametrize(
    ("head", "methods", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ["HEAD"], 200),
        # its page may start a kernel for each GET
        (b"HTTP/1.1 405 Method Not Allowed\r\n\r\n", ["HEAD"], 0),
        (b"HTTP/1.0 501 Unsupported method ('HEAD')\r\n\r\n", ["HEAD"], 0),
        # what may be wrong with HEAD alone
        (b"HTTP/1.1 404 Not Found\r\n\r\n", ["HEAD", "GET"], 200),
        (b"", ["HEAD", "GET"], 200),
    ],
)
def test_a_page_is_asked_for_by_head(head: bytes, methods: list[str], status: int) -> None:
    asked = []

    def serve(connection: socket.socket) -> None:
        method = connection.recv(65536).decode().partition(" ")[0]
        asked.append(method)
        connection.sendall(head if method == "HEAD" else b"HTTP/1.1 200 OK\r\n\r\n")

    with listening(serve) as port:
        seen = probe(link(port), SITE)
    assert (asked, seen.answers, seen.status) == (methods, True, status)


def test_the_headers_are_those_of_the_gateway() -> None:
    location = (ROLE / "templates/nginx/gateway/proxy_location.j2").read_text(encoding="utf-8")
    sent = set(re.findall(r"proxy_set_header ([A-Za-z-]+) (?!\"\")", location))
    assert sent - {"Upgrade", "Connection", "Cookie"} == gateway_headers(SITE["url"], "/alice/run/").keys() - {
        "Accept",
        "Accept-Encoding",
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_where_nobody_listens(host: str) -> None:
    assert probe(link(free_port(), host), SITE) == Probe(listening=False, problem="connection refused")


def test_an_ipv6_listener_does_not_serve_an_ipv4_link() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=False) as server:
        port = server.getsockname()[1]
        assert probe(link(port), SITE) == Probe(listening=False, problem="connection refused")


def test_a_listener_on_all_addresses_is_found() -> None:
    with listening(saying(OK), "0.0.0.0") as port:
        assert probe(link(port), SITE).pid == os.getpid()


def test_a_unix_socket(root: str) -> None:
    path = root + "/tool.sock"
    assert probe(link(socket=path), SITE) == Probe(listening=False, problem="no such socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert probe(link(socket=path), SITE) == Probe(listening=False, problem="connection refused")
        server.listen()
        threading.Thread(target=accept, args=(server, saying(OK)), daemon=True).start()
        seen = probe(link(socket=path), SITE)
        assert (seen.listening, seen.status, seen.user, seen.pid) == (True, 200, ME, os.getpid())
        server.shutdown(socket.SHUT_RDWR)


def test_a_host_without_address(names: dict[str, list[str]]) -> None:
    assert probe(link(80, "nowhere"), SITE) == Probe(listening=None, problem="the host has no address")
    names["nowhere"] = ["127.0.0.1"]
    assert probe(link(free_port(), "nowhere"), SITE).listening is False
    names["nowhere"] = ["169.254.169.254"]
    assert place_of(link(80, "nowhere")) is None


def test_another_machine_that_cannot_be_reached() -> None:
    started = time.monotonic()
    seen = probe(link(80, "192.0.2.1"), SITE)
    assert (seen.listening, seen.answers, seen.user) == (None, False, "")
    assert seen.problem
    assert time.monotonic() - started < 60, "the kernel itself gives up after two minutes"


def test_many_at_a_time() -> None:
    twenty = threading.Barrier(20)  # nobody is answered before so many ask

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        twenty.wait(60)
        connection.sendall(OK)

    known = listeners()
    with listening(serve) as port, concurrent.futures.ThreadPoolExecutor(20) as pool:
        seen = list(pool.map(lambda _: probe(link(port), SITE, known, seconds=60), range(40)))
    assert [one.status for one in seen] == [200] * 40


def test_the_import_is_cheap() -> None:
    code = (
        "import sys; from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose import doctor;"
        "print(*{'http.client', 'urllib.parse', 'html.parser', 'ssl', 'subprocess'} & sys.modules.keys())"
    )
    environment = {**os.environ, "PYTHONPATH": str(COLLECTION / "collections")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "\n"
