# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users' port ranges: who has which, what a link may lead to, whom the gateway trusts, and what the kernel is told."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.listeners import Listening
from ansible_collections.vizgate.gateway.plugins.module_utils._core.ports import loopback_filter
from ansible_collections.vizgate.gateway.plugins.module_utils._core.ports import ranges as ranges_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.ports.ranges import (
    Holder,
    ListenerPolicy,
    Ports,
)
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render import user_files
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice.dispatch import answer
from ansible_collections.vizgate.gateway.tests.unit.support import POLICY, Control, data
from hypothesis import given

RANGES = {**POLICY, "port_range_start": 20000, "port_range_size": 100, "port_range_users": 3}
PORTS = Ports(20000, 100, 3, {"alice": Holder(1, 1001), "bob": Holder(0, 1002), "team": Holder(None, None)})


# ranges and their holders


def test_a_user_has_a_range() -> None:
    assert (PORTS.of("alice"), PORTS.of("bob")) == (range(20100, 20200), range(20000, 20100))
    assert (PORTS.of("team"), PORTS.of("nobody")) == (None, None)
    assert PORTS.whole == range(20000, 20300)
    assert [PORTS.holder_of(port) for port in (20199, 20200, 19999, 20000)] == ["alice", "", "", "bob"]


def test_the_lowest_range_that_is_free_is_assigned_for_good() -> None:
    coming = PORTS.assigned(["team", "alice"])
    assert {user: holder.number for user, holder in coming.holders.items()} == {"alice": 1, "bob": 0, "team": 2}
    assert coming.holders["alice"].uid == 1001


def test_when_all_are_taken_those_of_who_is_gone_are_used_again() -> None:
    full = PORTS.assigned(["team"])
    with pytest.raises(InvalidData, match=r"user 'dave': all 3 port ranges are taken; ask the administrator"):
        full.assigned(["dave"])
    coming = full.assigned(["dave"], gone={"bob"})
    assert (coming.of("dave"), "bob" in coming.holders) == (range(20000, 20100), False)
    assert PORTS.assigned(["dave"], gone={"bob"}).of("bob"), "as long as another is free"


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e"])), st.integers(1, 5))
def test_no_two_users_share_a_port(users: list[str], size: int) -> None:
    ports = Ports(2000, size, 5)
    for user in users:
        before = {known: ports.of(known) for known in ports.holders}
        ports = ports.assigned([user])
        assert {known: ports.of(known) for known in before} == before
    held = [port for user in ports.holders for port in ports.of(user) or ()]
    assert len(set(held)) == len(held) == size * len(set(users))
    assert set(held) <= set(ports.whole)
    assert Ports.parse(policy(2000, size, 5), json.loads(ports.as_json()), "x") == ports


def policy(start: int, size: int, users: int, *allowed: str) -> Policy:
    return Policy(
        ("127.0.0.0/8",),
        allowed or ("1024-65535",),
        "the policy",
        self_service=True,
        port_range_start=start,
        port_range_size=size,
        port_range_users=users,
    ).checked()


@pytest.mark.parametrize(
    "found",
    [[], {"alice": 1}, {"A/b": {"number": 1}}, {"a": {"number": 1, "uid": 2}, "b": {"number": 1, "uid": 3}}],
)
def test_a_damaged_registry_is_an_error(found: object) -> None:
    with pytest.raises(InvalidData, match=r"^here is damaged; restore it from a backup"):
        Ports.parse(policy(2000, 1, 1), found, "here")


@pytest.mark.parametrize(
    ("ranges", "allowed", "says"),
    [
        ((20000, 100, 100), "1024-65535", ""),
        ((20000, 100, 100), "20000-24999 25000-29999", ""),
        ((60000, 100, 100), "1024-65535", "100 port ranges of 100 from 60000 on are ports 60000-69999; choose"),
        ((80, 1, 1), "1-65535", "1 port ranges of 1 from 80 on"),
        ((2000, 0, 1), "1-65535", "1 port ranges of 0 from 2000 on"),
        ((-5, 1, 1), "1-65535", "from -5 on"),
        ((20000, 100, 100), "8000-24999", "port 25000 of users' port ranges 20000-29999 is not in allowed_ports"),
        ((20000, 100, 100), "8000-8999", "port 20000 of users' port ranges"),
    ],
)
def test_ranges_lie_where_links_may_lead(ranges: tuple[int, int, int], allowed: str, says: str) -> None:
    problem = ""
    try:
        policy(*ranges, *allowed.split())
    except InvalidData as error:
        problem = str(error)
    assert says in problem
    assert bool(says) == bool(problem)


# links


@pytest.mark.parametrize(
    ("user", "port", "own", "says"),
    [
        ("alice", 20100, True, None),
        (
            "alice",
            20099,
            True,
            "port 20099 of this host is not in alice's own range: alice has 20100-20199; vizgate ports",
        ),
        ("alice", 8097, True, "port 8097 of this host is not in alice's own range"),
        ("dave", 8097, True, "dave has no range yet"),
        ("alice", 20199, False, None),
        ("alice", 8097, False, None),
        (
            "alice",
            20000,
            False,
            "port 20000 of this host is in bob's range; alice has 20100-20199; ports outside of 20000-20299 are not restricted",
        ),
        ("alice", 20200, False, "port 20200 of this host is in an unassigned range"),
    ],
)
def test_which_ports_a_link_may_lead_to(user: str, port: int, own: bool, says: str | None) -> None:
    problem = PORTS.problem(user, Link("x", port), own)
    assert problem is None if says is None else problem and says in problem


HERE = frozenset({"127.0.0.1"})


@pytest.mark.parametrize(
    ("watch", "link", "expected"),
    [
        (ListenerPolicy(1001, PORTS.whole, local=HERE), Link("x", 20100), " 1001"),
        (ListenerPolicy(1001, PORTS.whole, local=HERE), Link("x", 3000), " 1001 1000"),
        (ListenerPolicy(1001, PORTS.whole, frozenset("x"), HERE), Link("x", 3000), " 1001"),
        (ListenerPolicy(None, PORTS.whole, local=HERE), Link("x", 20100), " 0"),
        (ListenerPolicy(None, PORTS.whole, local=HERE), Link("x", 3000), ""),
        (ListenerPolicy(1001, PORTS.whole, local=frozenset()), Link("x", 20100), ""),
        (ListenerPolicy(1001, PORTS.whole, local=HERE), Link("x", socket="/a"), ""),
    ],
)
def test_whom_a_link_trusts(watch: ListenerPolicy, link: Link, expected: str) -> None:
    assert watch.trusted(link, "127.0.0.1") == expected


def of(owners: Mapping[tuple[str, int], int]) -> Listening:
    """A host where these accounts listen."""

    class Known(Listening):
        def owner(self, host: str, port: int) -> int | None:
            return owners.get((host, port))

    return Known()


@pytest.mark.parametrize(
    ("trusted", "uids"),
    [
        ("", [0, 33, 998, 1001, 1002, 61184, 65519, 65534]),
        (" 1001", [0, 1001]),
        (" 1001 1000", [0, 33, 998, 1001, 61184, 65519]),
        (" 0", [0]),
    ],
)
def test_whose_listeners_an_entry_trusts(trusted: str, uids: list[int]) -> None:
    entry = f"keep 127.0.0.1:20001{trusted}"
    everybody = (0, 33, 998, 1001, 1002, 61184, 65519, 65534)
    assert [uid for uid in everybody if ranges_module.is_trusted(entry, uid)] == uids
    assert [
        uid for uid in everybody if not loopback_filter.foreign_listener(entry, of({("127.0.0.1", 20001): uid}))
    ] == uids


def test_a_link_without_a_listener_is_nobodys_prey() -> None:
    assert loopback_filter.foreign_listener("keep 127.0.0.1:20001 1001", of({("127.0.0.1", 20002): 1002})) == ""
    assert loopback_filter.foreign_listener("keep [::1]:20001 1001", of({("::1", 20001): 60123})) == "60123"
    assert loopback_filter.foreign_listener("", of({})) == ""


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:7f00:1", "127.0.0.1"),
        ("::1", "::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("", ""),
    ],
)
def test_addresses_are_as_the_kernel_takes_them(host: str, plain: str) -> None:
    assert ranges_module.plain_address(host) == plain


def test_an_entry_has_the_address_that_is_looked_for() -> None:
    links = data({"name": "x", "port": 20100, "host": "::ffff:127.0.0.1"}, {"name": "y", "port": 20100, "host": "::1"})
    watch = ListenerPolicy(1001, PORTS.whole, local=frozenset({"127.0.0.1", "::1"}))
    assert user_files.entries("alice", links, {}, watch) == {
        "alice/x": "strip 127.0.0.1:20100 1001",
        "alice/y": "strip [::1]:20100 1001",
    }


def test_an_account_that_cannot_be_asked_for_keeps_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    class Accounts:
        names: Mapping[str, int] = {"alice": 1001, "dave": 1004}

        def getpwnam(self, name: str) -> Any:
            return type("Entry", (), {"pw_uid": self.names[name]})

        def getpwuid(self, uid: int) -> None:
            if uid not in self.names.values():
                raise KeyError(uid)

    monkeypatch.setattr(ranges_module, "pwd", Accounts())
    assert ranges_module.account("alice", None) == 1001
    assert ranges_module.account("alice", 7) == 1001, "an account has another number now"
    assert ranges_module.account("carol", 1003) == 1003, "nobody else has it"
    assert ranges_module.account("carol", 1004) is None, "it is dave's by now"
    assert ranges_module.account("carol", None) is None


# rules


def test_the_kernel_is_told_everything_in_one_transaction() -> None:
    text = ranges_module.guard_rules(PORTS.assigned(["team"]), 33)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[1:4] == ["table inet vizgate", "delete table inet vizgate", "table inet vizgate {"]
    assert "elements = { 20000-20099, 20100-20199, 20200-20299 }" in lines
    assert "elements = { 1002 . 20000-20099, 1001 . 20100-20199 }" in lines, "team has no account"
    assert 'oifname "lo" tcp dport 20000-20299 tcp flags & (fin | syn | rst | ack) == syn goto guard' in lines
    here = "fib daddr type { local, anycast, broadcast, multicast }"
    assert f"udp sport 20000-20299 udp dport 1024-65535 {here} jump senders" in lines
    assert f"udp dport 20000-20299 {here} goto datagrams" in lines
    assert lines[-7:-1] == [
        "meta skuid 0 accept",
        "meta skuid 33 tcp dport @held accept",
        "meta skuid . th dport @owners accept",
        "meta l4proto tcp reject with tcp reset",
        "reject",
        "}",
    ]
    assert text.count("{") == text.count("}")


def test_sets_of_nothing_have_no_elements() -> None:
    assert "elements" not in ranges_module.guard_rules(Ports(20000, 100, 3), 33)


# in the gateway; below a root that is not /, everybody's programs are whoever runs the tests


@pytest.fixture
def ranged(gateway: Gateway, control: Control) -> Gateway:
    Path(gateway.paths.policy).write_text(json.dumps(RANGES))
    return gateway


def ask(gateway: Gateway, user: str, **request: Any) -> dict[str, Any]:
    return answer(gateway, user, request)


def held(gateway: Gateway) -> dict[str, int]:
    try:
        found = json.loads(Path(gateway.paths.ports).read_text())
    except FileNotFoundError:
        return {}
    return {user: holder["number"] for user, holder in found.items()}


def test_a_range_is_told_and_stays(ranged: Gateway) -> None:
    assert ask(ranged, "alice", do="show").get("ports", "missing") is None
    for _ in range(2):
        assert ask(ranged, "bob", do="ports") == {"user": "bob", "ports": {"first": 20000, "last": 20099}, "links": []}
    assert ask(ranged, "alice", do="ports")["ports"] == {"first": 20100, "last": 20199}
    assert ask(ranged, "alice", do="show")["ports"] == {"first": 20100, "last": 20199}
    assert held(ranged) == {"bob": 0, "alice": 1}
    assert not os.path.exists(ranged.paths.journal)


def test_without_ranges_there_are_none(gateway: Gateway, control: Control) -> None:
    assert "no port ranges" in ask(gateway, "alice", do="ports")["unavailable"]
    assert "ports" not in ask(gateway, "alice", do="show")
    assert "plan" in ask(gateway, "alice", do="add", link={"name": "t", "port": 8097})
    assert control.entries["alice/t"] == "strip 127.0.0.1:8097"
    assert "quarantined" not in ask(gateway, "alice", do="show")["links"][0]
    assert held(gateway) == {}


def test_a_refusal_names_a_range_that_is_then_really_theirs(ranged: Gateway) -> None:
    ask(ranged, "bob", do="ports")
    (problem,) = ask(ranged, "alice", do="add", link={"name": "t", "port": 8097})["problems"]
    assert problem == (
        "user 'alice': link 't': port 8097 of this host is not in alice's own range: alice has 20100-20199; vizgate ports"
        " shows a free port"
    )
    assert held(ranged) == {"bob": 0, "alice": 1}
    assert ranged.registry.sources("alice") == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1", "name"])
def test_all_ways_to_this_host_are_this_host(ranged: Gateway, names: dict[str, list[str]], host: str) -> None:
    names["name"] = ["127.0.0.1"]
    Path(ranged.paths.policy).write_text(
        json.dumps({**RANGES, "allowed_hosts": ["127.0.0.0/8", "::1", "10.0.0.0/8", "*"]})
    )
    assert "problems" in ask(ranged, "alice", do="add", link={"name": "t", "host": host, "port": 20100})
    assert "plan" in ask(ranged, "alice", do="add", link={"name": "t", "host": host, "port": 20000})


def test_other_machines_and_sockets_have_nothing_to_do_with_ranges(ranged: Gateway) -> None:
    path = ranged.paths.sockets("alice") + "/s"
    for link in ({"host": "10.255.255.1", "port": 8097}, {"socket": path}):
        assert "plan" in ask(ranged, "alice", do="add", link={"name": f"t{len(link)}", **link})
    assert held(ranged) == {}


def test_inventory_may_use_any_port_but_anothers(ranged: Gateway, control: Control) -> None:
    ask(ranged, "bob", do="ports")
    outside, inside = data({"name": "x", "port": 3000}), data({"name": "x", "port": 20101})
    ranged.declare("inventory", lambda _: {"alice": outside})
    assert control.entries["alice/x"] == f"strip 127.0.0.1:3000 {os.getuid()} 1000"
    assert held(ranged) == {"bob": 0, "alice": None}
    ranged.declare("inventory", lambda _: {"alice": inside})
    assert control.entries["alice/x"] == f"strip 127.0.0.1:20101 {os.getuid()}"
    assert held(ranged) == {"bob": 0, "alice": 1}
    with pytest.raises(InvalidData, match=r"port 20001 of this host is in bob's range; alice has 20100-20199"):
        ranged.declare("inventory", lambda _: {"alice": data({"name": "x", "port": 20001})})


def test_a_name_that_comes_to_lead_into_anothers_range_refuses_nobody(
    ranged: Gateway, control: Control, names: dict[str, list[str]]
) -> None:
    ask(ranged, "bob", do="ports")
    names["viz"] = ["127.0.0.1"]
    declared = {"alice": data({"name": "x", "host": "viz", "port": 20001}), "carol": data({"name": "y", "port": 3000})}
    ranged.declare("inventory", lambda _: declared)
    assert "carol/y" in control.entries
    assert control.entries["alice/x"] == f"strip 127.0.0.1:20001 {os.getuid()}", "bob's listener is not trusted"


def test_what_a_user_had_before_there_were_ranges_stays(gateway: Gateway, control: Control) -> None:
    ask(gateway, "alice", do="add", link={"name": "old", "port": 8097})
    Path(gateway.paths.policy).write_text(json.dumps(RANGES))
    gateway.declare("inventory", lambda _: {}, Options(prune=True, repair=True))
    assert control.entries["alice/old"] == f"strip 127.0.0.1:8097 {os.getuid()}"
    assert "plan" in ask(gateway, "alice", do="add", link={"name": "new", "port": 20000})
    assert "plan" in ask(gateway, "alice", do="remove", name="old")
    Path(gateway.paths.policy).write_text(json.dumps(POLICY))
    gateway.declare("inventory", lambda _: {}, Options(prune=True, repair=True))
    assert control.entries["alice/new"] == "strip 127.0.0.1:20000"


def test_taking_all_own_links_away_needs_nothing_of_others(ranged: Gateway) -> None:
    ranged.declare("inventory", lambda _: {"bob": data({"name": "x", "port": 3000})})
    ask(ranged, "alice", do="add", link={"name": "t", "port": 20000})
    ranged.declare("self", lambda _: {}, Options(prune=True, repair=True))
    assert {user: set(sources) for user, sources in ranged.registry.everything().items()} == {"bob": {"inventory"}}


def test_check_mode_assigns_nothing(ranged: Gateway) -> None:
    outcome = ranged.declare("inventory", lambda _: {"alice": data({"name": "x", "port": 20001})}, Options(check=True))
    assert (outcome.changed, held(ranged)) == (True, {})


def test_another_account_is_another_entry(ranged: Gateway, control: Control) -> None:
    """The refresh finds it, within a minute."""
    path = Path(ranged.paths.ports)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loopback_filter, "uids", lambda users, *_: dict.fromkeys(users, 4321))
        ask(ranged, "alice", do="add", link={"name": "t", "port": 20000})
    assert json.loads(path.read_text()) == {"alice": {"number": 0, "uid": 4321}}
    assert control.entries["alice/t"] == "strip 127.0.0.1:20000 4321"
    ranged.refresh()
    assert json.loads(path.read_text()) == {"alice": {"number": 0, "uid": os.getuid()}}
    assert control.entries["alice/t"] == f"strip 127.0.0.1:20000 {os.getuid()}"
    assert ranged.drift() == []


def test_all_ranges_taken_is_told(ranged: Gateway) -> None:
    for user in ("a", "b", "c"):
        ask(ranged, user, do="ports")
    assert "all 3 port ranges are taken" in ask(ranged, "d", do="ports")["problems"][0]


# the guard; nft is only pretended here


class Kernel:
    """What nft is asked for, and whether it does it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loaded: list[str] = []
        self.refuses, self.has_table = False, True
        monkeypatch.setattr(loopback_filter, "_nft", self)

    def __call__(self, *words: str, text: str = "") -> Any:
        done = not self.refuses if words[0] == "-f" else self.has_table
        if words[0] == "-f" and done:
            self.loaded.append(text)
        return type("Done", (), {"returncode": 0 if done else 1, "stderr": "no such thing\nmore"})


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_the_guard_is_left_alone_where_it_is_off(ranged: Gateway, kernel: Kernel) -> None:
    ask(ranged, "alice", do="ports")
    ranged.refresh()
    assert kernel.loaded == []


def test_the_guard_follows_the_ranges(ranged: Gateway, kernel: Kernel) -> None:
    assert loopback_filter.switch(ranged.paths, ranged.registry.ports(ranged.registry.policy()))
    ask(ranged, "alice", do="ports")
    assert [f"{os.getuid()} . 20000-20099" in text for text in kernel.loaded] == [False, True]
    assert Path(ranged.paths.guard).read_text() == kernel.loaded[-1]
    ranged.refresh()
    assert len(kernel.loaded) == 2, "it is as it should be"
    kernel.has_table = False
    ranged.refresh()
    assert len(kernel.loaded) == 3, "somebody has emptied the kernel's tables"
    ranged.declare("inventory", lambda _: {"bob": data({"name": "x", "port": 20101})})
    assert "20100-20199" in kernel.loaded[3]


def test_a_kernel_that_refuses_is_asked_again(ranged: Gateway, kernel: Kernel) -> None:
    loopback_filter.switch(ranged.paths, ranged.registry.ports(ranged.registry.policy()))
    kernel.refuses = True
    assert "ports" in ask(ranged, "alice", do="ports")
    assert ranged.refresh().warnings == ["nft rejects the rules of the loopback filter: no such thing"]
    kernel.refuses = False
    assert ranged.refresh().warnings == []
    assert "20000-20099" in Path(ranged.paths.guard).read_text()


def test_the_guard_is_switched_once(ranged: Gateway, kernel: Kernel) -> None:
    ports = ranged.registry.ports(ranged.registry.policy())
    assert [loopback_filter.switch(ranged.paths, ports, check=True), loopback_filter.switch(ranged.paths, ports)] == [
        True,
        True,
    ]
    assert [loopback_filter.switch(ranged.paths, ports, check=True), loopback_filter.switch(ranged.paths, ports)] == [
        False,
        False,
    ]
    assert [loopback_filter.switch(ranged.paths, None, check=True), loopback_filter.switch(ranged.paths, None)] == [
        True,
        True,
    ]
    assert loopback_filter.switch(ranged.paths, None) is False
    assert not os.path.exists(ranged.paths.guard)
