"""A sign-in service behind another proxy: it gets the visitor's address, scheme and host, and people come back by HTTPS."""

from __future__ import annotations

import contextlib
import os
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Backends
from proxies import NAME, Site
from rig import Answer, Rig
from sign_in import BASE, COOKIE, Service
from test_forward_auth import BROWSER

FORGED = {
    "X_Forwarded_For": "192.0.2.66",
    "X_Forwarded_Proto": "http",
    "X_Forwarded_Host": "evil.example",
    "X_Forwarded_Uri": "/evil",
    "X_Real_IP": "192.0.2.66",
    "X_Original_URL": "http://evil.example/",
}
STRANGER = 4711
"""The number of an account that is nobody's, and no service's."""


class Visitors:
    """What comes by Apache to a gateway where one signs in by the service."""

    def __init__(self, site: Site, service: Service) -> None:
        self.site, self.service = site, service

    def get(self, path: str, name: str = "", **headers: str) -> Answer:
        """One request of a visitor who has signed in by this name, or has not."""
        cookie = {"Cookie": f"{COOKIE}=of-{name}"} if name else {}
        return self.site.get(path, "", **cookie, **headers)


@pytest.fixture(scope="module")
def visitors(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitors]:
    users = {"alice": {"links": [{"name": "echo", "port": backends.alice.port}]}}
    with (
        contextlib.closing(Service()) as service,
        Rig.temporary(
            users,
            gateway_auth="forward",
            gateway_forward_auth_url=f"http://127.0.0.1:{service.port}{BASE}/auth",
            gateway_public_url=f"https://{NAME}",
            gateway_trusted_proxies=["127.0.0.1"],
        ) as rig,
    ):
        rig.build()
        with Site(rig, tmp_path_factory.mktemp("apache")).serve() as site:
            yield Visitors(site, service)


@pytest.mark.parametrize("headers", [{}, FORGED], ids=["honest", "forged"])
def test_the_service_is_asked_about_what_the_browser_asked_for(visitors: Visitors, headers: dict[str, str]) -> None:
    assert visitors.get("/alice/echo/a%2Fb?c=d", "alice", **headers).status == 200
    asked = visitors.service.asked[-1]
    expected = {
        "Host": NAME,
        "X-Original-URL": f"https://{NAME}/alice/echo/a%2Fb?c=d",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": NAME,
        "X-Forwarded-Uri": "/alice/echo/a%2Fb?c=d",
        "X-Forwarded-For": "127.2.0.1",
        "X-Real-IP": "127.2.0.1",
    }
    assert {name: asked.header(name) for name in expected} == expected


@pytest.mark.parametrize("headers", [{}, FORGED], ids=["honest", "forged"])
def test_the_services_pages_know_the_browsers_address(visitors: Visitors, headers: dict[str, str]) -> None:
    answer = visitors.get(f"{BASE}/told", **headers)
    assert (answer.status, "evil" in answer.text, "192.0.2.66" in answer.text) == (200, False, False)
    for name, value in (("Proto", "https"), ("Host", NAME), ("For", "127.2.0.1"), ("Uri", f"{BASE}/told")):
        assert f"('X-Forwarded-{name}', '{value}')" in answer.text
    assert f"('Host', '{NAME}')" in answer.text
    assert "('X-Real-IP', '127.2.0.1')" in answer.text


@pytest.mark.parametrize("headers", [{}, FORGED], ids=["honest", "forged"])
def test_who_is_sent_to_sign_in_comes_back_by_https(visitors: Visitors, headers: dict[str, str]) -> None:
    page = f"https://{NAME}/alice/echo/a?b=c"
    sent = visitors.get("/alice/echo/a?b=c", **BROWSER, **headers)
    assert sent.status == 302
    there = urllib.parse.urljoin(page, sent.all("Location")[0])
    assert there == f"https://{NAME}{BASE}/start?rd=%2Falice%2Fecho%2Fa%3Fb%3Dc"
    signed_in = visitors.get(there.removeprefix(f"https://{NAME}"), **headers)
    assert urllib.parse.urljoin(there, signed_in.all("Location")[0]) == page
    cookie = signed_in.all("Set-Cookie")[0].partition(";")[0]
    assert visitors.get("/alice/echo/a?b=c", Cookie=cookie).status == 200


def test_a_service_at_another_address_is_given_the_https_address(
    visitors: Visitors, request: pytest.FixtureRequest
) -> None:
    rig = visitors.site.rig
    path = Path(rig.core.paths.includes, "gateway.conf")
    text = path.read_text()
    request.addfinalizer(rig.reload)
    request.addfinalizer(lambda: path.write_text(text))
    path.write_text(text.replace(f'page = "{BASE}/start?rd="', 'page = "https://auth.example/?rd="'))
    rig.reload()
    (place,) = visitors.get("/alice/echo/", **BROWSER, **FORGED).all("Location")
    assert place == "https://auth.example/?rd=" + urllib.parse.quote(f"https://{NAME}/alice/echo/", safe="")


@pytest.mark.parametrize("path", ["/alice/echo/", f"{BASE}/told"])
def test_nobody_on_this_host_forges_a_visitors_address(visitors: Visitors, path: str) -> None:
    """By the proxy, or directly with its address."""
    before = len(visitors.service.asked)
    answer = visitors.site.get(path, "", "127.0.0.1", Cookie=f"{COOKIE}=of-alice", X_Forwarded_For="192.0.2.66")
    assert answer.status == 403
    assert "Proxy headers are not accepted from this program" in answer.text
    if os.geteuid() != 0:
        pytest.skip("only root can be another account")
    place = f"http://127.0.0.1:{visitors.site.rig.port}{path}"
    command = ["curl", "-sS", "-H", "X-Forwarded-For: 192.0.2.66", "-b", f"{COOKIE}=of-alice", place]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, user=STRANGER, group=STRANGER, extra_groups=[], cwd="/"
    )
    assert "Proxy headers are not accepted from this program" in done.stdout
    assert len(visitors.service.asked) == before
