# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says where nothing answers, or somebody else does."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose import browser, doctor
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.doctor import conclude, diagnose
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.observation import Observed
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.probe import Probe
from ansible_collections.vizgate.gateway.tests.unit.core.diagnose.tools import (
    HOST,
    ME,
    Answer,
    TableHandler,
    Tool,
    Triple,
    answer,
    curl,
    page,
    running,
    saying,
    says,
    started,
    triples,
)
from ansible_collections.vizgate.gateway.tests.unit.support import free_port


@pytest.mark.parametrize("kind", ["http", "visdom", "tensorboard", "jupyter", "bokeh", "streamlit", "trame", "wsgi"])
def test_nothing_listens(kind: str) -> None:
    port = free_port()
    expected = [("error", f"nothing listens on 127.0.0.1:{port}", started(kind, port))]
    assert says(answer(port, kind)) == expected


def test_it_listens_on_another_address() -> None:
    with running({"/": page()}, "127.0.0.2") as tool:
        ((severity, text, fix),) = says(answer(tool.port))
        assert (severity, fix) == ("error", "vizgate edit run --host 127.0.0.2")
        where = f"listens on address 127.0.0.2, port {tool.port}, but the link leads to 127.0.0.1:{tool.port}"
        assert text.endswith(where)
        strict = answer(tool.port)
        strict["site"]["allowed_hosts"] = ["127.0.0.1"]
        assert says(strict) == [("error", text, started("http", tool.port))]


def test_it_listens_on_ipv6_alone() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        shown = answer(port)
        shown["site"]["allowed_hosts"] = ["127.0.0.0/8", "::1"]
        assert says(shown)[0][2] == "vizgate edit run --host ::1"


def test_it_took_another_port(tmp_path: Path) -> None:
    """As visdom does when its own is busy. No other test's link is here, as they run at the same time."""
    (tmp_path / "visdom").write_text(
        "import socket, sys, time\ns = socket.create_server(('127.0.0.1', int(sys.argv[2])))\ntime.sleep(60)\n"
    )
    port, taken, url = free_port(), free_port(), "/alice/moved/"
    command = [sys.executable, str(tmp_path / "visdom"), "-port", str(taken)]
    process = subprocess.Popen([*command, "-base_url", "/alice/moved"])
    try:
        while not _listens(taken):
            time.sleep(0.02)
        text = f"nothing listens on 127.0.0.1:{port}, but 'visdom -port {taken} -base_url /alice/moved' listens on port {taken}"
        assert says(answer(port, "visdom", url=url)) == [("error", text, f"vizgate edit run --port {taken}")]
        # which may be where it belongs
        others = [{**answer(taken, "visdom")["links"][0], "name": "other"}]
        assert says(answer(port, "visdom", links=others, url=url))[0][2] == started("visdom", port, "/alice/moved")
        shown = answer(port, "visdom")
        shown["links"][0]["url"] = "/alice/other/"
        assert says(shown)[0][2] == started("visdom", port, "/alice/other")
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.closing(socket.socket()) as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_a_host_without_address(names: dict[str, list[str]]) -> None:
    expected = [("error", "host 'node12' has no address", "vizgate edit run --host ADDRESS")]
    assert says(answer(8097, host="node12")) == expected


def remote(problem: str, listening: bool | None = None, kind: str = "visdom") -> list[Triple]:
    """What is said about a link to another machine that was seen so."""
    shown = answer(8097, kind, host="node12")
    seen = Observed(shown, shown["links"][0], Probe(listening, problem=problem), here=False, account=ME)
    return triples(conclude(seen))


def test_another_machine_refuses() -> None:
    text = "nothing listens on node12:8097, or the tool listens only on the loopback of node12; start it there"
    # where visdom must not be bound to loopback
    assert remote("connection refused") == [("error", text, "visdom -port 8097 -base_url /alice/run")]
    (refused,) = remote("connection refused", kind="tensorboard")
    assert refused[2] == started("tensorboard", 8097, host="node12")


def test_another_machine_does_not_answer() -> None:
    text = "node12:8097 cannot be reached from the gateway (no answer within 2 s); see whether it listens"
    assert remote("no answer within 2 s") == [("error", text, "ssh node12 ss -ltn sport = :8097")]


def test_a_firewall_lets_only_the_gateway_through() -> None:
    shown = answer(8097)
    probe = Probe(True, problem="connection refused", user=ME)
    text = f"a process of {ME} listens on 127.0.0.1:8097, but a firewall rejects you; check whether the gateway can connect"
    assert triples(conclude(Observed(shown, shown["links"][0], probe, account=ME))) == [
        ("warning", text, f"curl -u {ME} http://{HOST}/alice/-/status/run")
    ]


def test_what_does_not_answer_is_not_to_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "PAGE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ((severity, text, fix),) = triples(diagnose(answer(port, "visdom"), "run"))
    assert (severity, fix) == ("error", curl(port, "/alice/run/"))
    assert text.endswith(
        f"listens on 127.0.0.1:{port}, but is busy or hangs: no answer within 0.5 s; its log should say why"
    )


def test_a_slow_page_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Voila answers a HEAD at once, and starts a kernel for each GET: it is asked for one."""
    monkeypatch.setattr(browser, "PAGE_SECONDS", 0.5)

    class Slow(dict[str, Answer]):
        def __init__(self) -> None:
            self.asked, self.over = threading.Event(), threading.Event()

        def get(self, key: Any, default: Any = None) -> Any:
            self.asked.set()
            self.over.wait(60)
            return super().get(key, default)

    for kind in ("http", "voila"):
        with running(pages := Slow()) as tool:
            ((severity, text, fix),) = says(answer(tool.port, kind))
            assert pages.asked.wait(60)
            pages.over.set()
            path = "/" if kind == "http" else "/alice/run/"
            assert (severity, fix) == ("warning", curl(tool.port, path))
            slow = f"answers, but its page is slow: no answer within 0.5 s at {path}, and visitors wait as long"
            assert text.endswith(slow)
        assert [asked for asked, _ in tool.requests] == [path]


def test_a_page_takes_longer_than_a_moment() -> None:
    class Slow(dict[str, Answer]):
        def get(self, key: Any, default: Any = None) -> Any:
            time.sleep(3)
            return super().get(key, default)

    with running(Slow({"/": page("a kernel has started")})) as tool:
        assert [severity for severity, _, _ in says(answer(tool.port))] == ["ok"]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b"RFB 003.008\n", "its answer is not HTTP: 'RFB 003.008'"),
        # HTTP/0.9, which nginx passes on as a page with status 200
        (b"<h1>hello</h1>\n", "its answer is not HTTP: '<h1>hello</h1>'"),
        (b"", "it closes the connection without an answer"),
    ],
)
def test_it_is_no_web_server(said: bytes, text: str) -> None:
    with saying(said) as port:
        ((severity, finding, fix),) = says(answer(port, "novnc"))
    assert (severity, fix) == ("error", started("novnc", port))
    assert finding.endswith(f"listens on 127.0.0.1:{port}, but {text}")


# unix sockets


class UnixTool(Tool):
    address_family = socket.AF_UNIX

    def __init__(self, pages: Mapping[Any, Answer], path: str) -> None:
        self.pages, self.requests, self.heads = pages, [], []
        socketserver.TCPServer.__init__(self, path, TableHandler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        super().finish_request(request, ("unix", 0))


def test_unix_sockets(root: str) -> None:
    path = root + "/tool.sock"
    start = f"gunicorn --bind unix:{path} -e SCRIPT_NAME=/alice/run app:app"
    shown = answer(kind="wsgi", socket=path) | {"sockets": "/run/vizgate/sockets/alice"}
    assert says(shown) == [("error", f"nothing listens on {path}", start)]
    assert says(answer(kind="http", socket=path))[0][2] == f"start your tool on socket {path}"
    # what listens on ports only moves to one
    edit, command = says(answer(kind="visdom", socket=path))[0][2].split(" && ")
    assert command == started("visdom", int(edit.removeprefix("vizgate edit run --port ")))
    with UnixTool({"/alice/run/": page()}, path) as tool:
        threading.Thread(target=tool.serve_forever, args=(0.01,), daemon=True).start()
        os.chmod(path, 0o666)
        assert [severity for severity, _, _ in says(shown)] == ["ok"]
        os.chmod(path, 0o644)
        text = f"the gateway may not connect to socket {path}, whose mode is 0644"
        assert says(shown) == [("error", text, f"chmod a+w {path}")]
        # a rootless gateway is the same user
        assert [severity for severity, _, _ in says(shown | {"sockets": "/home/x/run/vizgate/"})] == ["ok"]
        os.chmod(path, 0o666)
        tool.pages = {"/": page()}
        text = "it answers 404 at /alice/run/ and 200 at /: the app was not started for /alice/run"
        assert says(shown) == [("error", text, start)]
        tool.pages = {"/alice/run/": page("", 500)}
        ((_, _, fix),) = says(shown)
        assert fix == f"curl -i -H 'Host: {HOST}' --unix-socket {path} http://localhost/alice/run/"
        tool.shutdown()


# somebody else's


@contextlib.contextmanager
def nobodys(port: int) -> Iterator[None]:
    """A server of user nobody, whose page is a plain list of files."""
    code = (
        "import http.server as h, os, socketserver, sys; os.chdir('/proc/self/fdinfo');"
        f"socketserver.TCPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
    )
    process = subprocess.Popen(["/usr/bin/python3", "-c", code], user="nobody", stderr=subprocess.DEVNULL)
    try:
        while not _listens(port):
            assert process.poll() is None
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_the_port_is_somebody_elses() -> None:
    port = free_port()
    text = f"127.0.0.1:{port} is used by a program of nobody, not of {ME}: visitors see the pages of that program"
    with nobodys(port):
        for kind, severity in (("visdom", "error"), ("http", "warning")):
            ((found, finding, fix),) = says(answer(port, kind))
            assert (found, finding) == (severity, text)
            edit, start = fix.split(", then " if kind == "http" else " && ")
            other = int(edit.removeprefix("vizgate edit run --port "))
            assert other > port
            assert start == started(kind, other)
            assert not _listens(other)


@pytest.mark.parametrize(
    ("owner", "kind", "severity"),
    [
        ("root", "http", "error"),
        ("root", "visdom", "stranger"),
        ("bob", "http", "stranger"),
        ("alice", "http", "error"),
    ],
)
def test_root_may_run_what_is_the_users_own(owner: str, kind: str, severity: str) -> None:
    """A container's port is root's."""
    with running({"/": page("", 500), "/alice/run/": page("", 500)}) as tool:
        seen = doctor.observe(answer(tool.port, kind), "run")
        probe = dataclasses.replace(seen.probe, user=owner)
        seen = dataclasses.replace(seen, probe=probe, account="alice", answer={**seen.answer, "user": "alice"})
        ((_, text, _),) = triples(conclude(seen))
    assert (f"a program of {owner}" in text) == (severity == "stranger")
