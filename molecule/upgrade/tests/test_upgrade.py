"""What visitors and users notice of an upgrade: nothing. What is left of the earlier version: nothing."""

from __future__ import annotations

import json

import pytest

KINDS = ["link", "own link", "app", "websocket", "listing", "change", "stranger", "refused", "sign-in"]
LIB = "/usr/local/lib/vizgate"


@pytest.fixture(scope="module")
def visitors(host):
    return json.loads(host.file("/root/visitors.json").content_string)


def test_every_visitor_was_served_all_the_time(visitors):
    assert visitors["wrong"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_visitors_came_often(visitors, kind):
    # a change is two commands and two requests
    assert visitors["seen"][kind] >= (25 if kind == "change" else 100)


def test_links_logins_port_ranges_and_data_are_as_before(host):
    before = json.loads(host.file("/root/before.json").content_string)
    assert {link["name"] for link in before["users"]["carol"]["list"]} == {"plots"}
    assert json.loads(host.check_output("/opt/state.py")) == before


def test_code_is_a_release(host):
    assert host.file(f"{LIB}/current").linked_to.startswith(f"{LIB}/releases/")
    assert len(host.file(f"{LIB}/releases").listdir()) == 1


def test_nothing_is_left_of_the_earlier_layout(host):
    names = {name for name in host.file(LIB).listdir() if not name.startswith("uv-")}
    assert names == {"bin", "current", "lua", "pages", "releases"}
    assert not host.file("/etc/logrotate.d/vizgate-apps").exists


def test_users_go_on(run, get):
    assert run("carol", "vizgate edit plots --description 'After the upgrade'")[0] == 0
    assert run("carol", "echo another-secret | vizgate login password carol --password-stdin")[0] == 0
    assert get("/carol/plots/", "carol", "another-secret").port == 20000
    assert get("/carol/plots/", "carol").status == 401
