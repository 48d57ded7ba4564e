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
        "prefix": f"/alice/{link}",
    }
    assert (told["x-real-ip"], told["host"]) == ("127.0.0.1", "gate:1")


CLAIMS = [
    "Cf-Access-Authenticated-User-Email",
    "Cf-Connecting-IP",
    "Client-IP",
    "Forwarded",
    "Front-End-Https",
    "Impersonate-User",
    "Iv-User",
    "OIDC-Claim-Sub",
    "Proxy",
    "Remote-Addr",
    "Remote-Email",
    "Remote-Groups",
    "Remote-User",
    "Sm-User",
    "Ssl-Client-Cert",
    "Ssl-Client-Verify",
    "Tailscale-User-Login",
    "True-Client-IP",
    "X-Amzn-Oidc-Identity",
    "X-Auth-Request-Access-Token",
    "X-Auth-Request-Email",
    "X-Auth-User",
    "X-Authenticated-User",
    "X-Authentik-Username",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Consumer-Username",
    "X-Email",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Ssl",
    "X-Forwarded-Uri",
    "X-Forwarded-User",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-Iap-Jwt-Assertion",
    "X-Groups",
    "X-Ms-Client-Principal",
    "X-Ms-Client-Principal-Name",
    "X-Original-Forwarded-For",
    "X-Original-Method",
    "X-Original-URL",
    "X-Pomerium-Claim-Email",
    "X-Proxy-User",
    "X-Real-User",
    "X-Remote-Group",
    "X-Remote-User",
    "X-Rewrite-URL",
    "X-Scheme",
    "X-Ssl-Client-Dn",
    "X-Url-Scheme",
    "X-User",
    "X-Userinfo",
    "X-Username",
    "X-Webauth-Email",
    "X-Webauth-User",
]


@LINKS
def test_no_client_tells_a_backend_who_it_is(gate: Rig, backends: Backends, link: str) -> None:
    spelt = [str.title, str.lower, str.upper, lambda name: name.replace("-", "_")]
    for spell in spelt:
        for start in range(0, len(CLAIMS), 20):
            # twice, and once more in another case
            lines = [
                f"{how(name)}: forged" for name in CLAIMS[start : start + 20] for how in (spell, spell, str.swapcase)
            ]
            assert gate.raw(f"/alice/{link}/", ALICE, *lines).status == 200
    assert not [line for request in backends.alice.seen for line in request.headers if "forged" in line[1]]


def test_what_tools_and_programs_say_arrives(gate: Rig, backends: Backends) -> None:
    """Secrets that tools check themselves are theirs, and so is what only begins alike."""
    said = {
        "X-Auth-Token": "a",
        "X-XSRFToken": "b",
        "X-CSRF-Token": "c",
        "X-Requested-With": "d",
        "X-API-Key": "e",
        "X-Request-Id": "f",
        "Remotely": "g",
        "X-Usage": "h",
        "User-Agent": "i",
        "If-Match": "j",
        "Range": "bytes=0-",
        "X-Http-Method-Override": "PATCH",
    }
    assert gate.get("/alice/echo/", ALICE, headers=said).status == 200
    request = backends.alice.seen[-1]
    assert {name: request.header(name) for name in said} == said


def test_no_number_of_headers_hides_one_or_takes_long(gate: Rig, backends: Backends) -> None:
    many = [f"{name}{number}: b" for name, count in (("A", 80), ("X-Remote-", 40)) for number in range(count)]
    assert gate.raw("/alice/echo/", ALICE, *many, "X-Remote-User: forged").status == 200
    assert backends.alice.seen[-1].header("X-Remote-User") is None
    assert gate.raw("/alice/echo/", ALICE, *(f"X-Remote-{number}: forged" for number in range(300))).status == 400
    assert len(backends.alice.seen) == 1


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
