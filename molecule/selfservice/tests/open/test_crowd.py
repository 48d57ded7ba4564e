"""Fifty accounts have changed links at the same time, under continuous requests: side_effect.yml, crowd.py."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def report(host):
    return json.loads(host.check_output("cat /root/crowd-report.json"))


def test_every_acknowledged_change_serves_at_once_and_none_fails(report):
    assert report["accounts"]["wrong"] == []
    # at least three of each account's
    assert sum(report["accounts"]["done"].values()) >= 150
    assert set(report["accounts"]["done"]) == {"add", "edit", "remove"}


def test_nobody_else_notices(report):
    assert report["visitors"]["wrong"] == []
    assert report["visitors"]["looks"] >= 500
    assert report["visitors"]["echoes"] >= 400


def test_every_acknowledged_change_is_there_and_no_other(report, crowd):
    assert report["mismatches"] == []
    assert crowd == {"links": report["links"], "mismatches": []}
    assert report["links"] >= 25
