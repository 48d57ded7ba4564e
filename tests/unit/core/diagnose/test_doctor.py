# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says about small servers that go wrong in every way it knows; tests/kinds has the real tools."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import os
import pwd
import re
import shlex
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose import browser, doctor, fingerprints
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.advice import Finding
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.doctor import conclude, diagnose
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.observation import Observed
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.http_client import PASSED_HEAD_BYTES
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.probe import Probe
from ansible_collections.vizgate.gateway.tests.unit.support import free_port

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


class _Handler(http.server.BaseHTTPRequestHandler):
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
        super().__init__((host, port), _Handler)

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


# healthy links


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


# the gateway


@pytest.fixture
def tool() -> Iterator[Tool]:
    """One that works for links of kind http."""
    with running({"/": page("hello")}) as tool:
        yield tool


def test_the_gateway_does_not_run(tool: Tool) -> None:
    text = "the gateway's nginx does not run"
    shown = {**answer(tool.port, live=False), "serving": False}
    assert says(shown) == [("error", text, "sudo service nginx start, which only an administrator can run")]
    shown["sockets"] = "/home/alice/gate/run/vizgate/sockets/alice"
    command = "/home/alice/gate/usr/local/lib/vizgate/bin/vizgate-rootless start"
    assert says(shown) == [("error", text, command)]
    assert says(shown | {"sockets": "/run/vizgate/sockets/alice"})[0][2].startswith("sudo service")


def test_the_link_is_not_rendered(tool: Tool) -> None:
    text = f"the include files of {ME} differ from the declared links; any change of a link rewrites them"
    expected = [("error", text, "vizgate edit run --description 'Loss curves '")]
    assert says(answer(tool.port, rendered=False, live=False)) == expected


def test_the_link_is_not_live(tool: Tool) -> None:
    expected = [("error", "nginx does not serve the link yet", "sudo service nginx reload")]
    assert says(answer(tool.port, live=False)) == expected


def test_inventory_has_a_link_of_the_same_name(tool: Tool) -> None:
    mine = answer(free_port(), yields_to="inventory", rendered=False, live=False)["links"]
    text = (
        f"your own link 'run' to {mine[0]['target']} is not served, because source 'inventory' declares the same name"
    )
    fix = "vizgate edit run --name run-2"
    assert says(answer(tool.port, source="inventory", links=mine)) == [("warning", text, fix)]


@pytest.mark.parametrize(
    ("site", "text", "changes"),
    [
        (
            {"allowed_hosts": ["10.0.0.0/8"]},
            "host '127.0.0.1' is not in allowed_hosts: 10.0.0.0/8 (the site policy)",
            "",
        ),
        (
            {"allowed_ports": ["1024-1030"]},
            "port {port} is not in allowed_ports: 1024-1030 (the site policy)",
            "--port 1024",
        ),
    ],
)
def test_the_policy_refuses_the_link(tool: Tool, site: dict[str, Any], text: str, changes: str) -> None:
    shown = answer(tool.port)
    shown["site"].update(site)
    ((severity, finding, fix),) = says(shown)
    assert (severity, finding) == (
        "error",
        "the site policy no longer allows this link: " + text.format(port=tool.port),
    )
    assert fix == (
        f"vizgate edit run {changes}" if changes else f"ask the administrator to allow 127.0.0.1:{tool.port}"
    )
    # and nothing is said about the tool
    shown["links"][0]["host"] = "127.0.0.9"
    assert len(says(shown)) == 1


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


# nothing answers


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


def test_it_speaks_tls(tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=tool"]
    subprocess.run([*command, *files], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with Tool({"/": page()}) as tool:
        tool.socket = context.wrap_socket(tool.socket, server_side=True)
        threading.Thread(target=tool.serve_forever, args=(0.01,), daemon=True).start()
        ((severity, text, fix),) = says(answer(tool.port, "jupyter"))
        tool.shutdown()
    assert (severity, fix) == ("error", "vizgate edit run --scheme https --insecure")
    assert text.endswith(
        f"uses TLS (https) on 127.0.0.1:{tool.port}, but the link has scheme http; the gateway would not trust the tool: a"
        " certificate is verified for a host name, and the link has an address"
    )


@contextlib.contextmanager
def encrypted(folder: Path, host: str = "127.0.0.1") -> Iterator[Tool]:
    """A tool that speaks TLS, its certificate for the name `tool` in cert.pem of the folder."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=tool"]
    subprocess.run([*command, *files], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with Tool({"/": page()}, host) as tool:
        tool.socket = context.wrap_socket(tool.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=tool.serve_forever, args=(0.01,), daemon=True).start()
        yield tool
        tool.shutdown()


@pytest.mark.parametrize(
    ("link", "text", "fix"),
    [
        ({"host": "tool"}, "but the link has scheme http", "vizgate edit run --scheme https"),
        (
            {"host": "other"},
            "certificate is not valid for 'other'.",
            "vizgate edit run --scheme https --insecure",
        ),
        (
            {"host": "other", "scheme": "https", "verify": True},
            "certificate is not valid for 'other'.; ask the administrator to add its CA certificate to gateway_backend_ca, or"
            " switch off the verification",
            "vizgate edit run --insecure",
        ),
        (
            {"host": "other", "source": "inventory"},
            "certificate is not valid for 'other'.",
            f"in the users file {ME}.yml, link 'run': scheme: https, verify: false; then run the playbook links",
        ),
        ({"host": "tool", "scheme": "https"}, "", ""),
        ({"host": "other", "scheme": "https", "verify": False}, "", ""),
    ],
)
def test_https(tmp_path: Path, names: dict[str, list[str]], link: dict[str, Any], text: str, fix: str) -> None:
    names.update(tool=["127.0.0.1"], other=["127.0.0.1"])
    with encrypted(tmp_path) as tool:
        shown = answer(tool.port, **link)
        shown["site"]["backend_ca"] = str(tmp_path / "cert.pem")
        ((severity, finding, found),) = says(shown)
    assert (severity, found) == ("error" if fix else "ok", fix)
    assert finding.endswith(text)


def test_https_where_there_is_none(names: dict[str, list[str]]) -> None:
    names["tool"] = ["127.0.0.1"]
    with running({"/": page()}) as tool:
        ((severity, finding, fix),) = says(answer(tool.port, host="tool", scheme="https"))
    assert (severity, fix) == ("error", "vizgate edit run --scheme http")
    assert "does not use TLS" in finding


# unix sockets


class UnixTool(Tool):
    address_family = socket.AF_UNIX

    def __init__(self, pages: Mapping[Any, Answer], path: str) -> None:
        self.pages, self.requests, self.heads = pages, [], []
        socketserver.TCPServer.__init__(self, path, _Handler)  # type: ignore[arg-type]

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


# the wrong prefix mode, or a tool that does not know its own


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


# what browsers have seen


def line(path: str, status: int = 404, seconds: float = 60, **fields: str) -> dict[str, Any]:
    """A line of the access log, so many seconds old."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - seconds))
    return {"time": at, "path": path, "status": status, "connect_seconds": "0.001", **fields}


def test_what_visitors_got_is_told() -> None:
    page_of = {"referer": f"http://{HOST}/alice/run/plots"}
    requests = [
        line("/alice/run/data.json", **page_of),
        line("/alice/run/data.json", **page_of),
        line("/alice/run/login", 502),
    ]
    with running({"/": page()}) as tool:
        ((severity, text, fix),) = triples(diagnose(answer(tool.port), "run", {"lines": requests}))
    assert (severity, fix) == ("warning", "vizgate log run")
    assert text == (
        f"in the last hour visitors got 404 for /alice/run/data.json, which http://{HOST}/alice/run/plots asked for, 2 times;"
        " in the last hour visitors got 502 for /alice/run/login 1 time"
    )


@pytest.mark.parametrize("status", [302, 400, 401, 403, 426, 500, 502, 504, 200])
def test_a_websocket_that_was_not_opened_is_a_finding(status: int) -> None:
    """Browsers follow no redirect for one, and take no page for one."""
    with running({"/": page()}) as tool:
        requests = [line("/alice/run/ws", status, upgrade="websocket")]
        found = triples(diagnose(answer(tool.port), "run", {"lines": requests}))
    text = f"in the last hour visitors got {status} instead of a websocket for /alice/run/ws 1 time"
    assert found == [("warning", text, "vizgate log run")]


HEADERS = "make the tool's response headers shorter; the longest are usually Set-Cookie or Content-Security-Policy"


def test_heads_that_visitors_did_not_get_are_a_finding() -> None:
    requests = [line("/alice/run/login", 502, problem="oversized")]
    with running({"/": page()}) as tool:
        found = triples(diagnose(answer(tool.port), "run", {"lines": requests}))
    text = "in the last hour visitors got 502, as the head of the answer has more than 32,768 bytes, for /alice/run/login 1 time"
    assert found == [("warning", text, f"{HEADERS}; vizgate log run")]


@pytest.mark.parametrize("path", ["/", "/in"])
def test_a_head_that_is_too_long(path: str) -> None:
    """Also where it is the one of a redirect."""
    long = page(Content_Security_Policy="x" * 40_000)
    pages = {"/": long} if path == "/" else {"/": go("/in"), "/in": long}
    with running(pages) as tool:
        found = triples(diagnose(answer(tool.port), "run"))
    ((severity, text, fix),) = found
    assert (severity, fix) == ("error", curl(tool.port, path))
    expected = rf"the head of its answer to {path} has 40,[12]\d\d bytes, 40,000 of them in Content-Security-Policy: "
    assert re.match(expected, text)
    assert text.endswith(f": the gateway passes on 32,768, and visitors get 502; {HEADERS}")


def test_a_head_that_is_longer_than_is_looked_at() -> None:
    with running({"/": page(Set_Cookie="x" * 300_000)}) as tool:
        ((severity, text, fix),) = triples(diagnose(answer(tool.port), "run"))
    assert (severity, fix) == ("error", curl(tool.port, "/"))
    assert "the head of its answer to / has more than 65,536 bytes: the gateway passes on 32,768" in text


def test_a_head_without_an_end() -> None:
    """Of a tool that answers so whatever it is asked for."""
    with saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000) as port:
        ((severity, text, fix),) = triples(diagnose(answer(port), "run"))
    assert (severity, fix) == ("error", curl(port, "/"))
    assert "its headers have more than 65,536 bytes: the gateway passes on 32,768, and visitors get 502" in text


def test_the_gateway_passes_on_as_much_as_the_doctor_says() -> None:
    text = Path("roles/gateway/vars/main.yml").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(r"^__gateway_head_kilobytes: (\d+)$", text, re.MULTILINE)
    assert int(kilobytes) * 1024 == PASSED_HEAD_BYTES


def test_what_pages_looked_for_outside_of_the_link_is_a_finding() -> None:
    concerning = [
        line("/api/runs", problem="outside"),
        line("/api/runs", problem="outside"),
        line("/favicon.ico", problem="outside"),
        line("/api/old", problem="outside", seconds=7200),
    ]
    text = (
        "in the last hour pages of the link looked for /api/runs, outside of the link, 2 times: tell the tool its base path"
        " /alice/run"
    )
    with running({"/": page()}) as tool:
        found = triples(diagnose(answer(tool.port), "run", {"lines": [], "concerning": concerning}))
    assert found == [("warning", text, "start your tool with base path /alice/run")]


def test_websockets_without_a_password_are_a_finding() -> None:
    concerning = [line("/alice/run/ws", 401, problem="no password")]
    with running({"/": page()}) as tool:
        ((severity, text, fix),) = triples(diagnose(answer(tool.port), "run", {"lines": [], "concerning": concerning}))
    assert (severity, "as Safari, got 401 for /alice/run/ws 1 time" in text) == ("warning", True)
    assert fix == "use another browser, or ask the administrator for a sign-in service (gateway_auth: forward)"


@pytest.mark.parametrize(
    "request_",
    [
        line("/alice/run/", 200),
        line("/alice/run/data.json", seconds=7200),
        line("/alice/run/favicon.ico"),
        line("/alice/run/main.js.map"),
        # it was not running
        line("/alice/run/", 502, connect_seconds="-"),
        line("/alice/run/ws", 504, connect_seconds="-", upgrade="websocket"),
        line("/alice/run/ws", 101, upgrade="websocket"),
        # the visitor went away
        line("/alice/run/ws", 499, upgrade="websocket"),
    ],
    ids=lambda request: f"{request['path']} {request['status']}",
)
def test_what_is_no_news_is_not_told(request_: dict[str, Any]) -> None:
    with running({"/": page()}) as tool:
        assert [found["severity"] for found in diagnose(answer(tool.port), "run", {"lines": [request_]})] == ["ok"]


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


# tools that cannot be below a path

OPTUNA = """<!DOCTYPE html><html lang="en"><head><title>Optuna Dashboard</title>
<script defer src="/static/bundle.js"></script></head></html>"""
"""The head of the page of optuna-dashboard 0.20."""


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


# links with a host name of their own


def with_hosts(port: int, kind: str = "http", url: str = "/run/", **link: Any) -> dict[str, Any]:
    """As `answer`, on a gateway whose users have host names."""
    shown = answer(port, kind, url=url, **link)
    shown["site"].update(url=f"http://alice.{HOST}", url_style="subdomain")
    return shown


def with_own_host(port: int, kind: str = "http", **link: Any) -> dict[str, Any]:
    """As `with_hosts`, with a host name for the link."""
    return with_hosts(port, kind, "/", prefix="host", origin=OWN_HOST, **link)


OWN_HOST = f"http://run--alice.{HOST}"


def test_a_tool_without_a_base_path_gets_a_host_name() -> None:
    pages = {"/": go("/dashboard"), "/dashboard": page(OPTUNA), "/static/bundle.js": file()}
    with running(pages) as tool:
        text = (
            "Optuna's dashboard has no option for a base path, so it does not work below /run/;"
            " give the link a host name of its own"
        )
        for prefix in ("strip", "keep"):
            assert says(with_hosts(tool.port, prefix=prefix)) == [("error", text, "vizgate edit run --prefix host")]
        shown = with_hosts(tool.port, url="/run.1_a/", name="run.1_a")
        ((_, _, fix),) = triples(diagnose(shown, "run.1_a"))
        assert fix == "vizgate edit run.1_a --name run-1-a --prefix host"
        ((severity, text, fix),) = says(with_own_host(tool.port))
        assert (severity, fix) == ("ok", "")
        assert text.startswith(f"{OWN_HOST}/ works: ")
        # asked as the gateway asks: by that host, and without a prefix
        for _, headers in tool.requests[-3:]:
            assert (headers["Host"], headers.get("X-Forwarded-Prefix")) == (f"run--alice.{HOST}", None)
            # Optuna's dashboard answers 500 without
            assert headers["Accept-Encoding"] == "identity"


def test_any_tool_that_looks_outside_may_have_no_base_path() -> None:
    with running({"/": page('<script src="/static/main.js"></script>')}) as tool:
        text = (
            "the page loads, but looks for /static/main.js outside of the link: tell the tool its base path /run"
            " (most have a flag for that; for one that has none, vizgate edit run --prefix host), and then"
        )
        assert says(with_hosts(tool.port)) == [("error", text, "vizgate edit run --prefix keep")]


BASE_PATH = ": as the link has a host name of its own, the tool's addresses begin at /, without a base path"


@pytest.mark.parametrize(
    ("pages", "text"),
    [
        ({"/run/": page()}, f"it answers 404 at /{BASE_PATH}"),
        ({"/": go("/")}, f"/ is in a redirect loop{BASE_PATH}"),
        ({"/": page("", 503)}, "it answers 503 at /"),
        ({"/": page(ABSOLUTE)}, "the page loads, but /static/main.js does not"),
        (
            {"/": page('<script src="http://127.0.0.1:{port}/main.js"></script>')},
            "the page loads, but looks for http://127.0.0.1:{port}/main.js outside of the link: tell the tool its own address"
            f" {OWN_HOST}/",
        ),
    ],
)
def test_what_does_not_work_on_a_host_of_its_own(pages: dict[str, Answer], text: str) -> None:
    with running({}) as tool:
        tool.pages = {
            path: (status, head, body.replace("{port}", str(tool.port))) for path, (status, head, body) in pages.items()
        }
        ((severity, finding, fix), *_) = says(with_own_host(tool.port))
        assert (severity, finding) == ("error", text.replace("{port}", str(tool.port)))
        assert fix == curl(tool.port, "/").replace(HOST, f"run--alice.{HOST}")
        # nothing is asked for below a prefix that there is not
        assert {path for path, _ in tool.requests} <= {"/", "/static/main.js", "/static/main.css"}


def test_a_kind_on_a_host_of_its_own_starts_without_a_base_path() -> None:
    with running({"/run/": page(VISDOM)}) as tool:
        ((_, text, fix),) = says(with_own_host(tool.port, "visdom"))
        assert (text, fix) == (f"it answers 404 at /{BASE_PATH}", started("visdom", tool.port, base=""))
        tool.pages = {"/": page(VISDOM), "/socket": SOCKET}
        assert [severity for severity, _, _ in says(with_own_host(tool.port, "visdom"))] == ["ok"]
        # another process at another port is not taken for this link's tool
        ((_, text, _),) = says(with_own_host(free_port(), "visdom"))
        assert text.startswith("nothing listens on")


def test_a_host_name_where_users_have_paths() -> None:
    """Nobody can declare that; the style may have been changed by hand."""
    with running({"/": page()}) as tool:
        ((severity, text, fix),) = says(answer(tool.port, prefix="host"))
    assert (severity, fix) == ("error", "vizgate edit run --prefix strip")
    assert text.startswith(
        "the site policy no longer allows this link: prefix 'host' needs url_style subdomain, but this gateway uses paths"
    )


# the wrong kind

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


# and the rest


@pytest.mark.parametrize("nonsense", ["<a ", "<a/", "<", "<link href='x' "])
def test_a_page_that_takes_a_parser_for_ever(nonsense: str) -> None:
    text = "<script src=/x.js></script>" + (nonsense * 2**20)[: 2**20 - 100]
    with running({"/": page(text)}) as tool:
        before = time.process_time()
        text = says(answer(tool.port))[0][1]
        assert time.process_time() - before < 8
    assert text.startswith("the page loads, but looks for /x.js outside of the link")


def links(addresses: int, base: str = "") -> str:
    return f"<base href={base}>" + "".join(f"<link rel=stylesheet href=s{number}>" for number in range(addresses))


def test_a_page_whose_addresses_are_too_long_is_not_pondered() -> None:
    with running({"/": page(links(600, "a/" * 200_000))}) as tool:
        before = time.process_time()
        assert [severity for severity, _, _ in says(answer(tool.port))] == ["ok"]
        assert time.process_time() - before < 5
        assert [path for path, _ in tool.requests] == ["/"]
    with running({"/": page(f'<script src="/{"x" * 7000}"></script>')}) as tool:
        assert says(answer(tool.port))[0][1].startswith(f"the page loads, but looks for /{'x' * 198}… outside of")


def test_a_page_of_very_many_addresses_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "SECONDS", 1.0)
    with running({"/": page(links(28_000, "/alice/run/" + "a/" * 3500))}) as tool:
        before = time.process_time()
        says(answer(tool.port))
        assert time.process_time() - before < 4


def test_only_the_first_parts_of_a_page_are_asked_for() -> None:
    scripts = "".join(f"<script src=https://cdn.example/{number}.js></script>" for number in range(9))
    scripts += "".join(f"<script src=s{number}.js></script>" for number in range(9))
    with running({"/": page(scripts), **{f"/s{number}.js": file() for number in range(6)}}) as tool:
        assert [severity for severity, _, _ in says(answer(tool.port))] == ["ok"]
        assert [path for path, _ in tool.requests] == ["/", *(f"/s{number}.js" for number in range(6))]


def test_a_page_cannot_write_on_the_terminal() -> None:
    with running({"/": page('<script src="/\x1b[31mred\n.js"></script>')}) as tool:
        findings = diagnose(answer(tool.port), "run")
    assert r"/\x1b[31mred\n.js" in findings[0]["finding"]
    assert all(finding["finding"].isprintable() and finding["fix"].isprintable() for finding in findings)


def test_a_tool_that_drips_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "SECONDS", 3.0)
    over = threading.Event()

    class Slow(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked = self.request.recv(65536).split()[1]
            if asked == b"/":
                scripts = "".join(f"<script src=s{number}.js></script>" for number in range(50))
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + scripts.encode())
            else:
                self.request.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    self.request.sendall(b"X: y\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        before = time.monotonic()
        ((severity, text, _),) = says(answer(server.server_address[1]))
        taken = time.monotonic() - before
        over.set()
        server.shutdown()
    assert (severity, text) == ("error", "the page loads, but s0.js does not")
    assert 2.9 < taken < 40, "six files that drip take 10 s each"


def test_what_pages_looked_for_before_the_link_had_a_host_is_no_finding() -> None:
    log = {"lines": [], "concerning": [line("/static/app.js", problem="outside")]}
    with running({"/": page()}) as tool:
        assert [severity for severity, _, _ in triples(diagnose(with_own_host(tool.port), "run", log))] == ["ok"]
        assert [severity for severity, _, _ in triples(diagnose(with_hosts(tool.port), "run", log))] == ["warning"]
