"""Users who have broken their state are off-boarded like bob, who has not."""

from __future__ import annotations

import json

import pytest

LEFT = ("bob", "closed", "dead", "full", "hanging", "unreadable")


@pytest.mark.parametrize("user", LEFT)
def test_nothing_opens(get, user):
    assert get(f"/{user}/training/", user).status == 401


@pytest.mark.parametrize("user", LEFT)
def test_the_account_is_gone(host, user):
    assert not host.user(user).exists


def test_nothing_of_theirs_runs_or_starts(host):
    units = host.check_output("systemctl list-units --all --plain --no-legend 'vizgate-app-*'").splitlines()
    assert {unit.split("-app-")[1].split(":")[0] for unit in units} == {"alice"}
    files = host.check_output("ls /etc/systemd/system | grep ^vizgate-app-").splitlines()
    assert {file.split("-app-")[1].split(":")[0] for file in files} == {"alice"}


@pytest.mark.parametrize("folder", ["/var/lib/vizgate/apps", "/var/lib/vizgate/users"])
def test_folders_are_alices_alone(host, folder):
    names = host.check_output(f"find {folder} -mindepth 1 -maxdepth 1 -type d -printf '%f\\n'").split()
    assert names == ["alice"]


def test_the_report_has_all_of_them(host):
    assert set(json.loads(host.file("/root/report.json").content_string)) == set(LEFT)


def test_alice_is_served(get):
    assert get("/alice/page/", "alice").body.startswith(b"second tiny of")
    assert get("/alice/training/", "alice").port == 9087
