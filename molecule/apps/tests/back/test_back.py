"""The previous version is active again, now and after a reboot, and all other apps run."""

from __future__ import annotations

import time

import pytest
from conftest import TEN


def test_no_request_failed(kept):
    found = kept("rollback")
    assert found["wrong"] == {}
    assert found["seen"]["one"] > 100
    assert set(found["slow"]) == {"done"}


def test_version_before_serves(visitor, release):
    assert release("alice", "flasktasks") == 1
    assert visitor("alice").get("/alice/flasktasks/about").json()["version"] == "one"


@pytest.mark.parametrize("app", TEN)
def test_all_ten_answer(visitor, app):
    owner = app.split("/", maxsplit=1)[0]
    end = time.monotonic() + 60  # a host that has just booted
    while visitor(owner).get(f"/{app}/").status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.5)


def test_in_a_browser(browse):
    assert browse() == []


def test_of_each_app_one_release_runs(host):
    units = host.check_output("systemctl list-units --plain --no-legend --state=active 'vizgate-app-*'").splitlines()
    assert sorted(line.split()[0].rsplit(":", 1)[0] for line in units) == sorted(
        f"vizgate-app-{app.replace('/', ':')}" for app in TEN if app != "bob/flasktasks"
    )
    assert host.check_output("runuser -l bob -c 'supervisorctl status'").split()[:2] == ["flasktasks.1", "RUNNING"]
