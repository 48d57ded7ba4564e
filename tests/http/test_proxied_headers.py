"""What passes between client and backend: no password inwards, nothing outwards that reaches other users' pages."""

from __future__ import annotations

import urllib.parse

import pytest
from conftest import Backends
from rig import ALICE, BOB, Rig, basic

LINKS = pytest.mark.parametrize("link", ["echo", "keep"])


def say(link: str, *headers: str, status: int = 200) -> str:
    """The path at which a backend answers with these headers."""
    asked = [("status", str(status)), *(("header", line) for line in headers)]
    return f"/alice/{link}/?{urllib.parse.urlencode(asked)}"


@LINKS
@pytest.mark.parametrize("spelling", ["Authorization", "authorization", "AUTHORIZATION"])
def test_no_backend_sees_a_password(gate: Rig, backends: Backends, link: str, spelling: str) -> None:
    for method in ("GET", "POST", "HEAD"):
        assert gate.get(f"/alice/{link}/", method=method, headers={spelling: basic(ALICE)}).status == 200
    gate.get("/alice/-/status/" + link, ALICE)
    assert [request.header("Authorization") for request in backends.alice.seen] == [None] * 4


def test_two_passwords_in_one_request_are_refused_or_checked(gate: Rig, backends: Backends) -> None:
    """Whichever of them counts, the same one is checked and remembered."""
    wrong, right = ("alice", "nonsense"), ALICE
    assert gate.raw("/alice/echo/", wrong, f"Authorization: {basic(right)}").status in (400, 401)
    assert gate.get("/alice/echo/", wrong).status == 401
    assert gate.raw("/alice/echo/", None, f"Authorization: {basic(right)}").status == 200
    assert all(request.header("Authorization") is None for request in backends.alice.seen)


@LINKS
@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Prefix",
        "X-Forwarded-Port",
        "X-Forwarded-User",
        "X-Real-IP",
        "X-Vizgate-User",
        "X-Script-Name",
        "X-Scheme",
        "Forwarded",
        "Proxy",
    ],
)
def test_no_client_speaks_for_the_gateway(gate: Rig, backends: Backends, link: str, name: str) -> None:
    assert gate.get(f"/alice/{link}/", ALICE, headers={name: "forged", "Host": "gate:1"}).status == 200
    told = {key.lower(): value for key, value in backends.alice.seen[0].headers}
    assert "forged" not in told.values()
    assert {key: told[f"x-forwarded-{key}"] for key in ("for", "proto", "host", "prefix")} == {
        "for": "127.0.0.1",
        "proto": "http",
        "host": "gate:1",
        "prefix": f"/alice/{link}/",
    }
    assert (told["x-real-ip"], told["host"]) == ("127.0.0.1", "gate:1")


@pytest.mark.parametrize(
    "header", ["X-Vizgate-User: alice", "X_Vizgate_User: alice", "X-Vizgate-User:alice\r\nX-Vizgate-User: alice"]
)
def test_no_client_chooses_the_password_file(gate: Rig, header: str) -> None:
    assert gate.raw("/bob/echo/", ALICE, header).status == 401
    assert gate.raw("/bob/echo/", BOB, header).status == 200


@LINKS
@pytest.mark.parametrize(
    ("place", "becomes"),
    [
        ("/", "{prefix}/"),
        ("/login?next=/", "{prefix}/login?next=/"),
        ("{prefix}/login", "{prefix}/login"),
        ("{prefix}", "{prefix}"),
        ("{prefix}?a=1", "{prefix}?a=1"),
        ("http://gate:1/login", "{prefix}/login"),
        ("http://gate:1{prefix}/login", "{prefix}/login"),
        ("http://127.0.0.1:{port}/login", "{prefix}/login"),
        ("http://127.0.0.1:{port}{prefix}/login", "{prefix}/login"),
        ("login", "login"),
        ("../up", "../up"),
        ("?q", "?q"),
        ("https://example.org/login", "https://example.org/login"),
        ("//example.org/login", "//example.org/login"),
    ],
)
def test_redirects_stay_below_the_link(gate: Rig, backends: Backends, link: str, place: str, becomes: str) -> None:
    prefix, port = f"/alice/{link}", backends.alice.port
    place, becomes = place.format(prefix=prefix, port=port), becomes.format(prefix=prefix)
    path = say(link, f"Location: {place}", f"Refresh: 5; url={place}", status=302)
    answer = gate.get(path, ALICE, headers={"Host": "gate:1"})
    assert (answer.status, answer.all("Location"), answer.all("Refresh")) == (302, [becomes], [f"5; url={becomes}"])


@pytest.mark.parametrize("place", ["/-/index", "/-/password", "/-/error", "/bob/echo/", "/alice/keep/", "@any"])
@pytest.mark.parametrize("status", [200, 404, 503])
def test_no_backend_sends_nginx_elsewhere(gate: Rig, backends: Backends, place: str, status: int) -> None:
    answer = gate.get(say("echo", f"X-Accel-Redirect: {place}", status=status), ALICE)
    assert (answer.status, answer.backend, answer.all("X-Accel-Redirect")) == (status, "alice's", [])
    assert (len(backends.alice.seen), backends.bob.seen) == (1, [])


def test_no_backend_sets_the_charset(gate: Rig) -> None:
    answer = gate.get(say("echo", "X-Accel-Charset: utf-8", "Content-Type: text/plain"), ALICE)
    assert (answer.all("Content-Type"), answer.all("X-Accel-Charset")) == (["text/plain"], [])


@LINKS
@pytest.mark.parametrize(
    "header",
    [
        "Service-Worker-Allowed: /",
        'Clear-Site-Data: "*"',
        'Alt-Svc: h2="elsewhere:443"',
        "Strict-Transport-Security: max-age=31536000; includeSubDomains",
        'NEL: {"report_to": "x", "max_age": 9}',
        'Report-To: {"group": "x", "max_age": 9, "endpoints": [{"url": "https://example.org"}]}',
        "Accept-CH: Sec-CH-UA-Model",
        "Origin-Agent-Cluster: ?1",
        "X-Accel-Redirect: /",
    ],
)
def test_no_backend_speaks_for_the_whole_origin(gate: Rig, link: str, header: str) -> None:
    answer = gate.get(say(link, header, "X-Own: stays"), ALICE)
    assert (answer.all(header.partition(":")[0]), answer.all("X-Own")) == ([], ["stays"])


@LINKS
@pytest.mark.parametrize("status", [204, 304, 400, 401, 404, 418, 429, 500, 502, 503])
def test_a_backends_own_errors_pass_unchanged(gate: Rig, link: str, status: int) -> None:
    answer = gate.get(say(link, "X-Own: stays", status=status), ALICE)
    assert (answer.status, answer.all("X-Own")) == (status, ["stays"])


@LINKS
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_method_and_body_pass(gate: Rig, link: str, method: str) -> None:
    body = bytes(range(256)) * 300 if method in ("POST", "PUT") else None
    answer = gate.get(f"/alice/{link}/", ALICE, method=method, body=body)
    assert answer.status == 200
    if method != "HEAD":
        assert (answer.json()["method"], answer.json()["bytes"]) == (method, len(body or b""))
