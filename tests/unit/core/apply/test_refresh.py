# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and addresses: links to hosts that move, that have no address, or whose name servers are slow."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import Locked
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import resolve
from ansible_collections.vizgate.gateway.tests.unit.core.apply.declaring import ALICE, MAP, changes, declare, files, own
from ansible_collections.vizgate.gateway.tests.unit.support import Control, data


def test_a_host_that_does_not_resolve_costs_its_own_link(
    gateway: Gateway, control: Control, names: dict[str, list[str]]
) -> None:
    names["gpu1"] = ["10.0.0.1"]
    users = {"alice": data({"name": "a", "host": "gpu1", "port": 9000}, {"name": "b", "host": "gpu2", "port": 9000})}
    outcome = declare(gateway, users)
    assert changes(outcome.plan) == [
        ("add", "/alice/a/", "gpu1:9000"),
        ("add", "/alice/b/", "gpu2:9000"),
        ("unresolved", "/alice/b/", "gpu2:9000"),
    ]
    assert outcome.unsettled
    assert control.entries["alice/a"] == "strip 10.0.0.1:9000"
    assert control.entries["alice/b"] == "strip :9000"

    names["gpu2"] = ["10.0.0.2"]
    outcome = gateway.refresh()
    assert (outcome.changed, outcome.plan) == (True, [])
    assert control.entries["alice/b"] == "strip 10.0.0.2:9000"
    assert b'"alice/b" "strip 10.0.0.2:9000";' in files(gateway)[MAP.format("alice")]


def test_a_refresh_publishes_what_moved_and_nothing_else(
    gateway: Gateway, control: Control, names: dict[str, list[str]]
) -> None:
    names.update({"gpu1": ["10.0.0.1"], "gpu2": ["10.0.0.2"]})
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})
    declare(gateway, {"bob": data({"name": "b", "host": "gpu2", "port": 9000})})
    names["gpu1"] = ["10.0.0.9"]
    before = files(gateway)
    control.entries.clear()
    assert gateway.refresh().changed
    assert control.entries == {"alice/a": "strip 10.0.0.9:9000"}
    differing = {name for name, content in files(gateway).items() if content != before.get(name)}
    assert differing == {MAP.format("alice"), "var/lib/vizgate/addresses.json"}

    before = files(gateway)
    names.clear()
    assert not gateway.refresh().changed
    assert files(gateway) == before


def test_names_that_nobody_answers_delay_their_own_user_alone(
    gateway: Gateway, control: Control, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    links = [{"name": f"l{number}", "host": f"slow{number}", "port": 9000} for number in range(4 * resolve.THREADS)]
    ended, known = threading.Event(), resolve.socket.getaddrinfo

    def getaddrinfo(host: str, port: object, **options: object) -> list[tuple[object, ...]]:
        if host.startswith("slow"):
            ended.wait(100)
        return known(host, port, **options)

    declare(gateway, {"mallory": data(*links)})
    declare(gateway, {"zoe": data({"name": "a", "host": "zone", "port": 9000})})
    names["zone"] = ["10.0.0.1"]
    monkeypatch.setattr(resolve.socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(resolve.resolve, "__defaults__", (2,))
    gateway.refresh()
    ended.set()
    assert control.entries["zoe/a"] == "strip 10.0.0.1:9000"


def test_a_host_that_moves_moves_for_all_its_users(
    gateway: Gateway, control: Control, names: dict[str, list[str]]
) -> None:
    names["gpu1"] = ["10.0.0.1"]
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})
    declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9000})})
    names["gpu1"] = ["10.0.0.9"]
    # somebody's change comes before the minute's refresh, and learns the new address first
    declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9001})})
    gateway.refresh()
    assert control.entries["bob/b"] == "strip 10.0.0.9:9001"
    assert control.entries["alice/a"] == "strip 10.0.0.9:9000"


def test_what_others_have_is_not_told_when_their_host_moves(gateway: Gateway, names: dict[str, list[str]]) -> None:
    alice = data({"name": "a", "host": "gpu1", "port": 9000}, {"name": "secret", "host": "box", "port": 9000})
    declare(gateway, {"alice": alice})
    names["gpu1"] = ["10.0.0.1"]
    outcome = declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9000})}, "apps")
    assert changes(outcome.plan) == [("add", "/bob/b/", "gpu1:9000")]
    assert b"10.0.0.1" in files(gateway)[MAP.format("alice")], "alice has followed all the same"


@pytest.mark.parametrize("source", ["apps", "self"])
def test_a_name_that_is_new_costs_no_look_at_everybody(
    gateway: Gateway, control: Control, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    declare(gateway, {"alice": ALICE})
    monkeypatch.delattr(type(gateway.registry), "everything")
    names["gpu1"] = ["10.0.0.1"]
    declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9000})}, source)
    assert control.entries["bob/b"] == "strip 10.0.0.1:9000"


def test_a_refresh_forgets_addresses_that_nobody_needs(gateway: Gateway, names: dict[str, list[str]]) -> None:
    names.update({"gpu1": ["10.0.0.1"], "gpu2": ["10.0.0.2"]})
    for host in ("gpu1", "gpu2", "gpu3"):
        declare(gateway, {"alice": data({"name": "a", "host": host, "port": 9000})})
    assert gateway.registry.addresses() == {"gpu1": "10.0.0.1", "gpu2": "10.0.0.2", "gpu3": ""}
    gateway.refresh()
    assert gateway.registry.addresses() == {"gpu3": ""}


def test_a_verifying_run_forgets_addresses_that_nobody_needs(gateway: Gateway, names: dict[str, list[str]]) -> None:
    names.update({"gpu1": ["10.0.0.1"], "gpu2": ["10.0.0.2"]})
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})
    declare(gateway, {"alice": data({"name": "a", "host": "gpu2", "port": 9000})})
    assert gateway.registry.addresses() == {"gpu1": "10.0.0.1", "gpu2": "10.0.0.2"}
    declare(gateway, {"alice": data({"name": "a", "host": "gpu2", "port": 9000})}, repair=True)
    assert gateway.registry.addresses() == {"gpu2": "10.0.0.2"}


@pytest.mark.parametrize("source", ["inventory", "self"])
def test_nobody_waits_for_a_slow_name_server(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]], source: str
) -> None:
    names["gpu1"] = ["10.0.0.1"]
    quick, free = resolve.socket.getaddrinfo, []

    def slow(*arguments: Any, **options: Any) -> Any:
        try:
            with gateway.registry.locked(0.05):
                free.append(True)
        except Locked:
            free.append(False)
        return quick(*arguments, **options)

    monkeypatch.setattr(resolve.socket, "getaddrinfo", slow)
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})}, source)
    gateway.refresh()
    assert free == [True, True]


def test_nobody_waits_while_all_users_are_read(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(gateway, {"alice": ALICE})
    everything, free = gateway.registry.everything, []

    def slow() -> Any:
        with gateway.registry.locked(0.05):
            free.append(True)
        return everything()

    monkeypatch.setattr(gateway.registry, "everything", slow)
    gateway.refresh()
    assert free == [True]


def test_users_own_links_do_not_move_others(gateway: Gateway, control: Control, names: dict[str, list[str]]) -> None:
    names["gpu1"] = ["10.0.0.1"]
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})
    names["gpu1"] = ["10.0.0.9"]
    # or a user with a name server of one's own would have everybody's files read at each change
    declare(gateway, {"bob": data({"name": "b", "host": "gpu1", "port": 9000})}, "self")
    assert control.entries == {"alice/a": "strip 10.0.0.1:9000", "bob/b": "strip 10.0.0.1:9000"}
    gateway.refresh()
    assert control.entries == {"alice/a": "strip 10.0.0.9:9000", "bob/b": "strip 10.0.0.9:9000"}


def test_the_log_of_ones_own_changes_is_ones_own_even_if_others_move(
    gateway: Gateway, names: dict[str, list[str]]
) -> None:
    declare(gateway, {"alice": data({"name": "a", "host": "gpu1", "port": 9000})})  # it has no address
    names["gpu1"] = ["10.0.0.1"]
    own(gateway, "bob", {"name": "b", "host": "gpu1", "port": 9000})
    assert os.listdir(os.path.dirname(gateway.paths.audit("bob"))) == ["bob.jsonl"]
