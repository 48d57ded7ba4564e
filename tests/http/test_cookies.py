"""Cookies behind one host name: each link gets back what it has set, and nothing that anybody else has set or could guess."""

from __future__ import annotations

import re
import urllib.parse

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Login
from conftest import Backends
from rig import ALICE, BOB, Credential, Rig

LINKS = pytest.mark.parametrize("link", ["echo", "keep"])
NAME = re.compile(r"vizgate\.[0-9a-f]{16}\.(.*)")


def set_cookies(
    gate: Rig, base: str, *cookies: str, login: Credential = ALICE, host: str = "gate.example:81"
) -> list[str]:
    """What becomes of the cookies that a backend sets."""
    query = urllib.parse.urlencode([("header", f"Set-Cookie: {cookie}") for cookie in cookies])
    return gate.get(f"{base}/?{query}", login, headers={"Host": host}).all("Set-Cookie")


def parts(cookie: str) -> tuple[str, str, dict[str, str]]:
    """Name, value and attributes of a cookie, as browsers read it."""
    pair, *rest = cookie.split(";")
    name, _, value = pair.partition("=")
    attributes = (part.strip(" \t").partition("=") for part in rest)
    return name.strip(" \t"), value, {key.strip(" \t").lower(): text.strip(" \t") for key, _, text in attributes}


def tag(gate: Rig, base: str, login: Credential = ALICE) -> str:
    """What the names of a link's cookies begin with."""
    return set_cookies(gate, base, "x=1", login=login)[0].partition("x=1")[0]


@LINKS
@pytest.mark.parametrize(
    "cookie", ["a=1", "a=", "a=b=c", 'a="x y"', "__Host-a=1", "__Secure-a=1", "user_a.b-c!#$%&'*+^`|~=1", "vizgate=1", "b=" + "v" * 3900]
)  # fmt: skip
def test_a_link_gets_its_cookies_back(gate: Rig, backends: Backends, link: str, cookie: str) -> None:
    (outside,) = set_cookies(gate, f"/alice/{link}", cookie)
    name, value, attributes = parts(outside)
    found = NAME.fullmatch(name)
    assert found
    assert (f"{found[1]}={value}", attributes) == (cookie, {"httponly": ""})
    gate.get(f"/alice/{link}/", ALICE, headers={"Cookie": f"other=1; {name}={value}; more=2"})
    assert backends.alice.seen[-1].header("Cookie") == cookie


@LINKS
def test_several_come_back_in_their_order(gate: Rig, backends: Backends, link: str) -> None:
    mine = tag(gate, f"/alice/{link}")
    for sent in (
        f"{mine}a=1; {mine}b=2; {mine}a=3",
        f"{mine}a=1;{mine}b=2;{mine}a=3",
        f"x;;{mine}a=1;   {mine}b=2; ={mine}c=0; y={mine}d=0;{mine}a=3;",
    ):
        gate.get(f"/alice/{link}/", ALICE, headers={"Cookie": sent})
        assert backends.alice.seen[-1].header("Cookie") == "a=1; b=2; a=3"
    gate.raw(f"/alice/{link}/", ALICE, f"Cookie: {mine}a=1", "Cookie: b=2", f"Cookie: {mine}c=3")
    assert backends.alice.seen[-1].header("Cookie") == "a=1; c=3"


@LINKS
@pytest.mark.parametrize(
    "sent",
    [
        "session=planted",
        "__Host-session=planted",
        "_xsrf=planted",
        "vizgate=secret",
        "vizgate_session=secret; a=1",
        "vizgate.session=planted",
        "vizgate.0123456789abcdef.session=planted",
        "{bobs}session=planted",
        "{other}session=planted",
        "x{mine}session=planted",
        "={mine}session=planted",
        "a={mine}session=planted",
        "{MINE}session=planted",
        ";;;",
        "",
    ],
)
def test_nobody_elses_cookies_arrive(gate: Rig, backends: Backends, link: str, sent: str) -> None:
    """A page of bob's may write cookies for alice's paths, and the gateway may have some of its own."""
    mine = tag(gate, f"/alice/{link}")
    other = tag(gate, "/alice/echo" if link == "keep" else "/alice/keep")
    sent = sent.format(mine=mine, MINE=mine.upper(), other=other, bobs=tag(gate, "/bob/echo", BOB))
    gate.get(f"/alice/{link}/", ALICE, headers={"Cookie": sent})
    assert backends.alice.seen[-1].header("Cookie") is None


def test_every_link_has_names_of_its_own_that_last(gate: Rig) -> None:
    found = [tag(gate, "/alice/echo"), tag(gate, "/alice/keep"), tag(gate, "/bob/echo", BOB)]
    assert len(set(found)) == 3
    key = gate.root / "var/lib/vizgate/cookies.key"
    assert key.stat().st_mode & 0o777 == 0o600
    gate.restart()
    assert [tag(gate, "/alice/echo"), tag(gate, "/alice/keep"), tag(gate, "/bob/echo", BOB)] == found


@pytest.mark.parametrize("text", [None, "", "short"])
def test_without_a_key_the_names_last_until_nginx_stops(gate: Rig, text: str | None) -> None:
    key = gate.root / "var/lib/vizgate/cookies.key"
    kept, before = key.read_text(), tag(gate, "/alice/echo")
    try:
        key.unlink()
        if text is not None:
            key.write_text(text)
        gate.restart()
        found = tag(gate, "/alice/echo")
        assert found != before
        gate.reload()
        assert tag(gate, "/alice/echo") == found
        gate.restart()
        assert tag(gate, "/alice/echo") not in (found, before)
    finally:
        key.write_text(kept)
        gate.restart()
    assert tag(gate, "/alice/echo") == before


def test_who_has_had_a_login_does_not_know_the_names_for_others(gate: Rig, backends: Backends) -> None:
    """Somebody who was let in once may have pages of their own later."""
    gate.declare("alice", logins=[Login("guest", password="friend")])
    guests, mine = tag(gate, "/alice/echo", ("guest", "friend")), tag(gate, "/alice/echo")
    assert guests != mine
    for _ in range(4):
        gate.get("/alice/echo/", ALICE, headers={"Cookie": f"{guests}session=planted; {mine}session=own"})
        assert backends.alice.seen[-1].header("Cookie") == "session=own"


@LINKS
@pytest.mark.parametrize("name", ["_xsrf", "csrftoken", "XSRF-TOKEN", "_streamlit_xsrf"])
def test_scripts_read_their_token_but_cannot_change_it(gate: Rig, backends: Backends, link: str, name: str) -> None:
    """Jupyter's pages, for example, repeat `_xsrf` in a header, which the server compares with the cookie."""
    real, copy = set_cookies(gate, f"/alice/{link}", f"{name}=right; Path=/; SameSite=Lax")
    assert parts(copy) == (name, "right", {"path": f"/alice/{link}/", "samesite": "Lax"})
    assert parts(real)[1:] == ("right", {"path": f"/alice/{link}/", "samesite": "Lax", "httponly": ""})
    gate.get(f"/alice/{link}/", ALICE, headers={"Cookie": f"{name}=wrong; {real.partition(';')[0]}"})
    assert backends.alice.seen[-1].header("Cookie") == f"{name}=right"


@LINKS
@pytest.mark.parametrize("cookie", ["_xsrf=1; HttpOnly", "_xsrf=1; Path=/;httponly ", "session=1", "xs_rf=1"])
def test_nothing_else_is_for_scripts(gate: Rig, link: str, cookie: str) -> None:
    (outside,) = set_cookies(gate, f"/alice/{link}", cookie)
    assert "httponly" in parts(outside)[2]


@LINKS
@pytest.mark.parametrize(
    ("path", "becomes"),
    [
        ("/", "{prefix}/"),
        ("/app", "{prefix}/app"),
        ("/bob/echo/", "{prefix}/bob/echo/"),
        ("/alice/", "{prefix}/alice/"),
        ("/alice/echox", "{prefix}/alice/echox"),
        ("{prefix}/", "{prefix}/"),
        ("{prefix}/app/", "{prefix}/app/"),
        ("{prefix}", "{prefix}"),
    ],
)
@pytest.mark.parametrize("spelling", ["Path=", "path=", "PATH=", "Path =", " Path= "])
def test_cookies_stay_below_the_link(gate: Rig, link: str, path: str, becomes: str, spelling: str) -> None:
    prefix = f"/alice/{link}"
    cookie = f"a=1; HttpOnly;{spelling}{path.format(prefix=prefix)}; SameSite=Lax; Max-Age=9"
    (outside,) = set_cookies(gate, prefix, cookie)
    becomes = becomes.format(prefix=prefix)
    assert parts(outside)[2] == {"path": becomes, "samesite": "Lax", "max-age": "9", "httponly": ""}


@LINKS
@pytest.mark.parametrize("attribute", ["\tPath=/", "Path\t=/", "Path=\t/", "\x0bPath=/", " Path = /bob/ ; Path=/"])
def test_no_spelling_carries_a_cookie_to_another_user(gate: Rig, link: str, attribute: str) -> None:
    """Browsers trim spaces and tabs and take the last path; a cookie that is dropped goes nowhere either."""
    for cookie in set_cookies(gate, f"/alice/{link}", f"a=1;{attribute}"):
        assert parts(cookie)[2]["path"] == f"/alice/{link}/"
        assert cookie.lower().count("path") == 1


@LINKS
@pytest.mark.parametrize("attribute", ["", "; Path", "; Path=", "; Path=relative", "; Path=/; Path="])
def test_a_path_that_is_none_is_left_to_the_browser(gate: Rig, link: str, attribute: str) -> None:
    """It then takes the folder of the page, which is below the link."""
    (outside,) = set_cookies(gate, f"/alice/{link}", "a=1" + attribute)
    assert parts(outside)[2] == {"httponly": ""}


@LINKS
@pytest.mark.parametrize("cookie", ["=1", "nameless", "", " ; Path=/", "a\t=1", "a=1\x01", "; a=1"])
def test_what_is_no_cookie_is_dropped(gate: Rig, link: str, cookie: str) -> None:
    assert [parts(kept)[1] for kept in set_cookies(gate, f"/alice/{link}", cookie, "b=2")] == ["2"]


@LINKS
@pytest.mark.parametrize("domain", ["example.org", ".example", "127.0.0.1", "gate.example", ""])
def test_cookies_stay_at_the_gateway(gate: Rig, link: str, domain: str) -> None:
    """One without a domain is for no host below the gateway's either."""
    (outside,) = set_cookies(gate, f"/alice/{link}", f"a=1; Domain={domain}; Path=/; domain={domain}")
    assert parts(outside)[2] == {"path": f"/alice/{link}/", "httponly": ""}


@LINKS
def test_each_of_several_cookies_is_rewritten(gate: Rig, link: str) -> None:
    mine, prefix = tag(gate, f"/alice/{link}"), f"/alice/{link}/"
    assert set_cookies(gate, prefix[:-1], "a=1; Path=/", "b=2; Path=/x; Path=/; Secure", "c=3") == [
        f"{mine}a=1; Path={prefix}; HttpOnly",
        f"{mine}b=2; Path={prefix}; Secure; HttpOnly",
        f"{mine}c=3; HttpOnly",
    ]
