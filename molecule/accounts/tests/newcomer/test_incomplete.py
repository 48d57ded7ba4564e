"""Eve's off-boarding and the writing of bob's keys have failed: the problems were reported, everything else was done, and a second run
did the rest."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def eve(host):
    """The role's report about eve after the first run."""
    return json.loads(host.check_output("cat /root/report.json"))["eve"]


def test_the_run_failed_with_user_step_reason_and_fix(host, eve):
    said = json.loads(host.check_output("cat /root/failed.json"))
    here = host.backend.get_hostname()
    home, account = eve["problems"]
    assert home.startswith(f"eve on {here}: step home: /home/eve is not removed: rm: ")
    assert "Device or resource busy; " in home
    assert account.startswith(f"eve on {here}: step account: the account stays, locked and expired")
    assert said[:2] == eve["problems"]
    assert said[2] == f"bob on {here}: step keys: did not finish within 15 s; fix this and run the role again"
    assert "run it again" in said[-1]


def test_everything_else_of_eves_was_done(host, eve, get):
    assert eve["links"] == ["/eve/own/"]
    assert get("/eve/own/", "eve").status == 401
    assert eve["account"] is False


def test_name_and_number_stayed_taken_by_an_account_that_lets_nobody_in(host):
    said = host.check_output("cat /root/eve")
    assert said.startswith("eve:x:")
    assert "Account expires\t\t\t\t\t\t: Jan 02, 1970" in said


def test_the_others_came_and_went(host):
    assert host.user("alice").exists
    assert not host.user("carol").exists


def test_the_second_run_did_the_rest(host):
    assert not host.user("eve").exists
    assert not host.file("/home/eve").exists
    assert host.check_output("cat /home/bob/.ssh/authorized_keys") == "ssh-ed25519 AAAA bob"
    archives = host.check_output("ls /var/backups/vizgate/homes/").split()
    assert any(
        "home/eve/thesis.txt" in host.check_output(f"tar -tzf /var/backups/vizgate/homes/{archive}")
        for archive in archives
        if archive.startswith("eve-")
    )
