# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where browsers find a link, in both url styles, and who can have a host name."""

from __future__ import annotations

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.urls import below, located, site
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render.user_files import render
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import parse_users
from ansible_collections.vizgate.gateway.tests.unit.support import TEMPLATES, data


@pytest.mark.parametrize(
    ("url", "style", "address"),
    [
        ("http://gate:1234", "path", "http://gate:1234/alice/train/"),
        ("http://gate:1234/", "path", "http://gate:1234/alice/train/"),
        ("https://gate.example.org", "", "https://gate.example.org/alice/train/"),
        ("https://gate.example.org", "subdomain", "https://alice.gate.example.org/train/"),
        ("http://gate:1234/", "subdomain", "http://alice.gate:1234/train/"),
        ("", "path", "/alice/train/"),
        # whoever reads a policy without an address still gets a path
        ("", "subdomain", "/train/"),
    ],
)
def test_the_address_of_a_link(url: str, style: str, address: str) -> None:
    assert site(url, style, "alice") + below(style, "/alice/train/") == address


@pytest.mark.parametrize(
    ("style", "prefix", "origin", "place"),
    [
        ("subdomain", "host", "https://train--alice.gate.example.org:444", "/"),
        ("subdomain", "keep", "https://alice.gate.example.org:444", "/train/"),
        # before the administrator is told that such a link cannot be
        ("path", "host", "https://gate.example.org:444", "/alice/train/"),
    ],
)
def test_the_address_of_a_link_with_a_host_name(style: str, prefix: str, origin: str, place: str) -> None:
    url = "https://gate.example.org:444"
    link = {"name": "train", "prefix": prefix, "url": "/alice/train/"}
    found = located(link, url, style, "alice")
    assert (found.get("origin", site(url, style, "alice")), found["url"]) == (origin, place)


def test_what_is_below_a_user() -> None:
    assert (below("subdomain", "/alice/"), below("path", "/alice/")) == ("/", "/alice/")


@pytest.mark.parametrize(("style", "home"), [("path", "/alice/"), ("subdomain", "/")])
def test_the_list_of_links_leads_there(style: str, home: str) -> None:
    text = render(TEMPLATES, "alice", data({"name": "train", "port": 8097}), {}, style)["pages/alice.html"]
    assert f'href="{home}train/"' in text
    assert f'data-home="{home}"' in text


def policy(style: str) -> Policy:
    return Policy.parse({"allowed_hosts": ["*"], "allowed_ports": ["80"], "url_style": style}, "policy.json")


def test_the_style_is_one_of_two() -> None:
    assert Policy.parse({"allowed_hosts": [], "allowed_ports": []}, "policy.json").url_style == "path"
    with pytest.raises(InvalidData) as refused:
        policy("host")
    assert refused.value.problems == ["policy.json: url_style 'host' is neither path nor subdomain"]


@pytest.mark.parametrize("user", ["a_b", "_ab", "ab-", "ab_"])
def test_not_every_name_can_be_a_hosts(user: str) -> None:
    problem = policy("subdomain").user_problem(user)
    assert problem == (
        f"user '{user}': this gateway gives every user a host name, and a host name cannot have '_' or end in '-'"
        " (url_style subdomain, policy.json); take another name"
    )
    assert policy("path").user_problem(user) is None
    users, problems = parse_users({f"users/{user}.yml": "links: []"}, str, policy("subdomain"))
    assert (users, problems) == ({}, [f"users/{user}.yml:1: {problem}"])
    assert parse_users({f"users/{user}.yml": "links: []"}, str, policy("path")) == ({user: UserData()}, [])


def test_two_hyphens_part_a_link_and_its_user() -> None:
    problem = policy("subdomain").user_problem("a--b")
    assert problem == (
        "user 'a--b': '--' separates link and user in host names, so a user name cannot have it"
        " (url_style subdomain, policy.json); take another name"
    )
    assert policy("path").user_problem("a--b") is None


LONG = "a" * 56


@pytest.mark.parametrize(
    ("style", "name", "problem"),
    [
        ("subdomain", "run-1", ""),
        ("subdomain", "1", ""),
        ("subdomain", "a--b-", ""),
        ("subdomain", LONG, ""),
        (
            "subdomain",
            LONG + "a",
            f"host name '{LONG}a--alice' has 64 characters, and 63 is the limit; take a shorter name",
        ),
        *(
            (
                "subdomain",
                name,
                f"with prefix 'host' the name is a part of host name '{name}--alice'; take one of letters, digits and '-'",
            )
            for name in ("run.1", "run_1")
        ),
        *(
            (
                "subdomain",
                name,
                f"host name '{name}--alice' begins with 'xn--', which is reserved for internationalised names; choose another name",
            )
            for name in ("xn", "xn-", "xn--a")
        ),
        (
            "path",
            "run",
            "prefix 'host' needs url_style subdomain, but this gateway uses paths (url_style path, policy.json);"
            " use 'keep' or 'strip', or ask the administrator to set gateway_url_style: subdomain",
        ),
    ],
)
def test_which_links_can_have_a_host_name(style: str, name: str, problem: str) -> None:
    declared = f"links: [{{name: {name!r}, port: 80, prefix: host, host: localhost}}]"
    users, problems = parse_users({"users/alice.yml": declared}, str, policy(style))
    assert problems == ([f"users/alice.yml:1: link '{name}': {problem}"] if problem else [])
    assert [link.mode for link in users["alice"].links] == ["host"]
    # the same name will do for a path
    assert parse_users({"users/alice.yml": declared.replace("host, ", "strip, ")}, str, policy(style))[1] == []


@pytest.mark.parametrize("user", ["alice", "a", "a-b", "a1", "www"])
def test_most_names_can(user: str) -> None:
    assert policy("subdomain").user_problem(user) is None
