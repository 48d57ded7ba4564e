"""Ten accounts have reloaded nginx in loops, by sudo and systemd, under continuous requests: side_effect.yml, reloads.py."""

from __future__ import annotations

import json

import pytest

GENERATIONS = 3  # gateway_worker_generations
YOUNGEST = 28  # seconds that a websocket lives at least, docs/guide/reloads.md


@pytest.fixture(scope="module")
def report(host):
    return json.loads(host.check_output("cat /root/reloads-report.json"))


def test_reloads_keep_their_distance(report):
    # with 2 s between two reloads there would be sixteen; the websockets of old workers increase the time to four
    assert 3 <= report["nginx"]["reloads"] <= 8


def test_everybody_is_answered(report):
    assert report["callers"]["failed"] == []
    assert min(report["callers"]["done"].values()) >= 1


def test_a_call_returns_while_others_loop(report):
    assert report["callers"]["waited"] is not None


def test_old_workers_do_not_pile_up(report):
    nginx = report["nginx"]
    # new workers start before the oldest end
    assert nginx["most"] <= (GENERATIONS + 2) * nginx["processes"]
    assert nginx["old"] <= GENERATIONS


def test_websockets_live_for_a_while(report):
    visitors = report["visitors"]
    assert visitors["open"] >= 20
    assert min(visitors["lived"], default=YOUNGEST) >= YOUNGEST


def test_bystander_notices_nothing(report):
    assert report["visitors"]["wrong"] == []
    assert report["visitors"]["looks"] >= 200


def test_nginx_runs_on(host, report):
    states = report["nginx"]["states"]
    assert set(states) <= {"active", "reloading"}
    # the unit must stay active between reloads, because Ansible and others check for this state
    assert states["active"] > states["reloading"]
    assert host.service("nginx").is_running
