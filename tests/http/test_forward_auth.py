"""Signing in by a service: whom it names sees their own pages, and nothing that goes wrong opens any."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
import websockets.exceptions
import websockets.sync.client
from conftest import Backends
from rig import ALICE, Answer, Rig, basic, eventually, free_port
from sign_in import BASE, COOKIE, Service

BROWSER = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class Site:
    """A gateway where one signs in by the service."""

    def __init__(self, rig: Rig, service: Service) -> None:
        self.rig, self.service = rig, service

    def get(self, path: str, visitor: str = "", **headers: str) -> Answer:
        """One request of a visitor who has signed in, or has not."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if visitor:
            sent["Cookie"] = "; ".join(filter(None, [sent.get("Cookie", ""), f"{COOKIE}=of-{visitor}"]))
        return self.rig.get(path, headers=sent)


@pytest.fixture(scope="module")
def built_site(backends: Backends) -> Iterator[Site]:
    users = {
        "alice": {
            "links": [{"name": "echo", "port": backends.alice.port}, {"name": "ws", "port": backends.websocket.port}],
            "logins": [
                {"name": name, "password": ALICE[1]}
                for name in ("alice", "guest", "carol@example.org", "robot", "tail")
            ],
        },
        "bob": {"links": [{"name": "echo", "port": backends.bob.port}]},
    }
    with (
        contextlib.closing(Service()) as service,
        Rig.temporary(
            users,
            gateway_auth="forward",
            gateway_forward_auth_url=f"http://127.0.0.1:{service.port}{BASE}/auth",
            gateway_forward_auth_domain="lab.example",
        ) as rig,
    ):
        rig.build()
        yield Site(rig, service)


@pytest.fixture
def site(built_site: Site, backends: Backends) -> Iterator[Site]:
    """The gateway, its service as it is meant to be."""
    for backend in (backends.alice, backends.bob):
        backend.seen.clear()
    built_site.service.asked.clear()
    yield built_site
    built_site.service.answer = None


@pytest.mark.parametrize(
    ("visitor", "path", "status"),
    [
        ("alice", "/alice/echo/", 200),
        ("alice", "/alice/", 200),
        ("bob", "/bob/echo/", 200),
        ("alice@lab.example", "/alice/echo/", 200),
        # by the names of alice's logins
        ("guest", "/alice/echo/", 200),
        ("guest@lab.example", "/alice/echo/", 200),
        ("carol@example.org", "/alice/echo/", 200),
        # and nobody else
        ("bob", "/alice/echo/", 403),
        ("bob", "/alice/", 403),
        ("bob", "/alice/-/status/echo", 403),
        ("alice", "/bob/echo/", 403),
        ("guest", "/bob/echo/", 403),
        ("carol", "/alice/echo/", 403),
        ("alice@elsewhere.example", "/alice/echo/", 403),
        ("alice@lab.example@lab.example", "/alice/echo/", 403),
        ("Alice", "/alice/echo/", 403),
        (".*", "/alice/echo/", 403),
        # what is no name is nobody's, whatever stands behind it
        ("@lab.example", "/alice/echo/", 403),
        ("@lab.example", "/bob/echo/", 403),
        ("@", "/alice/echo/", 403),
        ("@alice@lab.example", "/alice/echo/", 403),
        ("alice@", "/alice/echo/", 403),
        ("alice@lab.example@", "/alice/echo/", 403),
        ("alice@LAB.example", "/alice/echo/", 403),
        ("carol@example.org@lab.example", "/alice/echo/", 403),
        ("a" * 300 + "@lab.example", "/alice/echo/", 403),
        ("alice", "/nobody/", 403),
        ("nobody", "/nobody/", 404),
        ("banned", "/alice/echo/", 403),
        ("", "/alice/echo/", 401),
        ("", "/nobody/", 401),
    ],
)
def test_who_sees_what(site: Site, backends: Backends, visitor: str, path: str, status: int) -> None:
    for _ in range(3):
        answer = site.get(path, visitor)
        assert answer.status == status
        assert not answer.all("WWW-Authenticate"), "no browser may ask for a password that nobody checks"
    if status != 200:
        assert not backends.alice.seen + backends.bob.seen


def test_the_log_says_whose_page_a_visitor_of_it_has_asked_from(site: Site) -> None:
    """The service knows who has asked for what is outside of the page's link; what others make up is nobody's."""
    referer = {"Referer": f"http://127.0.0.1:{site.rig.port}/alice/echo/"}
    for visitor, path in (("guest", "/static/guest"), ("bob", "/static/bob"), ("", "/static/stranger")):
        assert site.get(path, visitor, **referer).status == 403
    log = site.rig.root / "var/log/nginx/vizgate.jsonl"
    eventually(lambda: log.read_text().count('"path":"/static/') == 3)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    concerns = {line["path"]: line["concerns"] for line in lines if line["path"].startswith("/static/")}
    assert concerns == {"/static/guest": "alice/echo", "/static/bob": "", "/static/stranger": ""}


def test_a_name_is_one_word(site: Site) -> None:
    for name in (b"robot tail", b"alice guest", b"alice\xc3\xa9", b"alice, bob", b"alice,", b"alice\tbob"):
        site.service.answer = b"HTTP/1.1 200 OK\r\nX-Auth-Request-User: " + name + b"\r\n\r\n"
        assert site.get("/alice/echo/", "alice").status == 403


def test_what_the_service_is_told(site: Site) -> None:
    site.get(
        "/alice/echo/a%2Fb?c=d", "alice", Authorization="Bearer x", Host="evil.example", X_Forwarded_For="10.9.9.9"
    )
    asked = site.service.asked[-1]
    assert (asked.method, asked.target) == ("GET", f"{BASE}/auth")
    place = f"gate:{site.rig.port}"
    assert {
        name: asked.header(name) for name in ("Host", "X-Original-URL", "X-Forwarded-Uri", "X-Original-Method")
    } == {
        "Host": place,
        "X-Original-URL": f"http://{place}/alice/echo/a%2Fb?c=d",
        "X-Forwarded-Uri": "/alice/echo/a%2Fb?c=d",
        "X-Original-Method": "GET",
    }
    assert (asked.header("Cookie"), asked.header("Authorization")) == (f"{COOKIE}=of-alice", "Bearer x")
    assert asked.header("X-Forwarded-For") == "127.0.0.1"


def test_programs_sign_in_without_cookies(site: Site) -> None:
    assert site.get("/alice/echo/", Authorization="Bearer robot").status == 200
    assert site.get("/alice/echo/", Authorization="Bearer other").status == 401
    # which is a password that is right, and asked of nobody
    assert site.get("/alice/echo/", Authorization=basic(ALICE)).status == 401


def test_nothing_is_remembered(site: Site) -> None:
    for _ in range(6):
        assert site.get("/alice/echo/", "alice").status == 200
        assert site.get("/alice/echo/").status == 401
    assert len(site.service.asked) == 12
    site.service.answer = b"HTTP/1.1 401 Unauthorized\r\n\r\n"
    assert [site.get("/alice/echo/", "alice").status for _ in range(6)] == [401] * 6


def test_neither_service_nor_clients_are_believed_by_backends(site: Site, backends: Backends) -> None:
    first = site.get("/alice/echo/?header=Set-Cookie:+own=1", "alice")
    own = first.all("Set-Cookie")[0].partition(";")[0]
    cookies = f"a=1; {COOKIE}_1=x; {COOKIE}_csrf_abc=y; authelia_session=z; vizgate_x=2; {own}; c=3"
    answer = site.get(
        "/alice/echo/", "alice", Cookie=cookies, X_Auth_Request_User="bob", X_Forwarded_User="bob", Remote_User="bob"
    )
    assert answer.status == 200
    request = backends.alice.seen[-1]
    assert request.header("Cookie") == "own=1"
    assert [request.header(name) for name in ("X-Auth-Request-User", "X-Forwarded-User", "Remote-User")] == [None] * 3
    assert site.get("/alice/echo/", "alice").status == 200
    assert backends.alice.seen[-1].header("Cookie") is None, "nothing is left of it"


def test_clients_do_not_name_themselves(site: Site) -> None:
    assert site.get("/alice/echo/", X_Auth_Request_User="alice").status == 401
    assert site.get("/alice/echo/", "bob", X_Auth_Request_User="alice").status == 403
    assert site.service.asked[-1].header("X-Auth-Request-User") is None


def test_a_browser_is_sent_to_sign_in_and_comes_back(site: Site) -> None:
    answer = site.get("/alice/echo/a?b=c&d", **BROWSER)
    assert answer.status == 302
    assert answer.all("Cache-Control") == ["no-store"]
    (there,) = answer.all("Location")
    assert there == f"{BASE}/start?rd=%2Falice%2Fecho%2Fa%3Fb%3Dc%26d"
    answer = site.get(there)
    assert (answer.status, answer.all("Location")) == (302, ["/alice/echo/a?b=c&d"])
    (cookie,) = answer.all("Set-Cookie")
    assert site.get("/alice/echo/a", Cookie=cookie.partition(";")[0]).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "*/*"},
        {"Accept": "text/html", "X-Requested-With": "XMLHttpRequest"},
        {**BROWSER, "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {**BROWSER, "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_others_are_told(site: Site, headers: dict[str, str]) -> None:
    answer = site.get("/alice/echo/", **headers)
    assert (answer.status, answer.all("Location")) == (401, [])
    assert "Log in" in answer.text


def test_nobody_is_sent_away_from_the_site(site: Site) -> None:
    headers = [f"{name}: {value}" for name, value in BROWSER.items()]
    for target in ("//evil.example/alice/echo/", "/%2Fevil.example/", "//alice/echo/"):
        answer = site.rig.raw(target, None, *headers)
        assert not any("evil" in place and "rd=%2F%2F" in place for place in answer.all("Location"))
        assert answer.status in (401, 404)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Auth-Request-User: \r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Auth-Request-User: alice\r\nX-Auth-Request-User: bob\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Auth-Request-User: alice\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Filler: " + b"x" * 100_000 + b"\r\nX-Auth-Request-User: alice\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\n\r\nX-Auth-Request-User: alice\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nX-Auth-Request-User: alice\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nX-Auth-Request-User: alice\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\nX-Auth-Request-User: alice\r\n\r\n",
        b"X-Auth-Request-User: alice\r\nHTTP/1.1 200 OK\r\n\r\n",
        # line breaks that are none to some, and lines that go on
        b"HTTP/1.1 202 Accepted\r\nX: y\nX-Auth-Request-User: alice\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX: y\rX-Auth-Request-User: alice\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Auth-Request-User: alice\r\n bob\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Auth-Request-User: alice\r\nx-auth-request-USER: bob\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Auth-Request-User: alice\0\r\n\r\n",
        b"HTTP/1.1 2020 Accepted\r\nX-Auth-Request-User: alice\r\n\r\n",
    ],
)
def test_a_service_that_fails_opens_nothing(site: Site, backends: Backends, said: bytes) -> None:
    site.service.answer = said
    answer = site.get("/alice/echo/", "alice")
    assert answer.status in ((403, 503) if b"User: \r\n" in said else (503,))
    assert not backends.alice.seen


@pytest.mark.parametrize(("said", "status"), [(b"HTTP/1.0 204 No Content\nx", 503), (None, 200)])
def test_headers_in_any_case(site: Site, said: bytes | None, status: int) -> None:
    site.service.answer = said or b"HTTP/1.0 204 No Content\r\nx-AUTH-request-user:alice \r\nB: c\r\n\r\n"
    assert site.get("/alice/echo/", "alice").status == status


def test_websockets_sign_in_too(site: Site) -> None:
    url = f"ws://127.0.0.1:{site.rig.port}/alice/ws/x"
    cookie = {"Cookie": f"{COOKIE}=of-alice"}
    with websockets.sync.client.connect(url, additional_headers=cookie, proxy=None) as client:
        assert client.recv(60) == "/x"
    with pytest.raises(websockets.exceptions.InvalidStatus, match="401"):
        websockets.sync.client.connect(url, additional_headers=BROWSER, proxy=None)


def test_the_services_pages_are_its_own(site: Site) -> None:
    claims = dict.fromkeys(("X_Auth_Request_User", "X_Forwarded_Email", "X_Remote_User", "X_Original_URL"), "alice")
    told = site.get(f"{BASE}/told", **claims, X_Forwarded_For="10.9.9.9")
    assert told.status == 200
    assert "alice" not in told.text
    assert "('X-Forwarded-For', '127.0.0.1')" in told.text
    assert site.get("/-/other/told").status == 404


def test_the_services_own_pages_have_long_heads(site: Site) -> None:
    """Sessions are cookies, often several of 4 kB each."""
    assert [site.get(f"{BASE}/long?{size}").status for size in (3000, 9000, 31000)] == [200] * 3
    assert site.get(f"{BASE}/start?rd=/", Cookie="x" * 31000).status == 302


def test_a_service_that_is_away(site: Site, backends: Backends) -> None:
    port = site.service.port
    site.service.close()
    try:
        answers = [site.get("/alice/echo/", "alice") for _ in range(3)]
        assert [answer.status for answer in answers] == [503] * 3
        # the quickest: on a busy machine any of them may be late
        assert min(answer.seconds for answer in answers) < 3
        assert site.get(f"{BASE}/start?rd=/").status == 503
    finally:
        site.service.open(port)
    eventually(lambda: site.get("/alice/echo/", "alice").status == 200)


STRANGER = """
import os, socket, sys
os.setuid(4711)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listens", flush=True)
while True:
    connection = listener.accept()[0]
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 202 Accepted\\r\\nX-Auth-Request-User: alice\\r\\nContent-Length: 0\\r\\n\\r\\n")
    connection.close()
"""


@pytest.mark.skipif("os.getuid() != 0", reason="only root can be somebody else")
def test_somebody_on_the_services_port_is_not_believed(site: Site, backends: Backends) -> None:
    port = site.service.port
    site.service.close()
    stranger = subprocess.Popen([sys.executable, "-c", STRANGER, str(port)], stdout=subprocess.PIPE, text=True)
    try:
        assert stranger.stdout
        assert stranger.stdout.readline() == "listens\n"
        with socket.create_connection(("127.0.0.1", port), 5) as direct:
            direct.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b"alice" in direct.recv(4096)
        assert [site.get("/alice/echo/").status for _ in range(6)] == [503] * 6
        assert site.get(f"{BASE}/start?rd=/").status == 503
        assert not backends.alice.seen
    finally:
        stranger.kill()
        stranger.wait()
        site.service.open(port)
    eventually(lambda: site.get("/alice/echo/", "alice").status == 200)


@pytest.mark.parametrize(
    "variables",
    [
        {"gateway_forward_auth_url": "https://127.0.0.1:1/x"},
        {"gateway_forward_auth_url": "http://localhost:4180/x"},
        {"gateway_forward_auth_prefix": "/alice/"},
        {"gateway_forward_auth_signin": 'x"y'},
        {"gateway_auth": "pam"},
        {"gateway_url_style": "subdomain", "gateway_public_url": "https://gate.example"},
    ],
)
def test_nonsense_is_refused_before_anything_is_touched(variables: dict[str, object]) -> None:
    url = f"http://127.0.0.1:{free_port()}/auth"
    with Rig.temporary({}, **{"gateway_auth": "forward", "gateway_forward_auth_url": url, **variables}) as rig:
        done = rig.run("ansible-playbook", "-i", str(rig.inventory), "playbooks/site.yml")
        assert done.returncode != 0
        assert "gateway_" in done.stdout + done.stderr
        assert not rig.root.exists()
