"""Behind another proxy that ends TLS: visitors' addresses, scheme and host are taken from it, and from nobody else. Real proxies,
as the guide has them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from backends import Handler, Request
from conftest import Backends
from proxies import NAME, Site, told, truth
from rig import ALICE, Rig, basic, eventually

FORGED = {
    "X-Forwarded-For": "192.0.2.66",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": "192.0.2.66",
    "Forwarded": "for=192.0.2.66;proto=http;host=evil.example",
}
STRANGER = 4711
"""The number of an account that is nobody's, and no service's."""


@pytest.fixture(scope="module")
def rig(backends: Backends) -> Iterator[Rig]:
    links = [
        {"name": "echo", "port": backends.alice.port},
        {"name": "keep", "port": backends.alice.port, "prefix": "keep"},
        {"name": "ws", "port": backends.websocket.port},
    ]
    users = {"alice": {"links": links, "logins": [{"name": ALICE[0], "password": ALICE[1]}]}}
    proxies = ["127.0.0.1", "2001:db8::/64"]
    with Rig.temporary(users, gateway_trusted_proxies=proxies) as rig:
        rig.build()
        yield rig


@pytest.fixture(scope="module")
def site(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(rig, tmp_path_factory.mktemp("apache")).serve() as site:
        yield site


@pytest.fixture(scope="module", params=["apache", "nginx", "haproxy"])
def any_site(rig: Rig, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Behind each proxy that the guide has lines for."""
    with Site(rig, tmp_path_factory.mktemp("any"), kind=request.param).serve() as site:
        yield site


@pytest.fixture(autouse=True)
def forgotten(backends: Backends) -> None:
    backends.alice.seen.clear()
    backends.alice.answers.clear()


_NUMBERS = itertools.count()


@pytest.mark.parametrize("link", ["echo", "keep"])
def test_backends_learn_who_the_visitor_is(any_site: Site, backends: Backends, link: str) -> None:
    for source in ("127.2.0.1", "127.2.0.2"):
        assert any_site.get(f"/alice/{link}/", source=source).status == 200
        assert told(backends) == truth(source)


@pytest.mark.parametrize(
    "tail",
    ["", "?q=1&r=%2F", "a%2Fb", "a%252Fb", "a%20b+c", "caf%C3%A9", "%5Ba%5D%7Cb:c;d=e", "double//slash", "~x/@y"],
)
def test_tools_get_what_the_browser_wrote(any_site: Site, tail: str) -> None:
    """JupyterLab and others put whole paths into one part of an address."""
    for link, target in (("echo", f"/{tail}"), ("keep", f"/alice/keep/{tail}")):
        answer = any_site.get(f"/alice/{link}/{tail}")
        assert (answer.status, answer.json()["target"]) == (200, target)


def test_large_bodies_and_long_heads_pass(any_site: Site, backends: Backends) -> None:
    def long(handler: Handler, request: Request) -> None:
        handler.send_response(200)
        for number in range(3):
            handler.send_header("Set-Cookie", f"c{number}={'x' * 4000}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    backends.alice.answers["long"] = long
    assert len(any_site.get("/alice/echo/long").all("Set-Cookie")) == 3
    assert any_site.get("/alice/echo/", method="PUT", body=b"x" * 3_000_000).json()["bytes"] == 3_000_000


@pytest.mark.parametrize("names", [list(FORGED), ["X-Forwarded-For"], ["X-Forwarded-Host"], ["X-Forwarded-Proto"]])
def test_no_visitor_of_a_proxy_forges_anything(any_site: Site, backends: Backends, names: list[str]) -> None:
    answer = any_site.get("/alice/echo/", **{name.replace("-", "_"): FORGED[name] for name in names})
    assert (answer.status, told(backends)) == (200, truth("127.2.0.1"))


def test_no_visitor_that_comes_directly_forges_anything(site: Site, backends: Backends) -> None:
    """Its address is not that of a trusted proxy."""
    answer = site.rig.get("/alice/echo/", ALICE, headers={**FORGED, "Host": "gate:1"}, source="127.2.0.3")
    assert (answer.status, told(backends)) == (200, truth("127.2.0.3", "http", "gate:1"))
    assert site.rig.get("/alice/direct", headers=FORGED, source="127.2.0.3").status == 401
    assert site.logged("/alice/direct")["address"] == "127.2.0.3"


@pytest.mark.parametrize("names", [list(FORGED)[:1], list(FORGED)])
def test_nobody_on_this_host_forges_by_its_proxy(any_site: Site, backends: Backends, names: list[str]) -> None:
    """Who asks it from this host has the address of a trusted proxy; the address before that is the client's own word."""
    forged = {name.replace("-", "_"): FORGED[name] for name in names}
    for chain in ("192.0.2.66", "192.0.2.66, 127.0.0.1", "192.0.2.66, 2001:db8::1"):
        answer = any_site.get("/alice/echo/", source="127.0.0.1", **{**forged, "X_Forwarded_For": chain})
        assert (answer.status, backends.alice.seen) == (403, [])
        assert "Proxy headers are not accepted from this program" in answer.text
    # and may ask as anybody does
    assert any_site.get("/alice/echo/", source="127.0.0.1").status == 200
    assert told(backends) == truth("127.0.0.1")


@pytest.mark.parametrize("name", list(FORGED)[:3])
def test_no_other_account_of_this_host_is_a_proxy(site: Site, backends: Backends, name: str) -> None:
    """A proxy on this host is a service; everybody else here can come from its address."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another account")

    def ask(**headers: str) -> str:
        sent = {"Authorization": basic(ALICE), **headers}
        lines = [word for name, value in sent.items() for word in ("-H", f"{name}: {value}")]
        command = ["curl", "-sS", "-w", "%{http_code}", *lines, f"http://127.0.0.1:{site.rig.port}/alice/echo/"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, user=STRANGER, group=STRANGER, extra_groups=[], cwd="/"
        )
        return done.stdout

    assert ask().endswith("}200")
    backends.alice.seen.clear()
    answer = ask(**{name: FORGED[name]})
    assert answer.endswith("403")
    assert "Proxy headers are not accepted from this program" in answer
    assert backends.alice.seen == []


def test_who_has_closed_the_connection_is_no_proxy(site: Site, backends: Backends) -> None:
    """Some kernels say root of a connection that no program has open any more."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another account")
    lines = [
        "GET /alice/echo/closed HTTP/1.1",
        "Host: gate",
        f"Authorization: {basic(ALICE)}",
        "X-Forwarded-For: 192.0.2.66",
    ]
    request = "".join(line + r"\r\n" for line in [*lines, ""])
    script = (
        f"for n in $(seq 50); do exec 3<>/dev/tcp/127.0.0.1/{site.rig.port}; printf '{request}' >&3; exec 3>&-; done"
    )
    subprocess.run(["bash", "-c", script], check=True, user=STRANGER, group=STRANGER, extra_groups=[], cwd="/")
    log = site.rig.root / "var/log/nginx/vizgate.jsonl"
    eventually(lambda: log.read_text().count('"/alice/echo/closed"') == 50)
    assert {json.loads(line)["status"] for line in log.read_text().splitlines() if "/echo/closed" in line} == {403}
    assert backends.alice.seen == []


@pytest.mark.parametrize(
    ("chain", "visitor"),
    [
        ("192.0.2.66, 192.0.2.7", "192.0.2.7"),
        # a proxy behind a proxy; what stands before the first that is not trusted is the client's own
        ("192.0.2.66, 192.0.2.7, 2001:db8::1", "192.0.2.7"),
        ("192.0.2.66, 2001:db9::1", "2001:db9::1"),
        ("nonsense", "127.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxys_counts(site: Site, backends: Backends, chain: str, visitor: str) -> None:
    assert site.rig.get("/alice/echo/", ALICE, headers={"X-Forwarded-For": chain, "Host": NAME}).status == 200
    assert told(backends) == truth(visitor, "http")


@pytest.mark.parametrize(
    ("headers", "scheme", "host"),
    [
        (["X-Forwarded-Host: evil.example, other.example:8443"], "http", "other.example:8443"),
        (["X-Forwarded-Host: evil.example", "X-Forwarded-Host: other.example"], "http", "other.example"),
        (["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"], "https", "gate"),
        (["X-Forwarded-Proto: http,https"], "https", "gate"),
        (["X-Forwarded-Proto: https, ftp"], "http", "gate"),
        (["X-Forwarded-Host: <b>"], "http", "gate"),
        (["X-Forwarded-Host: " + "x" * 300], "http", "gate"),
    ],
)
def test_the_last_word_of_a_proxy_counts(
    site: Site, backends: Backends, headers: list[str], scheme: str, host: str
) -> None:
    assert site.rig.raw("/alice/echo/", ALICE, *headers).status == 200
    assert told(backends) == truth("127.0.0.1", scheme, host)


def test_no_number_of_headers_hides_the_proxys(site: Site) -> None:
    lines = [f"X-{number}: 1" for number in range(300)]
    for scheme, status in (("https", 404), ("http", 403)):
        answer = site.rig.raw("/alice/nolink/", ALICE, *lines, f"X-Forwarded-Proto: {scheme}", "Origin: https://gate")
        assert answer.status == status


def test_logs_have_the_visitors_address(site: Site) -> None:
    assert site.get("/alice/echo/logged", source="127.2.0.9", **{"X-Forwarded-For": "192.0.2.66"}).status == 200
    assert site.logged("/alice/echo/logged")["address"] == "127.2.0.9"


def test_each_visitor_has_a_lock_of_their_own(site: Site) -> None:
    log = site.rig.root / "var/log/nginx/vizgate-logins.jsonl"

    def guess(source: str, forged: str = "192.0.2.66") -> int:
        return site.get("/alice/echo/", f"guess {next(_NUMBERS)}", source, X_Forwarded_For=forged).status

    # another address each time, which changes nothing
    assert [guess("127.2.1.1", f"192.0.2.{number}") for number in range(11)] == [401] * 10 + [429]
    assert guess("127.2.1.2") == 401
    assert site.get("/alice/echo/", source="127.2.1.2").status == 200
    eventually(lambda: "127.2.1.2" in log.read_text())
    addresses = [json.loads(line)["address"] for line in log.read_text().splitlines()]
    assert (addresses.count("127.2.1.1"), "192.0.2" in str(addresses)) == (10, False)


def test_a_visitor_by_ipv6_is_a_network(site: Site) -> None:
    """In the locks, and in the log that fail2ban reads."""
    log = site.rig.root / "var/log/nginx/vizgate-logins.jsonl"

    def guess(address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return site.rig.get("/alice/echo/", ("alice", f"guess {next(_NUMBERS)}"), headers=headers).status

    statuses = [guess(f"2001:db9:0:7::{number % 5 + 1}") for number in range(11)]
    assert statuses == [401] * 10 + [429]
    assert guess("2001:db9:0:8::1") == 401
    eventually(lambda: "2001:db9:0:8::1" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    networks = {line["address"]: line["network"] for line in lines if ":" in line["address"]}
    assert networks == {address: f"{address}/64" for address in networks}
    assert len(networks) == 6


def test_cookies_and_redirects_are_for_the_browsers_address(any_site: Site) -> None:
    # many tools take the scheme of their own connection for the browser's
    for scheme in ("http", "https"):
        place = f"{scheme}://{NAME}/login"
        answer = any_site.get(f"/alice/echo/?status=302&header=Set-Cookie:+s=1&header=Location:+{place}")
        assert answer.all("Location") == ["/alice/echo/login"]
    (cookie,) = answer.all("Set-Cookie")
    assert cookie.endswith("; Secure; HttpOnly")
    assert "Secure" not in any_site.rig.get("/alice/echo/?header=Set-Cookie:+s=1", ALICE).all("Set-Cookie")[0]


@pytest.mark.parametrize("origin", [f"https://{NAME}", f"https://{NAME}:1", "https://evil.example", "null"])
def test_an_origin_is_compared_with_the_browsers_address(any_site: Site, origin: str) -> None:
    own = origin == f"https://{NAME}"
    for headers in ({}, {"X_Forwarded_Host": "evil.example"}):
        assert any_site.get("/alice/echo/", method="POST", Origin=origin, **headers).status == (200 if own else 403)
    page = {"Referer": f"https://{NAME}/alice/echo/", "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "image"}
    assert any_site.get("/alice/echo/", **page).status == 200


@pytest.mark.parametrize(
    ("origin", "answer"), [(f"https://{NAME}", (101, b"/room")), ("https://evil.example", (403, b""))]
)
def test_websockets_go_by_the_proxy(any_site: Site, origin: str, answer: tuple[int, bytes]) -> None:
    assert any_site.websocket("/alice/ws/room", origin) == answer


def test_what_is_no_proxys_address_is_refused(site: Site) -> None:
    wrong = json.dumps({"gateway_trusted_proxies": ["10.0.0.7", "0.0.0.0/0"]})
    done = site.rig.run("ansible-playbook", "-i", str(site.rig.inventory), "playbooks/site.yml", "-e", wrong)
    assert "gateway_trusted_proxies has '0.0.0.0/0', which is not an IP address" in done.stdout
    assert (done.returncode, "changed=0" in done.stdout) == (2, True)
