"""Requests that a browser marks as another page's: who may pass, in which disguise, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import pytest
import websockets.exceptions
import websockets.sync.client
from conftest import Backends
from rig import ALICE, BOB, Answer, Rig, basic

HOST = "gate.example:81"
OWN = "http://gate.example:81"
OTHERS = [
    "null",
    "",
    "http://evil.example",
    "https://gate.example:81",
    "http://gate.example",
    "http://gate.example:8",
    "http://gate.example:811",
    "http://gate.example:81.evil.example",
    "http://gate.example:81/",
    "http://gate.example:81/alice/",
    "http://gate.example:81@evil.example",
    "http://xgate.example:81",
    "http://bob.gate.example:81",
    "http://gate_example:81",
    "http://gatexexample:81",
    "http://GATE.example:81",
    "http://evil.example/http://gate.example:81",
    "http://evil.example#http://gate.example:81",
    "http://gate.example:81, http://gate.example:81",
    "http://gate.example:81 http://evil.example",
    "ws://gate.example:81",
    "//gate.example:81",
    "gate.example:81",
    "*",
]
"""What is not the gateway's origin, although much of it contains, begins with, or ends in it."""

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FRAME = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
FETCH = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
PICTURE = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
SOCKET = {"Sec-Fetch-Mode": "websocket", "Sec-Fetch-Dest": "empty"}
WEBKITS_SOCKET = {"Sec-Fetch-Mode": "websocket", "Sec-Fetch-Dest": "websocket"}
PLAIN_NAVIGATION = {"Upgrade-Insecure-Requests": "1"}
"""How a browser marks a navigation where it has no encryption to trust; frames look the same."""


def site(value: str, kind: Mapping[str, str], referer: str = "", origin: str = "") -> dict[str, str]:
    """The headers of a browser over HTTPS, or on this machine: a page says where it is unless told not to."""
    said = {"Referer": referer, "Origin": origin}
    return {"Sec-Fetch-Site": value, **kind, **{key: text for key, text in said.items() if text}}


def ask(gate: Rig, headers: Mapping[str, str], path: str = "/alice/echo/", method: str = "GET") -> Answer:
    return gate.get(path, ALICE, method=method, headers={"Host": HOST, **headers})


def assert_refused(answer: Answer, backends: Backends) -> None:
    assert (answer.status, backends.alice.seen) == (403, [])
    assert "came from another user's page, or from another site" in answer.text


ALICES = f"{OWN}/alice/keep/page?q=/bob/"
BOBS = f"{OWN}/bob/echo/"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Referer": ""},
        {"Origin": OWN},
        {"Referer": ALICES},
        {"Referer": f"{OWN}/alice"},
        {"Referer": f"{OWN}/alice/"},
        {"Referer": f"{OWN}/alice?sort=1"},
        # hidden, and the browser says no more without encryption
        {"Referer": f"{OWN}/"},
        {"Referer": BOBS, **PLAIN_NAVIGATION},
        {"Referer": "http://evil.example/", **PLAIN_NAVIGATION},
        site("none", NAVIGATION),
        site("none", PICTURE),
        site("same-origin", FETCH, ALICES),
        site("same-origin", FETCH, ALICES, OWN),
        site("same-origin", PICTURE, ALICES),
        site("same-origin", FRAME, ALICES),
        site("same-origin", NAVIGATION, ALICES),
        site("same-origin", NAVIGATION, BOBS),
        site("same-origin", NAVIGATION),
        site("same-site", NAVIGATION, "http://other.example/"),
        site("cross-site", NAVIGATION, "http://evil.example/"),
        site("cross-site", NAVIGATION),
        # only a script can have asked for these
        site("same-origin", FETCH),
        site("same-origin", FETCH, f"{OWN}/"),
        site("same-origin", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}),
        site("same-origin", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "script"}, origin=OWN),
        site("same-origin", {"Sec-Fetch-Mode": "same-origin", "Sec-Fetch-Dest": "worker"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_no_page_of_others_asks_for_passes(
    gate: Rig, backends: Backends, headers: dict[str, str], method: str
) -> None:
    assert ask(gate, headers, method=method).status == 200
    assert len(backends.alice.seen) == 1


@pytest.mark.parametrize("path", ["/alice/echo/", "/alice/keep/page", "/alice/", "/alice", "/alice/-/status/echo"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": BOBS},
        {"Referer": f"{OWN}/bob"},
        {"Referer": f"{OWN}/alicex/echo/"},
        {"Referer": f"{OWN}/alic/echo/"},
        {"Referer": f"{OWN}/ALICE/echo/"},
        {"Referer": f"{OWN}/bob/?/alice/"},
        {"Referer": f"{OWN}//alice/echo/"},
        {"Referer": f"{OWN}/-/index"},
        {"Referer": "http://evil.example/alice/"},
        {"Referer": "http://evil.example"},
        {"Referer": f"{OWN}@evil.example/alice/"},
        {"Referer": f"{OWN}.evil.example/alice/"},
        {"Referer": "/alice/echo/"},
        {"Referer": "about:client"},
        {"Referer": BOBS, "Upgrade-Insecure-Requests": "0"},
        {"Origin": "http://evil.example"},
        {"Origin": "null", **PLAIN_NAVIGATION},
        site("cross-site", FETCH, "http://evil.example/", "http://evil.example"),
        site("cross-site", PICTURE),
        site("cross-site", FRAME),
        site("cross-site", FRAME, "http://evil.example/"),
        site("cross-site", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "empty"}),
        site("cross-site", {"Sec-Fetch-Dest": "document"}),
        site("cross-site", {}),
        {**site("cross-site", FETCH), **PLAIN_NAVIGATION},
        site("same-site", FETCH, ALICES),
        site("same-site", PICTURE, "http://other.example/"),
        site("nonsense", PICTURE, ALICES),
        site("same-origin", FETCH, BOBS),
        site("same-origin", PICTURE, BOBS),
        site("same-origin", FRAME, BOBS),
        site("same-origin", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "embed"}, BOBS),
        site("same-origin", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "script"}, BOBS, OWN),
        {**site("same-origin", FETCH, BOBS), **PLAIN_NAVIGATION},
        # a text without scripts can hide where it is, but not say that it is elsewhere
        site("same-origin", PICTURE),
        site("same-origin", PICTURE, f"{OWN}/"),
        site("same-origin", FRAME),
        site("same-origin", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "image"}, origin=OWN),
        site("same-origin", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}),
    ],
)
def test_what_a_page_of_others_asks_for_is_refused(
    gate: Rig, backends: Backends, headers: dict[str, str], path: str
) -> None:
    assert_refused(ask(gate, headers, path), backends)


@pytest.mark.usefixtures("warm")
def test_nothing_passes_that_was_remembered(gate: Rig, backends: Backends) -> None:
    for _ in range(8):
        assert_refused(ask(gate, {"Referer": BOBS}), backends)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": BOBS, "Origin": OWN},
        {"Referer": BOBS, "Origin": OWN, **PLAIN_NAVIGATION},
        {"Referer": "http://evil.example/", "Origin": "http://evil.example", **PLAIN_NAVIGATION},
        site("same-origin", NAVIGATION, BOBS, OWN),
        site("same-origin", NAVIGATION, "", OWN),
        site("same-origin", NAVIGATION, "", "null"),
        site("cross-site", NAVIGATION, "http://evil.example/", "http://evil.example"),
        site("cross-site", NAVIGATION),
    ],
)
def test_a_form_on_a_page_of_others_changes_nothing(
    gate: Rig, backends: Backends, headers: dict[str, str], method: str
) -> None:
    """Also where its answer would take the place of the page."""
    assert_refused(ask(gate, headers, method=method), backends)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OWN},
        {"Referer": ALICES, "Origin": OWN},
        site("same-origin", NAVIGATION, ALICES, OWN),
        site("same-origin", FETCH, ALICES, OWN),
        site("none", FETCH),
    ],
)
def test_a_form_on_her_own_page_works(gate: Rig, backends: Backends, headers: dict[str, str], method: str) -> None:
    assert ask(gate, headers, method=method).status == 200
    assert len(backends.alice.seen) == 1


@pytest.mark.parametrize("origin", OTHERS, ids=ascii)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_origin_is_compared_as_a_whole(gate: Rig, backends: Backends, origin: str, method: str) -> None:
    """PYSEC-2026-2187: a pattern without an end lets `https://allowed.evil.example` in."""
    for more in ({}, site("same-origin", FETCH, ALICES), site("cross-site", NAVIGATION), PLAIN_NAVIGATION):
        assert_refused(ask(gate, {**more, "Origin": origin}, method=method), backends)


def test_no_password_is_checked_for_others_pages(gate: Rig) -> None:
    """A page elsewhere must not try passwords through its visitors' browsers, nor make them ask for one."""
    before = gate.checks()
    wrong = ("alice", "guessed")
    assert gate.get("/alice/echo/", wrong, headers={"Origin": "http://evil.example"}).status == 403
    assert gate.get("/nobody/echo/", wrong, headers={"Origin": "http://evil.example"}).status == 403
    assert gate.checks() == before


def handshake(gate: Rig, headers: Mapping[str, str], path: str = "/alice/ws/", upgrade: str = "websocket") -> int:
    """The status that answers a websocket's handshake."""
    lines = {
        "Authorization": basic(ALICE),
        "Host": HOST,
        "Connection": "Upgrade",
        "Upgrade": upgrade,
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }
    with gate.dial() as client:
        text = "".join(f"{key}: {value}\r\n" for key, value in lines.items() if value is not None)
        client.sendall(f"GET {path} HTTP/1.1\r\n{text}\r\n".encode())
        return int(client.recv(64).split()[1])


@pytest.mark.parametrize("path", ["/alice/ws/", "/alice/wskeep/socket"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OWN},
        # Chromium says no more than that; Firefox this, WebKit the next
        {"Origin": OWN, **site("same-origin", SOCKET)},
        {"Origin": OWN, **site("same-origin", WEBKITS_SOCKET)},
    ],
)
def test_websockets_of_own_pages_and_of_programs_open(gate: Rig, path: str, headers: dict[str, str]) -> None:
    assert handshake(gate, headers, path) == 101


@pytest.mark.parametrize("origin", OTHERS, ids=ascii)
def test_a_websocket_needs_exactly_the_gateways_origin(gate: Rig, origin: str) -> None:
    disguises = ({}, NAVIGATION, site("same-origin", NAVIGATION, ALICES), PLAIN_NAVIGATION, site("none", NAVIGATION))
    for headers, upgrade in itertools.product(disguises, ("websocket", "WebSocket")):
        assert handshake(gate, {**headers, "Origin": origin}, upgrade=upgrade) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": OWN, "Referer": BOBS},
        {"Origin": OWN, "Referer": BOBS, **PLAIN_NAVIGATION},
        {"Origin": OWN, **site("cross-site", NAVIGATION)},
        {"Origin": OWN, **site("same-origin", NAVIGATION, BOBS)},
        *(
            {"Origin": OWN, **site(where, socket, referer)}
            for socket in (SOCKET, WEBKITS_SOCKET)
            for where, referer in (("same-origin", BOBS), ("same-site", ""), ("cross-site", ""))
        ),
        # a page without scripts can ask for this much by itself
        {"Origin": OWN, **site("same-origin", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "websocket"})},
    ],
)
def test_a_websocket_is_no_navigation(gate: Rig, headers: dict[str, str]) -> None:
    assert handshake(gate, headers) == 403


@pytest.fixture
def behind_https(gate: Rig) -> Iterator[Rig]:
    """The gateway when something in front of it takes the encryption off."""
    assert 'scheme = "http",' in gate.gateway_conf.read_text()
    with gate.configured('vizgate.configure { scheme = "https" }'):
        yield gate


def test_the_public_address_may_have_another_scheme(behind_https: Rig, backends: Backends) -> None:
    https = OWN.replace("http", "https")
    for origin in (OWN, https):
        assert handshake(behind_https, {"Origin": origin}) == 101
        for page, status in {"/alice/keep/": 200, "/bob/echo/": 403}.items():
            for more in ({}, site("same-origin", PICTURE)):
                answer = ask(behind_https, {**more, "Origin": origin, "Referer": origin + page})
                assert answer.status == status
    for origin in ("https://gate.example", "https://evil.example", https + "1", https + ".evil.example"):
        assert handshake(behind_https, {"Origin": origin}) == 403
        assert ask(behind_https, {"Referer": origin + "/alice/"}).status == 403


@pytest.mark.parametrize("path", ["/alice/ws/", "/alice/wskeep/", "/alice/ws/deep/er?x=1"])
@pytest.mark.parametrize("login", [None, BOB, ("alice", "wrong")])
def test_no_websocket_without_login(gate: Rig, path: str, login: tuple[str, str] | None) -> None:
    """CVE-2024-28179: a proxy that checked logins for HTTP, and passed websockets on as they came."""
    credentials = {"Authorization": basic(login)} if login else {"Authorization": "None"}
    for headers in ({}, {"Origin": OWN}):
        assert handshake(gate, {**credentials, **headers}, path) == 401
    with (
        pytest.raises(websockets.exceptions.InvalidStatus) as refused,
        websockets.sync.client.connect(f"ws://127.0.0.1:{gate.port}{path}", proxy=None),
    ):
        pass
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("path", ["/alice/{}/", "/alice/echo{}", "/{}/", "/alice/dead/"])
@pytest.mark.parametrize("name", ["Host", "Origin", "Referer", "X-Forwarded-Host", "Sec-Fetch-Site", "Upgrade"])
@pytest.mark.parametrize("markup", ["<script>alert(1)</script>", "<x-y>"])
def test_no_answer_of_the_gateway_repeats_markup(gate: Rig, path: str, name: str, markup: str) -> None:
    """CVE-2024-35225: an error page with the host as it stood in the request. nginx refuses hosts with a slash by itself."""
    answer = gate.get(path.format(markup), ALICE, headers={name: markup})
    assert answer.status in (400, 403, 404, 502)
    assert markup not in answer.text


@pytest.mark.parametrize("policy", ["no-referrer", "origin", "unsafe-url"])
def test_no_backend_hides_where_its_pages_are(gate: Rig, policy: str) -> None:
    answer = gate.get(f"/alice/echo/?header=Referrer-Policy:+{policy}", ALICE)
    assert (answer.status, answer.all("Referrer-Policy")) == (200, [])
