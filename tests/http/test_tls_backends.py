"""Backends that speak TLS: whose certificate is good for which name, and that nothing gets round it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.certificates import self_signed
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from backends import Backend, Handler, Request, WebsocketBackend
from rig import ALICE, Answer, Rig, free_port, resolving

NAMES = {"node7": ["127.0.0.1"], "node8": ["127.0.0.1"]}


class Site:
    """A gateway that trusts one authority, and backends that speak TLS."""

    def __init__(self, rig: Rig, good: ssl.SSLContext, bad: ssl.SSLContext) -> None:
        self.rig = rig
        self.names: list[str | None] = []
        good.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.good, self.bad, self.plain = Backend("good", context=good), Backend("bad", context=bad), Backend("plain")
        self.websocket = WebsocketBackend(good)

    def declare(self, *links: Link) -> None:
        with resolving(NAMES):
            self.rig.declare("alice", links)

    def link(self, name: str, backend: Backend | WebsocketBackend | None = None, **options: object) -> Link:
        """A link to the good backend, unless told, by verified TLS to node7, unless told."""
        port = (backend or self.good).port
        return Link(name, port, **{"host": "node7", "scheme": "https", **options})  # type: ignore[arg-type]

    def get(self, path: str, **options: object) -> Answer:
        return self.rig.get(path, ALICE, **options)  # type: ignore[arg-type]


def server(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS with a certificate for `name`, and the file with it."""
    file = folder / f"{name}-{len(list(folder.glob('*.pem')))}.pem"
    file.write_text(self_signed([name]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


@pytest.fixture(scope="module")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("certificates")
    good, authority = server(folder, "node7")
    bad, _file = server(folder, "node7")
    users = {"alice": {"logins": [{"name": ALICE[0], "password": ALICE[1]}]}}
    with Rig.temporary(users, gateway_backend_ca=str(authority)) as rig:
        rig.build()
        site = Site(rig, good, bad)
        yield site
        for backend in (site.good, site.bad, site.plain, site.websocket):
            backend.close()


@pytest.fixture
def site(built_site: Site) -> Iterator[Site]:
    """The gateway without any links, and what its backends have seen forgotten."""
    for backend in (built_site.good, built_site.bad, built_site.plain):
        backend.seen.clear()
    built_site.names.clear()
    yield built_site
    built_site.rig.withdraw()


def test_a_certificate_that_is_good_for_the_name_passes(site: Site) -> None:
    site.declare(site.link("run"))
    answer = site.get("/alice/run/a%2Fb?c=d", headers={"Cookie": "vizgate_x=1; mine=2"})
    assert (answer.status, answer.backend) == (200, "good")
    request = site.good.seen[-1]
    assert request.target == "/a%2Fb?c=d"
    assert (request.header("Authorization"), request.header("Cookie")) == (None, None), "none that the link has set"
    assert request.header("X-Forwarded-Proto") == "http", "which is what the browser speaks"
    assert site.names == ["node7"]


@pytest.mark.parametrize(("host", "backend"), [("node8", "good"), ("node7", "bad")])
def test_a_certificate_that_is_not_is_told_so(site: Site, host: str, backend: str) -> None:
    site.declare(site.link("run", getattr(site, backend), host=host))
    for _ in range(4):
        answer = site.get("/alice/run/")
        assert answer.status == 502
        assert "<h1>run cannot be trusted</h1>" in answer.text
        assert f"does not trust for <code>{host}</code>" in answer.text
    assert not site.good.seen + site.bad.seen


def test_no_verified_request_goes_over_a_connection_that_was_not(site: Site) -> None:
    site.declare(
        site.link("good"),
        site.link("other", host="node8"),
        site.link("blind", host="127.0.0.1", verify=False),
        site.link("clear", host="127.0.0.1", scheme="http"),
    )
    for _ in range(12):
        assert site.get("/alice/blind/").status == 200
        assert site.get("/alice/good/").status == 200
        assert site.get("/alice/other/").status == 502
        assert site.get("/alice/clear/").status != 200, "clear text must not find a connection that is encrypted"
    assert {request.header("X-Forwarded-Prefix") for request in site.good.seen} == {"/alice/blind", "/alice/good"}


def test_encrypted_requests_do_not_go_over_kept_plain_connections(site: Site) -> None:
    site.declare(
        site.link("clear", site.plain, host="127.0.0.1", scheme="http"),
        site.link("blind", site.plain, host="127.0.0.1", verify=False),
        site.link("good", site.plain),
    )
    for _ in range(8):
        assert site.get("/alice/clear/").status == 200
        for name in ("blind", "good"):
            answer = site.get(f"/alice/{name}/")
            assert answer.status == 502
            assert f"<h1>{name} speaks no HTTPS</h1>" in answer.text
    assert {request.header("X-Forwarded-Prefix") for request in site.plain.seen} == {"/alice/clear"}


def test_long_heads_pass_as_on_other_links(site: Site) -> None:
    def answer(handler: Handler, request: Request) -> None:
        handler.send_response(200)
        handler.send_header("X-Long", "x" * int(request.target.rpartition("=")[2]))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.good.answers["long"] = answer
    site.declare(site.link("good"), site.link("blind", host="127.0.0.1", verify=False))
    for name in ("good", "blind"):
        assert [site.get(f"/alice/{name}/long?={size}").status for size in (5000, 31000)] == [200, 200]
        refused = site.get(f"/alice/{name}/long?=33000")
        assert refused.status == 502
        assert f"<h1>{name} sends too long response headers</h1>" in refused.text


def test_verification_begins_with_the_change(site: Site) -> None:
    for _ in range(3):
        site.declare(site.link("run", host="node8", verify=False))
        assert [site.get("/alice/run/").status for _ in range(6)] == [200] * 6
        site.declare(site.link("run", host="node8"))
        assert [site.get("/alice/run/").status for _ in range(6)] == [502] * 6


def test_a_dead_backend_is_not_one_that_cannot_be_trusted(site: Site) -> None:
    site.declare(
        Link("run", free_port(), host="node7", scheme="https"), Link("lost", 9000, host="away", scheme="https")
    )
    answer = site.get("/alice/run/")
    assert answer.status == 502
    assert "<h1>run is not running</h1>" in answer.text
    assert "a host that has no address" in site.get("/alice/lost/").text


def test_statuses_speak_tls(site: Site) -> None:
    site.declare(
        site.link("good"),
        site.link("other", host="node8"),
        site.link("bad", site.bad),
        site.link("blind", site.bad, host="127.0.0.1", verify=False),
        site.link("plain", site.plain),
    )
    told = {name: site.get(f"/alice/-/status/{name}") for name in ("good", "other", "bad", "blind", "plain")}
    assert {answer.status for answer in told.values()} == {200}
    answers = {name: json.loads(answer.text)["answers"] for name, answer in told.items()}
    assert answers == {"good": True, "other": False, "bad": False, "blind": True, "plain": False}
    assert site.good.seen[-1].header("Authorization") is None


def test_websockets_and_uploads_are_encrypted_too(site: Site) -> None:
    site.declare(site.link("ws", site.websocket), site.link("run"), site.link("deaf", site.websocket, host="node8"))
    with site.rig.websocket("/alice/ws/x") as client:
        assert client.recv(10) == "/x"
        client.send("hello")
        assert client.recv(10) == "hello"
    assert site.get("/alice/run/", method="POST", body=b"x" * 3_000_000).json()["bytes"] == 3_000_000
    assert site.get("/alice/deaf/").status == 502


@pytest.mark.parametrize("place", ["gate", "127.0.0.1:{port}"])
def test_redirects_to_oneself_stay_below_the_link(site: Site, place: str) -> None:
    site.declare(site.link("run"))
    place = place.format(port=site.good.port)
    path = f"/alice/run/?status=302&header=Location:+https://{place}/next"
    assert site.get(path, headers={"Host": "gate"}).all("Location") == ["/alice/run/next"]


def test_nobody_comes_to_the_places_behind(site: Site) -> None:
    site.declare(site.link("run"))
    for path in ("/-/look", "/@verified", "/@unverified/", "/alice/@unverified/"):
        assert site.get(path).status == 404
