# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of a change grows with what it changes: four times as many links take about four times the CPU time, not sixteen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import nginx_check
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import resolve as resolve_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.ports.ranges import Ports
from ansible_collections.vizgate.gateway.tests.unit.support import make_gateway, short_folder

LIMIT = 8.0
"""Between the 4 of what grows in proportion and the 16 of what grows with the square."""


def growth(work: Callable[[int], object], size: int) -> float:
    """How many times the CPU time of this thread `work` takes for a `size` four times as large; the best of three, as caches differ."""

    def seconds(size: int) -> float:
        before = time.thread_time()
        work(size)
        return time.thread_time() - before

    return min(seconds(4 * size) for _try in range(3)) / min(seconds(size) for _try in range(3))


def test_the_audit_log_of_many_changes(gateway: Gateway) -> None:
    def work(size: int) -> None:
        step = {"action": "add", "url": "/alice/training/", "target": "127.0.0.1:8097", "user": "alice"}
        assert len(gateway.registry.audit_files("inventory", [step] * size)) == 1

    assert growth(work, 2000) < LIMIT


def test_a_declaration_of_many_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx_check, "check_maps", lambda folder, maps: None)

    def work(size: int) -> None:
        links = tuple(Link(f"link-{number}", 8097) for number in range(size))
        with short_folder() as root:
            assert make_gateway(root).declare("inventory", lambda registry: {"alice": UserData(links)}).changed

    assert growth(work, 1000) < LIMIT


def test_names_of_one_user_with_many_among_many_users(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(hosts: Iterable[str], known: object) -> dict[str, str]:
        return dict.fromkeys(hosts, "10.0.0.1")

    monkeypatch.setattr(resolve_module, "resolve", resolve)

    def work(size: int) -> None:
        many = [f"many{number}" for number in range(size)]
        found = resolve_module.resolve_in_turns([many, *([f"node{number}"] for number in range(size))], {})
        assert len(found) == 2 * size
        # the first name of each user, before the second of the one who has many
        assert "many1" not in list(found)[: size + 1]

    assert growth(work, 1000) < LIMIT


def test_port_ranges_of_many_users() -> None:
    def work(size: int) -> None:
        ports = Ports(20000, 1, 40000).assigned(f"user{number}" for number in range(size))
        assert sorted(holder.number or 0 for holder in ports.holders.values()) == list(range(size))

    assert growth(work, 1000) < LIMIT
