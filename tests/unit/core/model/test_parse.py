# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be declared, links above all: every refusal with its exact words, and how it is read."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import OTHERS
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import Problem, parse_user
from ansible_collections.vizgate.gateway.tests.unit.core.model.declared import problems
from ansible_collections.vizgate.gateway.tests.unit.support import HASH


@pytest.mark.parametrize(
    ("more", "target", "told"),
    [
        ({"host": "node7"}, "node7:8443", {}),
        ({"host": "node7", "scheme": "http", "verify": True}, "node7:8443", {}),
        ({"host": "node7", "scheme": "https"}, "https://node7:8443", {"scheme": "https", "verify": True}),
        (
            {"host": "fd00::7", "scheme": "https", "verify": False},
            "https://[fd00::7]:8443",
            {"scheme": "https", "verify": False},
        ),
    ],
)
def test_schemes(more: dict[str, Any], target: str, told: dict[str, Any]) -> None:
    found, wrong = parse_user({"links": [{"name": "a", "port": 8443, **more}]})
    assert not wrong
    assert found.links[0].target == target
    assert {key: value for key, value in found.links[0].as_json().items() if key in ("scheme", "verify")} == told
    assert parse_user(found.as_json())[0] == found


@pytest.mark.parametrize(
    ("link", "text"),
    [
        ({"port": None}, "link 'run1': it has no port"),
        ({"port": 0}, "link 'run1': port 0 is not in 1-65535"),
        ({"port": -1}, "link 'run1': port -1 is not in 1-65535"),
        ({"port": 65536}, "link 'run1': port 65536 is not in 1-65535"),
        ({"port": 99999}, "link 'run1': port 99999 is not in 1-65535"),
        ({"port": True}, "link 'run1': port 'True' is not a number; write it without quotes"),
        ({"port": False}, "link 'run1': port 'False' is not a number; write it without quotes"),
        ({"port": "8097"}, "link 'run1': port '8097' is not a number; write it without quotes"),
        (
            {"port": "\uff18\uff10\uff19\uff17"},
            r"link 'run1': port '\uff18\uff10\uff19\uff17' is not a number; write it without quotes",
        ),
        ({"port": 8097.0}, "link 'run1': port '8097.0' is not a number; write it without quotes"),
        ({"port": float("nan")}, "link 'run1': port 'nan' is not a number; write it without quotes"),
        ({"port": [8097]}, "link 'run1': port '[8097]' is not a number; write it without quotes"),
        ({"kind": "visdon"}, "link 'run1': kind 'visdon' is not known; did you mean 'visdom'?"),
        ({"kind": "Jupyter"}, "link 'run1': kind 'Jupyter' is not known; did you mean 'jupyter'?"),
        ({"kind": "zzz"}, "link 'run1': kind 'zzz' is not known; " + OTHERS),
        # the tools of the guide that have no kind are not taken for those that have one
        *(
            ({"kind": tool}, f"link 'run1': kind '{tool}' is not known; " + OTHERS)
            for tool in ("rstudio", "ttyd", "code-server", "ray")
        ),
        ({"kind": None}, "link 'run1': kind 'None' is not known; " + OTHERS),
        ({"kind": ["http"]}, "link 'run1': kind \"['http']\" is not known; did you mean 'http'?"),
        ({"kind": "http\n"}, r"link 'run1': kind 'http\n' is not known; did you mean 'http'?"),
        ({"description": "x" * 201}, "link 'run1': the description has 201 characters; 200 is the limit"),
        ({"description": "x" * 10000}, "link 'run1': the description has 10000 characters; 200 is the limit"),
        ({"description": None}, "link 'run1': description 'None' is not a text; quote it"),
        ({"description": 12}, "link 'run1': description '12' is not a text; quote it"),
        (
            {"description": datetime.date(2026, 1, 2)},
            "link 'run1': description '2026-01-02' is not a text; quote it",
        ),
        ({"description": "a\ud800"}, "link 'run1': the description is not valid Unicode"),
        ({"prefix": "kept"}, "link 'run1': prefix 'kept' is not 'keep', 'strip' or 'host'"),
        ({"prefix": None}, "link 'run1': prefix 'None' is not 'keep', 'strip' or 'host'"),
        ({"prefix": ["keep"]}, "link 'run1': prefix \"['keep']\" is not 'keep', 'strip' or 'host'"),
        ({"prefix": "strip\n"}, r"link 'run1': prefix 'strip\n' is not 'keep', 'strip' or 'host'"),
        ({"scheme": "ftp"}, "link 'run1': scheme 'ftp' is neither 'http' nor 'https'"),
        ({"scheme": None}, "link 'run1': scheme 'None' is neither 'http' nor 'https'"),
        ({"scheme": "https", "host": "node7", "verify": "no"}, "link 'run1': verify 'no' is neither true nor false"),
        (
            {"verify": False},
            "link 'run1': verify has no effect without scheme 'https'; remove verify, or set scheme: https",
        ),
        *(
            (
                {"scheme": "https", **host},
                "link 'run1': a certificate is verified for a host name; give the host as a name, or verify: false",
            )
            for host in ({}, {"host": "10.0.0.7"}, {"host": "::1"}, {"verify": True})
        ),
        (
            {"scheme": "https", "port": None, "socket": "/run/a.sock"},
            "link 'run1': a unix socket does not need https; remove scheme",
        ),
        ({"prot": 1}, "link 'run1': unknown key 'prot'; did you mean 'port'?"),
        ({"descripton": ""}, "link 'run1': unknown key 'descripton'; did you mean 'description'?"),
        (
            {"zzz": 1},
            "link 'run1': unknown key 'zzz'; known keys: name, port, kind, host, description, prefix, socket, scheme, verify",
        ),
        (
            {5: 1},
            "link 'run1': unknown key '5'; known keys: name, port, kind, host, description, prefix, socket, scheme, verify",
        ),
        ({"mode": 1}, "link 'run1': unknown key 'mode'; did you mean 'name'?"),
        ({"port\n": 1}, r"link 'run1': unknown key 'port\n'; did you mean 'port'?"),
        ({"name": "Run"}, "link 'Run': the name is not of the form [a-z0-9][a-z0-9._-]{0,62}"),
        ({"name": "robots.txt"}, "link 'robots.txt': the name is reserved; take another"),
    ],
)
def test_links_that_are_refused(link: dict[Any, Any], text: str) -> None:
    assert problems(link=link) == [text]


def test_a_link_needs_name_and_port() -> None:
    assert [problem.text for problem in parse_user({"links": [{}]})[1]] == [
        "link: it has no name",
        "link 'None': it has no port",
    ]


@pytest.mark.parametrize("port", [1, 80, 8097, 65535])
def test_ports(port: int) -> None:
    assert problems(link={"port": port}) == []


@pytest.mark.parametrize("description", ["", "x" * 200, "ü" * 200, "a\nb\0\u2028\u202e<b>&\"'"])
def test_descriptions_are_any_text(description: str) -> None:
    assert problems(link={"description": description}) == []


def test_a_link_takes_its_defaults() -> None:
    assert parse_user({"links": [{"name": "a", "port": 8097}]}) == (
        UserData((Link("a", 8097, "http", "127.0.0.1"),)),
        [],
    )


@pytest.mark.parametrize(
    ("kind", "prefix", "mode"),
    [("http", "", "strip"), ("visdom", "", "keep"), ("http", "keep", "keep"), ("visdom", "strip", "strip")],
)
def test_a_links_prefix_overrules_its_kind(kind: str, prefix: str, mode: str) -> None:
    assert Link("a", 1, kind, prefix=prefix).mode == mode


@pytest.mark.parametrize(
    ("host", "target"), [("10.0.0.1", "10.0.0.1:80"), ("::1", "[::1]:80"), ("gpu1.example", "gpu1.example:80")]
)
def test_a_links_target_is_written_as_people_write_it(host: str, target: str) -> None:
    assert Link("a", 80, host=host).target == target


# the whole


@pytest.mark.parametrize("data", [None, {}, {"links": None}, {"links": [], "logins": []}])
def test_nothing_declared(data: object) -> None:
    assert parse_user(data) == (UserData(), [])


@pytest.mark.parametrize(
    ("data", "path", "text"),
    [
        ([], (), "'[]' is not a mapping with the keys links and logins"),
        ("links", (), "'links' is not a mapping with the keys links and logins"),
        (0, (), "'0' is not a mapping with the keys links and logins"),
        ({"link": []}, ("link",), "the file: unknown key 'link'; did you mean 'links'?"),
        ({"xyz": []}, ("xyz",), "the file: unknown key 'xyz'; known keys: links, logins, apps"),
        ({None: []}, (None,), "the file: unknown key 'None'; known keys: links, logins, apps"),
        ({"links": {}}, ("links",), "links: '{}' is not a list of links"),
        ({"links": "a"}, ("links",), "links: 'a' is not a list of links"),
        ({"logins": 0}, ("logins",), "logins: '0' is not a list of logins"),
        ({"links": ["a"]}, ("links", 0), "links: 'a' is not a mapping like '- name: …'"),
        ({"logins": [None]}, ("logins", 0), "logins: 'None' is not a mapping like '- name: …'"),
    ],
)
def test_data_of_another_shape(data: object, path: tuple[str | int, ...], text: str) -> None:
    assert parse_user(data) == (UserData(), [Problem(path, text)])


def test_names_are_declared_once() -> None:
    links = [{"name": "a", "port": 1}, {"name": "b", "port": 2}, {"name": "a", "port": 3}]
    logins = [{"name": "x", "password": "1"}, {"name": "x", "password": "2"}]
    found, refused = parse_user({"links": links, "logins": logins})
    assert refused == [
        Problem(("links", 2), "link 'a': declared twice"),
        Problem(("logins", 1), "login 'x': declared twice"),
    ]
    assert [(link.name, link.port) for link in found.links] == [("a", 1), ("b", 2)]


def test_a_link_may_have_the_name_of_a_login() -> None:
    assert parse_user({"links": [{"name": "a", "port": 1}], "logins": [{"name": "a", "password": "1"}]})[1] == []


def test_every_problem_is_reported_with_its_path_and_the_good_is_kept() -> None:
    found, refused = parse_user(
        {
            "links": [
                {"name": "good", "port": 8097},
                {"name": "BAD", "port": 0, "host": "a b", "colour": "red"},
                7,
            ],
            "logins": [{"name": "x"}],
        }
    )
    assert [problem.path for problem in refused] == [
        ("links", 2),
        ("links", 1, "colour"),
        ("links", 1, "name"),
        ("links", 1, "host"),
        ("links", 1, "port"),
        ("logins", 0),
    ]
    assert [link.name for link in found.links] == ["good"]


def test_the_order_of_declaration_does_not_matter() -> None:
    links = [{"name": name, "port": 1} for name in "cab"]
    logins = [{"name": name, "password": "x"} for name in "BaC"]
    found = parse_user({"links": links, "logins": logins})
    assert found == parse_user({"links": links[::-1], "logins": logins[::-1]})


def test_what_is_stored_is_read_back() -> None:
    found, refused = parse_user(
        {
            "links": [
                {"name": "a", "port": 1},
                {"name": "b", "port": 2, "kind": "visdom", "host": "::1", "description": "ü", "prefix": "strip"},
            ],
            "logins": [{"name": "x", "password_hash": HASH}, {"name": "y", "password": "clear"}],
        }
    )
    assert refused == []
    assert parse_user(found.as_json()) == (found, [])
    assert found.as_json()["links"][0] == {"name": "a", "port": 1}


def test_invalid_data_holds_its_problems_one_a_line() -> None:
    error = InvalidData(f"problem {number}" for number in (1, 2))
    assert error.problems == ["problem 1", "problem 2"]
    assert str(error) == "problem 1\nproblem 2"
