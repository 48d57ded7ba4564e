# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at targets: real sockets that behave well, badly, or belong to somebody else."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pwd
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.endpoint import is_here, place_of
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.http_client import (
    ask,
    gateway_headers,
    speaks_tls,
    split_url,
)
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.listener_table import (
    Listener,
    listener_at,
    listeners,
)
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.probe import Probe, probe
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION, ROLE, free_port

CERTIFICATES: dict[ssl.SSLContext, Path] = {}
"""The file with the certificate that a server shows."""
SITE = {"url": "http://gate.example:1234"}
NOBODY = 65534
ME = pwd.getpwuid(os.getuid()).pw_name
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Server = Callable[[socket.socket], None]


@contextlib.contextmanager
def listening(serve: Server, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Accepts connections and hands each to `serve`, in a thread of its own; gives the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as server:
        threading.Thread(target=_accept, args=(server, serve), daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, serve: Server) -> None:
    def work(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection)

    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=work, args=(server.accept()[0],), daemon=True).start()


def saying(data: bytes) -> Server:
    """Reads a request and answers it with these bytes."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return serve


def link(port: int = 0, host: str = "127.0.0.1", prefix: str = "strip", **more: Any) -> dict[str, Any]:
    """What a link's entry tells of its target."""
    return {"url": "/alice/run/", "prefix": prefix, "host": host, "port": port, **more}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's TLS, with a certificate that nobody trusts."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=tool"]
    subprocess.run([*command, *files], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    CERTIFICATES[context] = folder / "cert.pem"
    return context


# who listens


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "0.0.0.0", "::"])
def test_a_listener_is_named_with_its_process(address: str) -> None:
    with listening(saying(OK), address) as port:
        found = [one for one in listeners() if one.port == port]
    command = Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    assert [(one.address, one.uid, one.user, one.pid, one.path) for one in found] == [
        (address, os.getuid(), ME, os.getpid(), "")
    ]
    assert found[0].command == command[:300]


def test_a_wrapped_ipv4_address_is_the_ipv4_address() -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("::ffff:127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert [one.address for one in listeners() if one.port == port] == ["127.0.0.1"]


def test_who_is_connected_does_not_listen() -> None:
    port = free_port()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", port))
        assert [one for one in listeners() if one.port == port] == []


def test_a_unix_socket_is_named_with_its_process(root: str) -> None:
    path = root + "/tool.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert [one for one in listeners() if one.path == path] == []
        server.listen()
        found = [one for one in listeners() if one.path == path]
    assert [(one.port, one.user, one.pid) for one in found] == [(0, ME, os.getpid())]


def test_the_name_of_a_socket_is_no_line_of_the_kernels(root: str) -> None:
    path = root + "/tool.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with listening(saying(OK)) as port, socket.socket(socket.AF_UNIX) as decoy:
        blamed = next(one.inode for one in listeners() if one.port == port)
        name = f"{root}/\n0: 0 0 00010000 1 1 {blamed} {path}"
        os.makedirs(os.path.dirname(name))
        decoy.bind(name)
        decoy.listen()
        assert name[len(root) + 2 :] in Path("/proc/net/unix").read_text().splitlines()
        found = {one.path: one.pid for one in listeners() if one.path.startswith(root)}
    assert found == {name: os.getpid()}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_socket_counts_if_its_file_is_its_owners_or_roots_gift(root: str) -> None:
    path = root + "/tool.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        os.chown(path, NOBODY, -1)
        found = listener_at(path, listeners())
        assert found
        assert (found.uid, found.pid, found.inode) == (0, os.getpid(), os.fstat(server.fileno()).st_ino)
        known = [Listener(path=path, uid=NOBODY)]
        assert listener_at(path, known) == known[0]
        os.chown(path, 0, -1)
        assert listener_at(path, known) is None
        os.unlink(path)
        assert listener_at(path, listeners()) is None


def test_a_command_line_cannot_write_on_the_terminal() -> None:
    port = free_port()
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, "\x1b[31mred\nline", "x" * 500])
    try:
        while not (found := [one for one in listeners() if one.port == port]):
            assert process.poll() is None
            time.sleep(0.02)
        assert found[0].command.isprintable()
        assert "\\x1b[31mred\\nline" in found[0].command
        assert len(found[0].command) == 300
    finally:
        process.kill()
        process.wait()


def _as_nobody(work: Callable[[], str]) -> str:
    """What `work` returns in a process of the user nobody."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.write(writing, work().encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_user_sees_whose_port_it_is_but_not_the_process() -> None:
    with listening(saying(OK)) as port:
        seen = _as_nobody(lambda: repr([(one.user, one.pid, one.command) for one in listeners() if one.port == port]))
    assert seen == "[('root', 0, '')]"


@pytest.mark.parametrize(
    ("host", "addresses", "expected"),
    [
        ("127.0.0.1", ["127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", ["0.0.0.0"], "0.0.0.0"),
        ("127.0.0.1", ["::"], "::"),
        ("127.0.0.1", ["::", "0.0.0.0", "127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", ["127.0.0.2", "::1"], ""),
        ("::1", ["0.0.0.0"], ""),
        ("::1", ["::"], "::"),
    ],
)
def test_who_gets_the_connections(host: str, addresses: list[str], expected: str) -> None:
    known = [Listener(address, 8097) for address in addresses] + [Listener(host, 1), Listener(path="/x")]
    found = listener_at((host, 8097), known)
    assert (found.address if found else "") == expected


def test_the_user_of_a_number_without_name() -> None:
    assert [Listener(uid=uid).user for uid in (0, -1, 3_999_999)] == ["root", "", "3999999"]


# what answers


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
        threading.Thread(target=_accept, args=(server, saying(OK)), daemon=True).start()
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


def test_which_addresses_are_of_this_machine() -> None:
    assert [is_here((host, 80)) for host in ("127.0.0.1", "127.8.8.8", "::1", "192.0.2.1")] == [True, True, True, False]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback's")
        assert is_here((route.getsockname()[0], 80))


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"", "it closes the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nServer: x\r\n", "it closes the connection without an answer"),
        (b"RFB 003.008\n", "its answer is not HTTP: 'RFB 003.008'"),
        (b"SSH-2.0-x\x1b[31m\r\n", "its answer is not HTTP: 'SSH-2.0-x\\x1b[31m'"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "its headers have more than 65,536 bytes"),
        (b"HTTP/1.1 what\r\n\r\n", "its answer is not HTTP: 'HTTP/1.1 what'"),
    ],
)
def test_an_answer_that_is_none(said: bytes, problem: str) -> None:
    with listening(saying(said)) as port:
        seen = probe(link(port), SITE)
    assert (seen.listening, seen.answers, seen.status, seen.milliseconds) == (True, False, 0, None)
    assert seen.problem == problem


def test_lines_may_end_as_simple_servers_end_them() -> None:
    with listening(saying(b"HTTP/1.0 204 No\nServer: x\nServer: y\n\n")) as port:
        reply = ask(("127.0.0.1", port), "/", {})
    assert (reply.status, reply.headers) == (204, {"server": "x\ny"})


def test_a_reset_is_said_as_such() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with listening(serve) as port:
        assert probe(link(port), SITE).problem == "connection reset"


def test_nobody_keeps_the_probe_waiting() -> None:
    """Not who says nothing, nor who goes on and on, a byte or a header at a time."""
    over = threading.Event()

    def endless(piece: bytes) -> Server:
        def serve(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n" if piece else b"")
            while not over.wait(0.05):
                connection.sendall(piece)

        return serve

    def look(piece: bytes) -> tuple[Probe, float]:
        with listening(endless(piece)) as port:
            started = time.monotonic()
            return probe(link(port), SITE), time.monotonic() - started

    with concurrent.futures.ThreadPoolExecutor() as pool:
        found = list(pool.map(look, [b"", b"x", b"X: y\r\n"]))
    over.set()
    for seen, seconds in found:
        assert (seen.listening, seen.answers, seen.problem) == (True, False, "no answer within 2 s")
        assert 1.9 < seconds < 60


def test_a_body_that_never_ends_costs_its_time_and_no_more() -> None:
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.wait(0.05):
            connection.sendall(b"x")

    started = time.monotonic()
    with listening(serve) as port:
        assert probe(link(port), SITE, seconds=60).answers
        reply = ask(("127.0.0.1", port), "/", {}, body_bytes=1000, seconds=2)
    over.set()
    assert time.monotonic() - started < 40, "1000 bytes are there after 50 s"
    assert reply.status == 200
    assert re.fullmatch(b"x+", reply.body)


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nshort", b"short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nshort", b"short"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 9000, b"x" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nnonsense\r\n", b"ab"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n" + b"f" * 500 + b"\r\ncd", b"abcd"),
    ],
)
def test_bodies(said: bytes, body: bytes) -> None:
    with listening(saying(said)) as port:
        assert ask(("127.0.0.1", port), "/", {}, body_bytes=1000).body == body


def test_a_megabyte_of_tiny_chunks_takes_no_longer_than_another() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with listening(saying(head + b"1\r\nx\r\n" * 170_000)) as port:
        started = time.thread_time()
        assert len(ask(("127.0.0.1", port), "/", {}, body_bytes=2**20, seconds=60).body) == 170_000
    assert time.thread_time() - started < 3


@pytest.mark.parametrize(
    "said", [OK, OK.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"\r\n0\r\n\r\n"]
)
def test_who_keeps_the_connection_open_is_not_waited_for(said: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        saying(said.replace(b"\r\n\r\nok", b"\r\n\r\n2\r\nok") if b"chunked" in said else said)(connection)
        connection.recv(1)

    started = time.monotonic()
    with listening(serve) as port:
        assert ask(("127.0.0.1", port), "/", {}, body_bytes=1000, seconds=100).body == b"ok"
    assert time.monotonic() - started < 60


def test_a_websocket_is_closed_in_its_own_words() -> None:
    received: list[object] = []
    gone = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        received.append(connection.recv(100))
        received.append(gone.wait(0.3))
        connection.sendall(b"\x88\0")

    with listening(serve) as port:
        assert ask(("127.0.0.1", port), "/ws", {"Upgrade": "websocket"}, seconds=60).status == 101
        gone.set()
    assert received == [b"\x88\x80\0\0\0\0", False], "nobody waits for the server's last word"


# TLS


def tls(context: ssl.SSLContext, refusal: bytes = b"") -> Server:
    """A server that takes TLS only, and says `refusal` to everything else."""

    def serve(connection: socket.socket) -> None:
        if refusal and connection.recv(1, socket.MSG_PEEK) != b"\x16":
            saying(refusal)(connection)
            return
        with context.wrap_socket(connection, server_side=True) as stream:
            stream.recv(65536)
            stream.sendall(OK)

    return serve


@pytest.mark.parametrize("refusal", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["mute", "polite"])
def test_a_tool_that_speaks_tls(certificate: ssl.SSLContext, refusal: bytes) -> None:
    with listening(tls(certificate, refusal)) as port:
        seen = probe(link(port), SITE)
    assert (seen.listening, seen.answers, seen.status, seen.problem) == (True, False, 0, "it speaks TLS")


def test_tls_that_wants_another_client_is_tls(certificate: ssl.SSLContext) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("PSK")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with listening(tls(context)) as port:
        assert speaks_tls(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("name", "verify", "problem"),
    [
        ("tool", True, ""),
        ("other", True, "its certificate is not trusted: Hostname mismatch, certificate is not valid for 'other'."),
        ("other", False, ""),
        ("127.0.0.1", False, ""),
    ],
)
def test_a_link_with_https(
    certificate: ssl.SSLContext, names: dict[str, list[str]], name: str, verify: bool, problem: str
) -> None:
    names[name] = ["127.0.0.1"]
    site = {**SITE, "backend_ca": str(CERTIFICATES[certificate])}
    with listening(tls(certificate)) as port:
        seen = probe(link(port, name, scheme="https", verify=verify), site)
        assert (seen.listening, seen.answers, seen.problem) == (True, not problem, problem)
        strange = probe(link(port, "tool", scheme="https"), SITE)
    if name == "tool":
        assert strange.problem == "its certificate is not trusted: self-signed certificate"


def test_a_link_with_https_to_what_speaks_none(names: dict[str, list[str]]) -> None:
    names["tool"] = ["127.0.0.1"]
    with listening(saying(OK)) as port:
        assert probe(link(port, "tool", scheme="https"), SITE).problem == "it does not use TLS"
        missing = {**SITE, "backend_ca": "/nowhere"}
        problem = "the gateway's file of CA certificates is missing"
        assert probe(link(port, "tool", scheme="https"), missing).problem == problem
    assert probe(link(port, "tool", scheme="https"), SITE).problem == "connection refused"


def test_plain_http_is_not_tls() -> None:
    with listening(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        assert not speaks_tls(("127.0.0.1", port))
        seen = probe(link(port), SITE)
    assert (seen.answers, seen.status, seen.problem) == (True, 400, "")
    assert not speaks_tls(("127.0.0.1", free_port()))


# and the rest


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


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://gate:1234", ("http", "gate:1234")),
        ("https://gate.example/", ("https", "gate.example")),
        ("http://[::1]:80", ("http", "[::1]:80")),
        ("", ("http", "localhost")),
    ],
)
def test_the_parts_of_the_site(url: str, expected: tuple[str, str]) -> None:
    assert split_url(url) == expected


def test_the_import_is_cheap() -> None:
    code = (
        "import sys; from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose import doctor;"
        "print(*{'http.client', 'urllib.parse', 'html.parser', 'ssl', 'subprocess'} & sys.modules.keys())"
    )
    environment = {**os.environ, "PYTHONPATH": str(COLLECTION / "collections")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "\n"
