"""The logs: what stands in them, what never does, that no visitor writes lines of their own, and that they can be rotated."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from backends import Handler, Request
from conftest import Backends
from rig import ALICE, BOB, Rig, eventually

VISIT = "Upgrade-Insecure-Requests: 1"
"""What browsers send with a visit, which may come from anywhere."""
ACCESS, LOGINS, ERRORS = "vizgate.jsonl", "vizgate-logins.jsonl", "error.log"
FIELDS = [
    "time", "address", "user", "link", "login", "method", "path", "status", "bytes", "seconds", "upstream",
    "connect_seconds", "header_seconds", "response_seconds", "upgrade", "tls", "id", "referer",
]  # fmt: skip
EXTRA = ["problem", "concerns"]
"""What lines of the gateway's own error pages have besides."""
ERROR_LINE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]+\] \d+#\d+: ")


class Logs:
    """What the gateway writes from now on."""

    def __init__(self, gate: Rig) -> None:
        self.gate, self.folder = gate, gate.root / "var/log/nginx"
        self._marks = 0
        self._start = {name: (self.folder / name).stat().st_size for name in (ACCESS, LOGINS, ERRORS)}

    def raw(self, name: str = ACCESS) -> bytes:
        """What has come, byte by byte; lines come after their answers, so a last request is waited for."""
        self._marks += 1
        mark = f"/mark{self._marks}".encode()
        self.gate.get(mark.decode(), source="127.0.250.1")
        eventually(lambda: b'"path":"' + mark in self._read(ACCESS))
        self.gate.write_logs()  # other workers' lines
        return b"".join(line for line in self._read(name).splitlines(True) if b'"127.0.250.1"' not in line)

    def _read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()[self._start[name] :]

    def lines(self, name: str = ACCESS) -> list[dict[str, Any]]:
        """What has come, line by line."""
        return [json.loads(line.decode(errors="replace")) for line in self.raw(name).splitlines()]


@pytest.fixture
def logs(gate: Rig, warm: None) -> Logs:
    """The logs from the beginning of the test on."""
    found = Logs(gate)
    found.raw()  # what others have caused is there by now
    return Logs(gate)


def test_a_request_is_one_line_with_user_link_upstream_and_times(gate: Rig, backends: Backends, logs: Logs) -> None:
    for _ in range(2):
        gate.get("/alice/echo/some/page?token=hidden", ALICE, method="POST", body=b"x" * 10)
    first, line = logs.lines()
    assert list(line) == FIELDS
    assert {key: line[key] for key in FIELDS[1:8]} == {
        "address": "127.0.0.1",
        "user": "alice",
        "link": "echo",
        "login": "alice",
        "method": "POST",
        "path": "/alice/echo/some/page",
        "status": 200,
    }
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", line["time"])
    assert line["bytes"] > 50
    assert 0 <= line["seconds"] < 5
    assert line["upstream"] == f"127.0.0.1:{backends.alice.port}"
    for name in ("connect_seconds", "header_seconds", "response_seconds"):
        assert re.fullmatch(r"\d\.\d{3}", line[name])
    assert (line["upgrade"], line["tls"]) == ("", "")
    assert re.fullmatch(r"\d+-\d+", line["id"])
    assert line["id"] != first["id"]


def test_what_the_gateway_answers_itself_is_logged_as_well(gate: Rig, logs: Logs) -> None:
    worker = gate.connect()
    for path in ("/alice/", "/alice/nolink/", "/alice/echo", "/alice/-/status/echo", "/alice/dead/", "/nothing"):
        gate.get(path, ALICE, over=worker)
    gate.get("/alice/echo/", over=worker)
    worker.close()
    found = [(line["user"], line["link"], line["login"], line["path"], line["status"]) for line in logs.lines()]
    assert found == [
        ("alice", "", "alice", "/alice/", 200),
        ("alice", "", "alice", "/alice/nolink/", 404),
        ("alice", "", "alice", "/alice/echo", 302),
        ("alice", "", "alice", "/alice/-/status/echo", 200),
        ("alice", "dead", "alice", "/alice/dead/", 502),
        ("nothing", "", "", "/nothing", 401),
        ("alice", "", "", "/alice/echo/", 401),
    ]


def test_what_was_asked_for_in_vain_is_logged_with_the_page_of_the_same_user(gate: Rig, logs: Logs) -> None:
    """Without its query; the pages of others, and other sites, are nobody's business."""
    worker = gate.connect()
    site = f"http://127.0.0.1:{gate.port}"
    pages = {
        "/alice/dead/x.js": (f"{site}/alice/echo/page?token=hidden#part", f"{site}/alice/echo/page"),
        "/alice/nolink/": (f"{site}/alice/", f"{site}/alice/"),
        "/alice/dead/": (f"{site}/bob/secret/", ""),
        "/alice/dead/1": (f"{site}/alicette/secret/", ""),
        "/alice/dead/2": ("http://elsewhere/alice/echo/", ""),
        "/alice/dead/3": ("", ""),
        # what works is not
        "/alice/echo/": (f"{site}/alice/echo/page", ""),
    }
    for path, (referer, _) in pages.items():
        gate.get(path, ALICE, headers={"Referer": referer} if referer else {}, over=worker)
    worker.close()
    assert {line["path"]: line["referer"] for line in logs.lines()} == {
        path: referer for path, (_, referer) in pages.items()
    }


def test_an_error_page_says_what_was_wrong_and_whose_page_has_asked(gate: Rig, backends: Backends, logs: Logs) -> None:
    """Whose page has asked is said for who has passed a login, and as far as names go; tests/command/test_doctor.py has more."""

    def long(handler: Handler, _: Request) -> None:
        handler.send_response(200)
        handler.send_header("X-Long", "x" * 40000)
        handler.end_headers()

    backends.alice.answers["long"] = long
    site, worker = f"http://127.0.0.1:{gate.port}", gate.connect()
    referers = {
        "/static/app.js": f"{site}/alice/echo/page?token=hidden",
        "/static/1": f"{site}/alice/nolink/",
        "/static/2": f"{site}/alice/echo",
        "/static/3": f"{site}/alice/e%22cho/",
        "/static/4": f"{site}/alice/{'x' * 64}/",
        "/static/5": f"{site}/nobody/echo/",
        "/static/6": "http://elsewhere/alice/echo/",
        "/alice/echo/long": "",
    }
    gate.get("/alice/echo/", ALICE, over=worker)
    for path, referer in referers.items():
        gate.get(path, ALICE, headers={"Referer": referer}, over=worker)
    worker.close()
    good, *lines = logs.lines()
    assert list(good) == FIELDS
    assert [list(line) for line in lines] == [FIELDS + EXTRA] * len(referers)
    assert [(line["problem"], line["concerns"]) for line in lines] == [
        ("outside unmarked", "alice/echo"),
        ("outside unmarked", "alice/nolink"),
        *[("", "")] * 5,
        ("oversized", ""),
    ]


def test_a_websocket_is_logged_when_it_ends(gate: Rig, logs: Logs) -> None:
    with gate.websocket("/alice/ws/") as client:
        client.recv()
        assert logs.lines() == []
    (line,) = logs.lines()
    assert (line["upgrade"], line["status"], line["link"], line["login"]) == ("websocket", 101, "ws", "alice")


def test_no_log_has_a_credential(gate: Rig, logs: Logs) -> None:
    """Passwords, tokens in queries, cookies; also of requests that are refused, that lead nowhere, or that are none."""
    secret = "s3cr3t"
    headers = {
        **dict([VISIT.split(": ")]),
        "Cookie": f"t={secret}",
        "Referer": f"http://gate/alice/echo/?token={secret}",
        "X-Token": secret,
    }
    for path in ("/alice/echo/", "/alice/", "/alice/nolink/", "/nobody/", "/alice/echo", "//alice/echo/"):
        for login in (ALICE, ("alice", secret), None):
            gate.get(f"{path}?token={secret}&x", login, headers=headers, source=gate.address())
    gate.raw(f"/alice/echo/#token={secret}")
    gate.raw(f"http://alice:{secret}@gate/alice/echo/?token={secret}")
    gate.raw(f"/alice/echo/?a=b?token={secret}#token={secret}")
    for name in (ACCESS, LOGINS):
        text = logs.raw(name).decode()
        assert text.count("\n") >= 3
        for hidden in (secret, ALICE[1], base64.b64encode(f"alice:{secret}".encode()).decode()):
            assert hidden not in text


def test_a_login_is_told_only_when_it_has_passed(gate: Rig, logs: Logs) -> None:
    worker = gate.connect(gate.address())
    gate.get("/alice/echo/", ("bob", "is not alice"), over=worker)
    gate.get("/bob/echo/", ALICE, over=worker)
    gate.get("/bob/echo/", BOB, over=worker)
    worker.close()
    assert [(line["user"], line["login"], line["status"]) for line in logs.lines()] == [
        ("alice", "", 401),
        ("bob", "", 401),
        ("bob", "bob", 200),
    ]
    assert [(line["user"], line["login"], line["outcome"]) for line in logs.lines(LOGINS)] == [
        ("alice", "bob", "refused"),
        ("bob", "alice", "refused"),
    ]


PATHS = [
    b'/alice/echo/","user":"bob","x":"',
    b'/alice/echo/%22,%22user%22:%22bob%22',
    b"/alice/echo/\\\",\\\"user\\\":\\\"bob",
    b"/alice/echo/%0a%7B%22user%22:%22bob%22%7D",
    b"/alice/echo/%0d%0a%00%1b[2J",
    b"/alice/echo/\xff\xfe\xc3(\xe2\x80\xa8\xc2\x9b2J",
    b"/alice/echo/" + b"\xf0\x9f\x98\x80" * 500,
    b'/bob"/..%2f../alice/echo/',
    b'/","user":"bob","link":"echo"/',
    b"/bob%22/echo/",
]  # fmt: skip


@pytest.mark.parametrize("target", PATHS)
def test_no_address_forges_a_line(gate: Rig, logs: Logs, target: bytes) -> None:
    gate.raw(target)
    raw = logs.raw()
    assert raw.count(b"\n") == 1
    assert b'"user":"bob"' not in raw
    (line,) = logs.lines()
    assert list(line) == FIELDS + (EXTRA if line["status"] in (400, 401, 403, 404) else [])
    assert line["user"] in ("alice", "")
    assert line["path"] == (target.decode(errors="replace") if line["status"] != 400 else "")
    # neither would it be shown to bob, as bytes that a terminal obeys
    assert not any(byte < 32 for byte in raw[:-1])


LOGIN_NAMES = [
    b'","address"="198.51.100.1","outcome"="refused"',
    b'"}\n{"time":"2026-11-25T15:00:00+00:00","address":"198.51.100.1","outcome":"refused",',
    b"a\r\nb",
    b"\xff\xfe\x1b[2J",
    b"\\",
    b"",
    b"x" * 3000,
]


@pytest.mark.parametrize("name", LOGIN_NAMES, ids=lambda name: repr(name[:20]))
def test_no_login_forges_a_line(gate: Rig, logs: Logs, name: bytes) -> None:
    credential = base64.b64encode(name + b":wrong" + str(logs.folder).encode()).decode()
    gate.raw("/alice/echo/", None, f"Authorization: Basic {credential}", 'User-Agent: ","user":"bob"')
    raw = logs.raw(LOGINS)
    assert raw.count(b"\n") == 1
    assert not any(byte < 32 for byte in raw[:-1])
    (line,) = logs.lines(LOGINS)
    assert list(line) == ["time", "address", "network", "outcome", "user", "login"]
    assert (line["address"], line["outcome"], line["user"]) == ("127.0.0.1", "refused", "alice")
    assert line["login"] == name.decode(errors="replace").partition(":")[0]
    (line,) = logs.lines()
    assert (line["user"], line["login"], line["status"]) == ("alice", "", 401)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /\x01 HTTP/1.1\r\n\r\n",
        b"GET /alice/echo/ HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /alice/echo/\r\n",
        b"\x16\x03\x01\x02\x00\x01\n\r\n",
        b"GET /alice/echo/ HTTP/9.9\r\n\r\n",
        b'"GET", /"user":"bob" HTTP/1.1\r\n\r\n',
        b"GET " + b"/a" * 20000 + b" HTTP/1.1\r\n\r\n",
        b"GET /alice/echo/ HTTP/1.1\r\nHost: gate\r\nX: " + b"x" * 40000 + b"\r\n\r\n",
    ],
    ids=range(8),
)
def test_what_is_no_request_is_a_whole_line_or_none(gate: Rig, logs: Logs, request_: bytes) -> None:
    with gate.dial() as client:
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    for line in logs.lines():
        assert [field for field in line if field not in EXTRA] == FIELDS
        assert line["user"] in ("", "alice")
    assert logs.raw(ERRORS) == b""


def test_the_error_log_has_whole_sentences_and_no_others(gate: Rig, logs: Logs) -> None:
    hostile = [VISIT, "Referer: \x1b[2J\xff", 'User-Agent: "\n'.strip(), "X-Forwarded-For: 1.2.3.4"]
    gate.raw(b"/alice/dead/%0a2026/01/01%20[error]?a\\n", ALICE, *hostile)
    gate.raw("/alice/dead/", ALICE, VISIT, "Referer: 2026/01/01 00:00:00 [emerg] 1#1: all is lost")
    lines = logs.raw(ERRORS).decode(errors="replace").splitlines()
    assert len(lines) == 2
    assert all(ERROR_LINE.match(line) and "connect() failed" in line for line in lines)


def test_logs_are_not_for_everybody(gate: Rig) -> None:
    for name in (ACCESS, LOGINS):
        assert (gate.root / "var/log/nginx" / name).stat().st_mode & 0o777 == 0o640


@pytest.fixture
def rotate(gate: Rig, rendered_rule: str) -> Iterator[Callable[[], None]]:
    """Runs logrotate with the role's own rule, on this gateway's files and with its own way to have them opened anew."""
    logs = gate.root / "var/log/nginx"
    rule = gate.folder / "logrotate"
    reopen = f"{gate.root}/usr/local/lib/vizgate/bin/vizgate-rootless reopen"
    text = rendered_rule.replace("/var/log/nginx/", f"{logs}/").replace("www-data adm", "")
    assert "invoke-rc.d nginx rotate >/dev/null 2>&1" in text
    rule.write_text(text.replace("invoke-rc.d nginx rotate >/dev/null 2>&1", reopen))
    rule.chmod(0o644)

    def run() -> None:
        command = ["/usr/sbin/logrotate", "--force", "--state", str(gate.folder / "rotated"), str(rule)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")

    yield run
    for path in logs.glob("vizgate*.jsonl.*"):
        path.unlink()


@pytest.fixture(scope="session")
def rendered_rule() -> str:
    """The role's rule for logrotate, as it is on a whole host."""
    from ansible_collections.vizgate.gateway.tests.unit.support import rendered

    return rendered("logrotate.j2")


def test_nothing_is_lost_when_logs_are_rotated(gate: Rig, rotate: Callable[[], None]) -> None:
    folder = gate.root / "var/log/nginx"
    gate.get("/alice/echo/before", ALICE)
    eventually(lambda: "/alice/echo/before" in (folder / ACCESS).read_text(errors="replace"))
    rotate()
    new, old = folder / ACCESS, folder / f"{ACCESS}.1"
    assert "/alice/echo/before" in old.read_text(errors="replace")
    assert new.stat().st_mode & 0o777 == 0o640
    assert len(list(folder.glob("vizgate*.jsonl.1"))) == 2

    def arrives() -> bool:
        gate.get("/alice/echo/after", ALICE)
        return "/alice/echo/after" in new.read_text()

    eventually(arrives)
    gate.get("/alice/echo/last", ALICE)
    rotate()
    assert (folder / f"{ACCESS}.2.gz").exists(), "what nginx has let go of is packed"
    packed = subprocess.run(["zcat", folder / f"{ACCESS}.2.gz"], capture_output=True, check=True).stdout
    assert b"/alice/echo/before" in packed
