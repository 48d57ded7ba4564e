# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any value in any field of a link or login is refused in one fit line, or does no harm."""

from __future__ import annotations

import re
from typing import Any

import hypothesis
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.passwords import hash_password, verify_password
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import LINK, LOGIN
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.text import shown
from ansible_collections.vizgate.gateway.tests.unit.strategies import (
    MORE,
    assert_fit,
    assert_harmless,
    keys,
    texts,
    values,
)
from ansible_collections.vizgate.gateway.tests.unit.support import HASH
from hypothesis import strategies as st


@MORE
@hypothesis.given(
    field=st.sampled_from(["name", "kind", "host", "port", "description", "prefix"]), value=texts | values
)
@hypothesis.example("host", "\u212a")
@hypothesis.example("host", "gpu1\n")
@hypothesis.example("name", "training\n")
@hypothesis.example("description", "</span>" * 28)
def test_any_value_in_a_links_field(field: str, value: Any) -> None:
    declared = {"name": "run1", "port": 8097, field: value}
    data, problems = parse_user({"links": [declared]})
    hypothesis.event(f"{field} {'refused' if problems else 'accepted'}")
    assert_fit([problem.text for problem in problems], f"link {shown(declared['name'])}: ")
    if problems:
        assert data == UserData()
        return
    (link,) = data.links
    assert LINK.fullmatch(link.name)
    assert link.kind in KINDS
    assert re.fullmatch("[a-z0-9.:-]{1,253}", link.host)
    assert type(link.port) is int
    assert 1 <= link.port <= 65535
    assert link.prefix in ("keep", "strip", "")
    assert len(link.description) <= 200
    # nothing was changed on the way, but for the spelling of hosts
    assert getattr(link, field) == value or (field == "host" and value.isascii())
    assert_harmless("alice", data)
    assert parse_user(data.as_json()) == (data, [])


@MORE
@hypothesis.given(field=st.sampled_from(["name", "password", "password_hash"]), value=texts | values)
@hypothesis.example("password_hash", HASH + "\nmallory:" + HASH)
@hypothesis.example("name", "alice:x")
def test_any_value_in_a_logins_field(field: str, value: Any) -> None:
    declared = {"name": "alice", field: value}
    if field == "name":
        declared["password_hash"] = HASH
    data, problems = parse_user({"logins": [declared]})
    assert_fit([problem.text for problem in problems], f"login {shown(declared['name'])}: ")
    if problems:
        assert data == UserData()
        return
    (login,) = data.logins
    assert LOGIN.fullmatch(login.name)
    if login.password_hash:
        assert_harmless("alice", data)


@hypothesis.given(field=st.sampled_from(["password", "password_hash"]), secret=st.text("qwxyz#-äß\n\0", min_size=8))
def test_no_message_shows_a_secret(field: str, secret: str) -> None:
    problems = parse_user({"logins": [{"name": "alice", field: secret}]})[1]
    for text in (secret, ascii(secret)[1:-1], repr(secret)[1:-1]):
        assert text not in "".join(problem.text for problem in problems)


@hypothesis.settings(max_examples=10)
@hypothesis.given(password=st.text(min_size=1, max_size=40))
@hypothesis.example("x" * 72)
@hypothesis.example(" \x85\u2028 ")
@hypothesis.example("a:b\\$c`d`\"e'")
def test_every_accepted_password_can_be_used(password: str) -> None:
    hypothesis.assume(parse_user({"logins": [{"name": "alice", "password": password}]})[1] == [])
    assert verify_password(password, hash_password(password))


@hypothesis.given(where=st.sampled_from(["links", "logins", ""]), key=keys, value=texts | values)
def test_any_other_key_is_refused(where: str, key: Any, value: Any) -> None:
    link = {"name": "run1", "port": 8097}
    login = {"name": "alice", "password_hash": HASH}
    known = {
        "": ("links", "logins"),
        "links": Link._fields,
        "logins": ("name", "password", "password_hash"),
    }
    hypothesis.assume(key not in known[where])
    declared: dict[Any, Any] = {"links": [link], "logins": [login]}
    (declared[where][0] if where else declared)[key] = value
    problems = [problem.text for problem in parse_user(declared)[1]]
    owner = {"": "the file", "links": "link 'run1'", "logins": "login 'alice'"}[where]
    assert len(problems) == 1
    assert_fit(problems, f"{owner}: unknown key {shown(key)}; ")


@hypothesis.given(
    declared=values | st.dictionaries(st.sampled_from(["links", "logins"]), values | st.lists(values, max_size=4))
)
def test_any_data_at_all(declared: Any) -> None:
    data, problems = parse_user(declared)
    assert_fit([problem.text for problem in problems])
    assert_harmless("alice", data)
