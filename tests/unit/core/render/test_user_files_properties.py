# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the model accepts becomes a configuration that a real nginx serves, in which every URL leads where its own user said."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import (
    LINK,
    LOGIN,
    RESERVED_LINKS,
    RESERVED_USERS,
    USER,
)
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.targets import address_problem
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net import resolve
from ansible_collections.vizgate.gateway.tests.unit.strategies import FEWER, GENERATION, assert_harmless, texts
from ansible_collections.vizgate.gateway.tests.unit.support import (
    HASH,
    OTHER_HASH,
    configure,
    make_gateway,
    serving,
    short_folder,
)
from hypothesis import strategies as st

EVERYWHERE = {"allowed_hosts": ["0.0.0.0/0", "::/0", "*", "*.*", "*.*.*"], "allowed_ports": ["1-65535"]}


# what the model accepts

# words that mean something to nginx, and names that begin like others
USERS = st.sampled_from(["a", "a-b", "a_b", "aa", "_", "default", "include", "hostnames", "volatile", "map", "u" * 32])
LINKS = st.sampled_from(["a", "a.b", "a-b", "aa", "default", "include", "0", "a..b", "a.map", "status", "l" * 63])
user_names = (USERS | st.from_regex(USER, fullmatch=True)).filter(lambda name: name not in RESERVED_USERS)
link_names = (LINKS | st.from_regex(LINK, fullmatch=True)).filter(lambda name: name not in RESERVED_LINKS)
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
addresses = st.ip_addresses().filter(lambda address: address_problem(address) is None)
hosts = addresses.map(str) | st.lists(labels, min_size=1, max_size=3).map(".".join)
links = st.fixed_dictionaries(
    {"name": link_names, "port": st.integers(1, 65535)},
    optional={
        "host": hosts,
        "kind": st.sampled_from(sorted(KINDS)),
        "prefix": st.sampled_from(["keep", "strip", ""]),
        "description": st.text(max_size=200),
    },
)
logins = st.fixed_dictionaries(
    {"name": st.from_regex(LOGIN, fullmatch=True), "password_hash": st.sampled_from([HASH, OTHER_HASH])}
)
users = st.dictionaries(
    user_names,
    st.fixed_dictionaries(
        {
            "links": st.lists(links, max_size=6, unique_by=lambda link: link["name"]),
            "logins": st.lists(logins, max_size=3, unique_by=lambda login: login["name"]),
        }
    ),
    min_size=1,
    max_size=6,
)


def address_of(host: str) -> str | None:
    """What the tests' name server says: the same for one name for ever, another for every name, nothing for some."""
    number = zlib.crc32(host.encode())
    if number % 7 == 0:
        return None
    return (
        f"fd00::{number >> 16:x}:{number & 0xFFFF:x}"
        if number % 5 == 0
        else str(ipaddress.ip_address(0x0B000000 + (number >> 8)))
    )


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers with `address_of`."""

    def getaddrinfo(host: str, *arguments: object, **options: object) -> list[tuple[object, ...]]:
        address = address_of(host)
        if address is None:
            raise OSError("no such host")
        return [(None, None, 0, "", (address, 0))]

    monkeypatch.setattr(resolve.socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(scope="module")
def whole() -> Iterator[tuple[Gateway, str]]:
    """A gateway with nginx's whole configuration, and the path of that."""
    with pytest.MonkeyPatch.context() as patch, short_folder() as root:
        # nothing here loses power, and flushing takes most of the time
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(os, "sync", lambda: None)
        gateway = make_gateway(root, EVERYWHERE)
        yield gateway, configure(gateway)


def emptied(gateway: Gateway) -> Gateway:
    """The gateway with nothing declared, whatever the example before has left."""
    for folder in (
        gateway.paths.users,
        *(os.path.join(gateway.paths.includes, name) for name in ("links.d", "logins.d", "pages")),
    ):
        shutil.rmtree(folder)
        os.mkdir(folder)
    for path in (gateway.paths.addresses, gateway.paths.control):
        Path(path).unlink(missing_ok=True)
    return gateway


def parsed(declared: dict[str, Any]) -> dict[str, UserData]:
    """User → data; all of it has to be right."""
    found = {}
    for user, plain in declared.items():
        found[user], problems = parse_user(plain)
        assert problems == []
    return found


def targets(declared: dict[str, Any]) -> dict[str, str]:
    """What the entries of all links have to be, worked out from what was declared alone."""
    found = {}
    for user, plain in declared.items():
        for link in plain["links"]:
            host = link.get("host", "127.0.0.1")
            try:
                address: Any = ipaddress.ip_address(host)
            except ValueError:
                answer = address_of(host)
                address = ipaddress.ip_address(answer) if answer else None
            written = "" if address is None else f"[{address}]" if address.version == 6 else str(address)
            mode = link.get("prefix") or KINDS[link.get("kind", "http")].prefix
            found[f"{user}/{link['name']}"] = f"{mode} {written}:{link['port']}"
    return found


@FEWER
@hypothesis.given(declared=users)
def test_nginx_serves_exactly_what_every_user_declared(
    whole: tuple[Gateway, str], name_server: None, declared: dict[str, Any]
) -> None:
    gateway, configuration = whole
    data = parsed(declared)
    # nginx -t of the include files is a part of this
    emptied(gateway).declare("inventory", lambda registry: data)
    expected = targets(declared)
    # every user's links, asked for below every user's name, and a few that nobody has
    asked = {f"{user}/{key.partition('/')[2]}" for user in declared for key in expected} | expected.keys()
    asked |= {f"{user}/" for user in declared} | {key + more for key in expected for more in ("/", "x", ".map")}
    with serving(gateway, configuration):
        found = control.served(gateway.paths.control, sorted(asked))
    generations = {user + "/" for user, plain in declared.items() if plain["logins"]}
    for key, value in found.items():
        if key in generations:
            assert re.fullmatch(GENERATION, value)
        else:
            assert value == expected.get(key, "")


@hypothesis.given(declared=users)
def test_include_files_hold_their_users_lines_and_nothing_else(declared: dict[str, Any]) -> None:
    for user, data in parsed(declared).items():
        assert_harmless(user, data)


@FEWER
@hypothesis.given(
    oddities=st.lists(st.tuples(st.sampled_from(["name", "host", "description", "kind", "prefix"]), texts), max_size=12)
)
def test_nginx_takes_whatever_is_accepted(
    whole: tuple[Gateway, str], name_server: None, oddities: list[tuple[str, str]]
) -> None:
    gateway, configuration = whole
    declared = [{"name": f"run{number}", "port": 8097, field: text} for number, (field, text) in enumerate(oddities)]
    data = parse_user({"links": declared, "logins": [{"name": "alice", "password_hash": HASH}]})[0]
    emptied(gateway).declare("inventory", lambda registry: {"alice": data})
    again = gateway.declare("inventory", lambda registry: {"alice": data}, Options(repair=True))
    assert not again.changed
    with serving(gateway, configuration):
        found = control.served(gateway.paths.control, [f"alice/{link.name}" for link in data.links] or ["alice/"])
    assert all(found.values())
