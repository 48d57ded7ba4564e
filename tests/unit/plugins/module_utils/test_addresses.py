# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where browsers find a link, in both url styles, and who can have a host name."""

from __future__ import annotations

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._addresses import below, site
from ansible_collections.vizgate.gateway.plugins.module_utils._model import InvalidData, Policy, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._render import render
from ansible_collections.vizgate.gateway.plugins.module_utils._users import parse_users
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


def test_what_is_below_a_user() -> None:
    assert (below("subdomain", "/alice/"), below("path", "/alice/")) == ("/", "/alice/")


@pytest.mark.parametrize(("style", "home"), [("path", "/alice/"), ("subdomain", "/")])
def test_the_list_of_links_leads_there(style: str, home: str) -> None:
    text = render(TEMPLATES, "alice", data({"name": "train", "port": 8097}), {}, style=style).files["pages/alice.html"]
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
        f"user '{user}': no host can be named so, and this gateway gives every user a host name"
        " (url_style subdomain, policy.json); take another name"
    )
    assert policy("path").user_problem(user) is None
    users, problems = parse_users({f"users/{user}.yml": "links: []"}, str, policy("subdomain"))
    assert (users, problems) == ({}, [f"users/{user}.yml:1: {problem}"])
    assert parse_users({f"users/{user}.yml": "links: []"}, str, policy("path")) == ({user: UserData()}, [])


@pytest.mark.parametrize("user", ["alice", "a", "a-b", "a1", "www"])
def test_most_names_can(user: str) -> None:
    assert policy("subdomain").user_problem(user) is None
