# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host names become addresses: stable ones, IPv4 first, never a forbidden one, and in bounded time."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import resolve as resolve_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.resolve import is_name, resolve


@pytest.mark.parametrize(
    ("host", "expected"),
    [("gpu1", True), ("gpu1.example", True), ("10.0.0.1", False), ("::1", False), ("fe80::1%1", True)],
)
def test_what_has_to_be_looked_up(host: str, expected: bool) -> None:
    assert is_name(host) is expected


def test_addresses_are_not_looked_up(names: dict[str, list[str]]) -> None:
    names.update({"10.0.0.1": ["10.0.0.2"], "::1": ["::2"]})
    assert resolve(["10.0.0.1", "::1"], {}) == {}


@pytest.mark.parametrize(
    ("answers", "address"),
    [
        (["10.0.0.7"], "10.0.0.7"),
        (["fd00::7"], "fd00::7"),
        (["::1", "127.0.0.1"], "127.0.0.1"),
        (["10.0.0.9", "10.0.0.10", "10.0.0.8"], "10.0.0.8"),
        (["fd00::10", "fd00::9"], "fd00::9"),
        (["FD00:0::7"], "fd00::7"),
        # what may never be a target is no answer
        (["169.254.169.254", "10.0.0.7"], "10.0.0.7"),
        (["169.254.169.254"], None),
        (["fe80::1%eth0"], None),
        (["fe80::1"], None),
        (["::ffff:169.254.169.254"], None),
        (["64:ff9b::a9fe:a9fe"], None),
        (["0.0.0.0"], None),
        (["::"], None),
        (["224.0.0.1"], None),
        ([], None),
    ],
)
def test_the_address_of_a_name(names: dict[str, list[str]], answers: list[str], address: str | None) -> None:
    names["gpu1"] = answers
    assert resolve(["gpu1"], {}) == ({"gpu1": address} if address else {})


def test_a_known_address_stays_while_it_is_among_the_answers(names: dict[str, list[str]]) -> None:
    names["gpu1"] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert resolve(["gpu1"], {"gpu1": "10.0.0.2"}) == {"gpu1": "10.0.0.2"}
    names["gpu1"].remove("10.0.0.2")
    assert resolve(["gpu1"], {"gpu1": "10.0.0.2"}) == {"gpu1": "10.0.0.1"}


def test_a_dead_name_server_takes_no_link_with_it(names: dict[str, list[str]]) -> None:
    assert resolve(["gpu1", "gpu2"], {"gpu1": "10.0.0.1", "gpu3": "10.0.0.3"}) == {"gpu1": "10.0.0.1"}


def test_a_name_that_moves_to_a_forbidden_address_keeps_its_old_one(names: dict[str, list[str]]) -> None:
    names["gpu1"] = ["169.254.169.254"]
    assert resolve(["gpu1"], {"gpu1": "10.0.0.1"}) == {"gpu1": "10.0.0.1"}


def test_a_name_that_the_resolver_cannot_even_encode_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*arguments: object, **options: object) -> None:
        raise UnicodeError("label too long")

    monkeypatch.setattr(resolve_module.socket, "getaddrinfo", getaddrinfo)
    assert resolve(["gpu1"], {}) == {}


def test_the_real_resolver_knows_this_host() -> None:
    assert resolve(["localhost"], {}) == {"localhost": "127.0.0.1"}


def test_many_names_are_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    some = threading.Barrier(8)  # nobody goes on before so many are there

    def getaddrinfo(host: str, *arguments: object, **options: object) -> list[tuple[object, ...]]:
        some.wait(60)
        return [(None, None, 0, "", (f"10.0.0.{host[3:]}", 0))]

    monkeypatch.setattr(resolve_module.socket, "getaddrinfo", getaddrinfo)
    found = resolve([f"gpu{number}" for number in range(64)], {}, seconds=60)
    assert found == {f"gpu{number}": f"10.0.0.{number}" for number in range(64)}


def test_a_name_server_that_hangs_costs_no_more_than_the_time_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def getaddrinfo(host: str, *arguments: object, **options: object) -> list[tuple[object, ...]]:
        if host == "stuck":
            ended.wait(100)
        return [(None, None, 0, "", ("10.0.0.1", 0))]

    monkeypatch.setattr(resolve_module.socket, "getaddrinfo", getaddrinfo)
    started = time.monotonic()
    found = resolve(["stuck", "gpu1", "known"], {"stuck": "10.0.0.9"}, seconds=2)
    ended.set()
    assert found == {"gpu1": "10.0.0.1", "known": "10.0.0.1", "stuck": "10.0.0.9"}
    assert time.monotonic() - started < 60
