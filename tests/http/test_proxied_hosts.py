"""Users' host names behind another proxy: whose host it is, is what that proxy says, whether or not it keeps `Host`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import Backends
from proxies import NAME, Site, told, truth
from rig import ALICE, BOB, Rig, basic

ALICES, BOBS = f"alice.{NAME}", f"bob.{NAME}"
OWN = f"https://{ALICES}"


@pytest.fixture(scope="module")
def rig(backends: Backends) -> Iterator[Rig]:
    users = {
        "alice": {
            "links": [
                {"name": "echo", "port": backends.alice.port},
                {"name": "keep", "port": backends.alice.port, "prefix": "keep"},
                {"name": "ws", "port": backends.websocket.port},
            ],
            "logins": [{"name": ALICE[0], "password": ALICE[1]}],
        },
        "bob": {
            "links": [{"name": "echo", "port": backends.bob.port}],
            "logins": [{"name": BOB[0], "password": BOB[1]}],
        },
    }
    with Rig.temporary(
        users,
        gateway_url_style="subdomain",
        gateway_public_url=f"https://{NAME}",
        gateway_trusted_proxies=["127.0.0.1"],
    ) as rig:
        rig.build()
        yield rig


@pytest.fixture(scope="module", params=["replaces Host", "keeps Host"])
def site(rig: Rig, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Site]:
    lines = ["ProxyPreserveHost On"] if request.param == "keeps Host" else []
    folder = tmp_path_factory.mktemp("apache")
    with Site(rig, folder, lines=lines, names=[NAME, f"*.{NAME}"]).serve() as site:
        yield site


@pytest.fixture(autouse=True)
def forgotten(backends: Backends) -> None:
    backends.alice.seen.clear()
    backends.bob.seen.clear()


def test_everybodys_host_leads_to_their_own_links(site: Site, backends: Backends) -> None:
    for link in ("echo", "keep"):
        assert site.get(f"/{link}/", host=ALICES).backend == "alice's"
        assert told(backends) == truth("127.2.0.1", host=ALICES)
    answer = site.get("/echo/", host=BOBS, Authorization=basic(BOB))
    assert (answer.backend, len(backends.alice.seen)) == ("bob's", 2)
    assert site.get("/echo/", host=BOBS).status == 401


@pytest.mark.parametrize("host", [NAME, f"x.{ALICES}", f"alice.{NAME}.evil.example", "evil.example"])
def test_no_other_host_has_anything(rig: Rig, site: Site, backends: Backends, host: str) -> None:
    for path in ("/echo/", "/alice/echo/", "/"):
        # over the connection of a host that is there, as browsers of HTTP/2 and attackers do
        assert site.get(path, host=ALICES, Host=host).status in (400, 404, 421)
        # nor by what another address says
        headers = {"Host": host, "X-Forwarded-Host": ALICES}
        assert rig.get(path, ALICE, headers=headers, source="127.2.0.1").status == 404
    assert backends.alice.seen == []


def test_no_visitor_chooses_whose_host_it_is(rig: Rig, site: Site, backends: Backends) -> None:
    assert site.get("/echo/", host=ALICES, X_Forwarded_Host=BOBS).backend == "alice's"
    assert told(backends) == truth("127.2.0.1", host=ALICES)
    assert site.get("/echo/", host=BOBS, X_Forwarded_Host=ALICES).status == 401
    headers = {"Host": ALICES, "X-Forwarded-Host": BOBS, "X-Forwarded-Proto": "https"}
    assert rig.get("/echo/", ALICE, headers=headers, source="127.2.0.1").backend == "alice's"
    assert told(backends) == truth("127.2.0.1", "http", ALICES)


@pytest.mark.parametrize(
    ("place", "becomes"),
    [
        ("/login", "/keep/login"),
        ("/keep/login", "/keep/login"),
        (f"{OWN}/login", "/keep/login"),
        (f"{OWN}/keep/login", "/keep/login"),
        (f"http://{ALICES}/login", "/keep/login"),
        (f"http://{ALICES}/keep/login", "/keep/login"),
        (f"https://{BOBS}/", f"https://{BOBS}/"),
    ],
)
def test_redirects_stay_below_the_link(site: Site, place: str, becomes: str) -> None:
    assert site.get(f"/keep/?status=302&header=Location:+{place}", host=ALICES).all("Location") == [becomes]


def test_the_gateways_own_redirects_stay_on_the_users_host(site: Site) -> None:
    assert site.get("/echo?x=1", host=ALICES).all("Location") == ["/echo/?x=1"]
    assert '<body data-home="/">' in site.get("/", host=ALICES).text


def test_cookies_are_for_one_link_on_one_host_by_https_alone(rig: Rig, site: Site) -> None:
    path = f"/echo/?header=Set-Cookie:+s=1;+Path=/;+Domain={NAME}"
    (mine,) = site.get(path, host=ALICES).all("Set-Cookie")
    (bobs,) = site.get(path, host=BOBS, Authorization=basic(BOB)).all("Set-Cookie")
    assert mine.partition("s=1")[2] == bobs.partition("s=1")[2] == "; Path=/echo/; Secure; HttpOnly"
    assert mine.partition("=")[0] != bobs.partition("=")[0]
    (direct,) = rig.get(path, ALICE, headers={"Host": ALICES}).all("Set-Cookie")
    assert direct.partition("s=1")[2] == "; Path=/echo/; HttpOnly"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (OWN, 200),
        (f"http://{ALICES}", 403),
        (f"https://{BOBS}", 403),
        (f"https://{NAME}", 403),
        (f"{OWN}:1", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_an_origin_is_compared_with_the_users_own(site: Site, origin: str, status: int) -> None:
    for headers in ({}, {"X_Forwarded_Host": origin.rpartition("/")[2]}):
        assert site.get("/echo/", host=ALICES, method="POST", Origin=origin, **headers).status == status
    answer = (101, b"/room") if status == 200 else (403, b"")
    assert site.websocket("/ws/room", origin, host=ALICES) == answer


def test_a_page_that_asked_is_known_by_the_users_own_host(site: Site) -> None:
    headers = {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "image"}
    assert site.get("/echo/", host=ALICES, Referer=f"{OWN}/keep/", **headers).status == 200
    assert site.get("/echo/", host=ALICES, Referer=f"https://{BOBS}/echo/", **headers).status == 403
    text = site.get("/static/app.js", host=ALICES, Referer=f"{OWN}/keep/page").text
    assert "base path <code>/keep</code>" in text
