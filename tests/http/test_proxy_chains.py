"""Proxies on another host: two in a row, by IPv6, and asked by who is on the gateway's own host. Real Apaches."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Backends
from proxies import NAME, Network, Site, told, truth
from rig import ALICE, Rig

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes networks")

# the last numbers of addresses; the gateway's own host has the first
HERE, OUTER, INNER, OTHER_OUTER, OTHER_INNER, VISITOR = range(1, 7)
STRANGER = 4711
"""The number of an account that is nobody's, and no service's."""
FORGED = {
    "X_Forwarded_For": "192.0.2.66",
    "X_Forwarded_Proto": "http",
    "X_Forwarded_Host": "evil.example",
}


@dataclasses.dataclass
class Hosts:
    """The gateway, the other host, and where Apaches of it keep their files."""

    rig: Rig
    network: Network
    folder: Path

    @contextlib.contextmanager
    def chain(self, outer: int, inner: int, family: int = 4) -> Iterator[Site]:
        """Two proxies with these addresses: the outer one ends TLS and keeps the host, as the guide has it."""
        gateway, first, last = (self.network.address(number, family) for number in (HERE, outer, inner))
        target = f"[{gateway}]" if family == 6 else gateway
        with (
            Site(
                self.rig,
                self.folder / "inner",
                is_inner=True,
                lines=[f"ProxySourceAddress {last}"],
                address=last,
                target=f"{target}:{self.rig.port}",
                network=self.network,
            ).serve() as second,
            Site(
                self.rig,
                self.folder / "outer",
                lines=["ProxyPreserveHost On", f"ProxySourceAddress {first}"],
                address=first,
                target=second.place,
                network=self.network,
            ).serve() as site,
        ):
            yield site


@pytest.fixture(scope="module")
def hosts(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    users = {
        "alice": {
            "links": [{"name": "echo", "port": backends.alice.port}, {"name": "ws", "port": backends.websocket.port}],
            "logins": [{"name": ALICE[0], "password": ALICE[1]}],
        }
    }
    with Network.cabled(range(OUTER, VISITOR + 1)) as network:
        listen = ["127.0.0.1", "[::1]", network.address(HERE), f"[{network.address(HERE, 6)}]"]
        proxies = [network.address(number, family) for number in (OUTER, INNER) for family in (4, 6)]
        # this host as well, as it is where a proxy comes from one of its addresses
        proxies += [network.address(HERE), "::1"]
        site = {"gateway_public_url": f"https://{NAME}", "gateway_listen_addresses": listen}
        with Rig.temporary(users, gateway_trusted_proxies=proxies, **site) as rig:
            rig.build()
            yield Hosts(rig, network, tmp_path_factory.mktemp("apaches"))


@pytest.fixture(autouse=True)
def forgotten(backends: Backends) -> None:
    backends.alice.seen.clear()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("headers", [{}, FORGED], ids=["honest", "forged"])
def test_two_trusted_proxies_in_a_row_are_as_one(
    hosts: Hosts, backends: Backends, family: int, headers: dict[str, str]
) -> None:
    visitor = hosts.network.address(VISITOR, family)
    with hosts.chain(OUTER, INNER, family) as site:
        assert site.get("/alice/echo/", source=visitor, **headers).status == 200
        assert told(backends) == truth(visitor)
        own = {"Origin": f"https://{NAME}", **headers}
        assert site.get("/alice/echo/", source=visitor, method="POST", **own).status == 200
        assert site.get("/alice/echo/", source=visitor, method="POST", Origin=f"http://{NAME}").status == 403
        assert site.websocket("/alice/ws/room", f"https://{NAME}", visitor) == (101, b"/room")
        (cookie,) = site.get("/alice/echo/?header=Set-Cookie:+s=1", source=visitor).all("Set-Cookie")
        assert "; Secure" in cookie


def test_of_two_proxies_of_which_the_nearest_is_trusted_the_other_is_the_visitor(
    hosts: Hosts, backends: Backends
) -> None:
    with hosts.chain(OTHER_OUTER, INNER) as site:
        assert site.get("/alice/echo/", source=hosts.network.address(VISITOR), **FORGED).status == 200
    # scheme and host are as the trusted one passes them on
    assert told(backends) == truth(hosts.network.address(OTHER_OUTER))


def test_what_comes_by_a_proxy_that_is_not_trusted_says_nothing(hosts: Hosts, backends: Backends) -> None:
    with hosts.chain(OUTER, OTHER_INNER) as site:
        assert site.get("/alice/echo/", source=hosts.network.address(VISITOR), **FORGED).status == 200
    place = f"{hosts.network.address(HERE)}:{hosts.rig.port}"
    assert told(backends) == truth(hosts.network.address(OTHER_INNER), "http", place)


def test_nobody_on_the_gateways_host_forges_by_a_proxy_on_another(hosts: Hosts, backends: Backends) -> None:
    """Where the gateway's own host is trusted as well, the address before its own is the client's word."""
    here = hosts.network.address(HERE)
    with hosts.chain(OUTER, INNER) as site:
        answer = site.get("/alice/echo/", source=here, **FORGED)
        assert (answer.status, backends.alice.seen) == (403, [])
        assert "Proxy headers are not accepted from this program" in answer.text
        assert site.get("/alice/echo/", source=here, X_Forwarded_Proto="http").status == 200
        assert told(backends) == truth(here)


def test_a_proxy_on_this_host_may_come_by_ipv6(hosts: Hosts, backends: Backends) -> None:
    here = hosts.network.address(HERE, 6)
    with Site(hosts.rig, hosts.folder / "local", address=here, target=f"[::1]:{hosts.rig.port}").serve() as site:
        for headers in ({}, FORGED):
            assert site.get("/alice/echo/", source=here, **headers).status == 200
            assert told(backends) == truth(here)
    backends.alice.seen.clear()
    with Site(hosts.rig, hosts.folder / "local", address="::1", target=f"[::1]:{hosts.rig.port}").serve() as site:
        assert site.get("/alice/echo/", source="::1", **FORGED).status == 403
        assert backends.alice.seen == []
        assert site.get("/alice/echo/", source="::1").status == 200
        assert told(backends) == truth("::1")


def test_no_other_account_of_this_host_is_a_proxy_by_ipv6(hosts: Hosts, backends: Backends) -> None:
    place = f"http://[::1]:{hosts.rig.port}/alice/echo/"
    command = ["curl", "-gsS", "-o", "/dev/null", "-w", "%{http_code}", "-u", ":".join(ALICE), place]
    for headers, status in (([], "200"), (["-H", "X-Forwarded-For: 192.0.2.66"], "403")):
        done = subprocess.run(
            [*command, *headers],
            capture_output=True,
            text=True,
            check=True,
            user=STRANGER,
            group=STRANGER,
            extra_groups=[],
            cwd="/",
        )
        assert done.stdout == status
    assert len(backends.alice.seen) == 1
