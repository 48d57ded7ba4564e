"""Which URI leads where: prefix modes, encodings, and the many ways to write a path that is not the one it seems."""

from __future__ import annotations

import itertools
import posixpath
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login
from conftest import Backends
from rig import ALICE, BOB, Credential, Rig, has_ipv6

OVERLONG = "a" * 33000


def brief(value: object) -> str:
    """A parameter as the names of tests show it."""
    return ascii(value)[1:-1][:40] if isinstance(value, str) else str(value)


@pytest.mark.parametrize(
    "tail",
    [
        "",
        "page",
        "?q=1&r=%2F",
        "a/b/?x=/../../bob/echo/",
        "a%2Fb",
        "a%252Fb",
        "%e4%f6/%C3%A4",
        "%0d%0aX-Evil:%201",
        "/double//slash",
        "a/../b",
        "semi;colon=1/;x",
        "..;/..;/bob/echo/",
        "..%5c..%5cbob/echo/",
        "..\\..\\bob\\echo\\",
        "%252e%252e/%252e%252e/bob/echo/",
        "%c0%ae%c0%ae/bob/echo/",
        "~'!$&()*+,=:@[]{}|<>\"`^",
        "UPPER/Case",
        "x" * 7000,
        "?" + "q" * 7000,
        "y/" * 3500,
    ],
    ids=brief,
)
def test_the_backend_gets_what_the_client_wrote(gate: Rig, tail: str) -> None:
    stripped, kept = gate.raw(f"/alice/echo/{tail}"), gate.raw(f"/alice/keep/{tail}")
    assert (stripped.status, stripped.json()["target"]) == (200, f"/{tail}")
    assert (kept.status, kept.json()["target"]) == (200, f"/alice/keep/{tail}")
    assert "X-Evil" not in dict(stripped.headers) | dict(stripped.json()["headers"])


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/-/index",
        "/-/error",
        "/-/password",
        "/-/",
        "/favicon.ico",
        "/.",
        "/alice/.",
        "/alice/-",
        "/alice/-/",
        "/alice/-/index",
        "/alice/-/password",
        "/alice/-/status/",
        "/alice/-/status/echo/",
        "/alice/-/status/nolink",
        "/alice/..%2f-/index",
        "/alice/nolink/",
        "/alice/ech/",
        "/alice/echox/",
        "/alice/echo.html",
        "/alice/echo;x/",
        "/alice/echo%3f/",
        "/alice/ECHO/",
        "/Alice/echo/",
        "/ALICE/",
        "/alice;x/echo/",
        "/alice,bob/echo/",
        "//alice/echo/",
        "/alice//echo/",
        "//alice//",
        "/alice//",
        "/alice/./echo/",
        "/alice/%2e/echo/",
        "/alice%2fecho/",
        "/%61lice/echo/",
        "/alice/%65cho/",
        "/alice/echo%2f",
        "/alice/echo/..",
        "/alice/echo/../echo",
        "/alice/echo/../echo;x",
        "/alice/echo/../keep/",
        "/alice/echo/%2e%2e/keep/",
        "/alice/keep/..%2fecho/",
        "/bob/../alice/echo/",
        "/bob/echo/../../alice/echo/",
        "/bob/echo/%2e%2e/%2E%2E/alice/echo/",
        "/bob/echo/..%2f..%2falice/echo/",
        "/bob%2f..%2falice/echo/",
        "/-/password/../../alice/keep/..//echo/",
        "/alice/" + "x" * 64 + "/",
        "/" + "a" * 33 + "/",
    ],
    ids=brief,
)
@pytest.mark.usefixtures("warm")
def test_a_mistyped_link_is_a_404(gate: Rig, backends: Backends, target: str) -> None:
    answer = gate.raw(target)
    assert answer.status == 404
    assert "Page not found" in answer.text
    assert backends.alice.seen == backends.bob.seen == []


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/alice/echo/../../bob/echo/", 401),
        ("/alice/echo/..%2f..%2fbob/echo/", 401),
        ("/alice/..%2fbob/echo/", 401),
        ("/alice/echo/%00", 400),
        ("/alice%00/echo/", 400),
        ("/alice/echo/\x00", 400),
        ("/alice/echo/%", 400),
        ("/alice/echo/%zz", 400),
        ("/alice/echo/a b", 400),
        ("/alice/echo/a\tb", 400),
        ("/alice/echo/" + "../" * 2000, 400),
        ("alice/echo/", 400),
        ("/alice/echo/" + OVERLONG, 414),
        ("/alice/echo/?" + OVERLONG, 414),
        ("/" + OVERLONG, 414),
    ],
    ids=brief,
)
@pytest.mark.usefixtures("warm")
def test_what_is_refused_reaches_no_backend(gate: Rig, backends: Backends, target: str, status: int) -> None:
    assert gate.raw(target).status == status
    assert backends.alice.seen == backends.bob.seen == []
    assert gate.get("/alice/echo/", ALICE).status == 200


@pytest.mark.parametrize("wrong", ["Host: other", "Transfer-Encoding: chunked", "Content-Length: 3", "X-Y\0: 1"])
def test_an_ambiguous_request_is_refused(gate: Rig, backends: Backends, wrong: str) -> None:
    assert gate.raw("/alice/echo/", ALICE, "Content-Length: 4", wrong).status == 400
    assert backends.alice.seen == []


def test_a_host_in_the_request_line_changes_nothing(gate: Rig) -> None:
    assert gate.raw("http://elsewhere/alice/echo/x").json()["target"] == "/x"


@pytest.mark.parametrize("link", ["echo", "keep"])
@pytest.mark.parametrize("query", ["", "?a=%2F&b=//c"])
def test_a_link_without_its_slash_is_sent_to_it(gate: Rig, link: str, query: str) -> None:
    answer = gate.get(f"/alice/{link}{query}", ALICE)
    assert (answer.status, answer.all("Location")) == (302, [f"/alice/{link}/{query}"])


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_a_backend_on_ipv6(gate: Rig, ipv6_backend: int) -> None:
    gate.declare("alice", [Link("six", ipv6_backend, host="::1")])
    assert gate.get("/alice/six/x", ALICE).backend == "six"
    assert gate.get("/alice/-/status/six", ALICE).json()["answers"] is True


def owner(target: str) -> str | None:
    """Whose backend a target may reach: that of the link which it begins with, however it is read."""
    path = target.partition("?")[0]
    read = posixpath.normpath(urllib.parse.unquote(path)) + "/"
    for user in ("alice", "bob"):
        prefix = f"/{user}/echo/"
        if path.startswith(prefix) and read.startswith(prefix):
            return f"{user}'s"
    return None


def test_no_combination_reaches_another_link(gate: Rig) -> None:
    """One login opens both users' links here, so that routing alone is what keeps them apart."""
    gate.declare("alice", logins=[Login("both", password="same")])
    gate.declare("bob", logins=[Login("both", password="same")])
    first = ["alice", "bob", "", "..", "%2e", "alice%2f..%2fbob", "bob%2f..", "-"]
    others = ["alice", "bob", "echo", "", "..", "%2E%2e", "-", "..%2fecho", "echo%2f..", "alice%2fecho"]
    targets = ["/" + "/".join(parts) for parts in itertools.product(first, others, others, ["", "x"])]

    def ask(some: list[str]) -> list[str]:
        wrong = []
        connection = gate.connect()
        for target in some:
            answer = gate.get(target, ("both", "same"), over=connection)
            if answer.status not in (200, 302, 400, 401, 404) or (answer.backend or owner(target)) != owner(target):
                wrong.append(f"{target}: {answer.status} {answer.body[:80]!r}")
        connection.close()
        return wrong

    with ThreadPoolExecutor(16) as pool:
        assert [line for lines in pool.map(ask, (targets[i::64] for i in range(64))) for line in lines] == []


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("path", ["", "/", "/echo", "/echo/", "/-/status/echo"])
@pytest.mark.parametrize("login", [None, ALICE, ("bob", "wrong"), ("bob", "")])
def test_what_bob_has_just_opened_stays_shut_for_others(
    gate: Rig, backends: Backends, path: str, login: Credential | None
) -> None:
    assert gate.get(f"/bob{path}", login, source=gate.address()).status == 401
    assert backends.bob.seen == []
    assert gate.get("/bob/echo/", BOB).status == 200
