"""Users files have taken over links that alice had declared, as the plan has announced, and nothing else has changed."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def links(run):
    """Alice's links by source and name."""
    code, listed, errors = run("alice", "vizgate list --json")
    assert code == 0, errors
    return {(link["source"], link["name"]): link for link in json.loads(listed)}


def test_plan_has_announced_what_is_taken_over(host):
    steps = [
        (step["action"], step["url"], step["target"]) for step in json.loads(host.check_output("cat /root/plan.json"))
    ]
    assert ("take over", "/alice/train/", "127.0.0.1:9089") in [
        (action, url, target[:14]) for action, url, target in steps
    ]
    assert {url for _action, url, _target in steps} == {"/alice/train/", "/alice/eval/"}


def test_inventory_is_served(get):
    answer = get("/alice/train/x", "alice")
    assert (answer.status, answer.port, answer.path) == (200, 9089, "/alice/train/x")
    assert get("/alice/eval/", "alice").port == 9088


def test_alice_sees_it_and_keeps_her_own(links):
    assert set(links) == {
        ("inventory", "eval"),
        ("inventory", "train"),
        ("self", "old"),
        ("self", "own"),
        ("self", "train"),
    }
    assert links["self", "train"]["yields_to"] == "inventory"


def test_alice_no_longer_owns_what_she_has_handed_over(links):
    assert ("self", "eval") not in links


def test_nothing_that_was_declared_in_a_shell_is_lost(get, crowd):
    assert [get(f"/alice/{name}/", "alice").port for name in ("own", "old")] == [9087, 9089]
    assert crowd["mismatches"] == []
    assert crowd["links"] >= 25


def test_self_service_still_works(run, get):
    assert run("alice", "vizgate edit own --port 9088")[0] == 0
    assert get("/alice/own/", "alice").port == 9088
