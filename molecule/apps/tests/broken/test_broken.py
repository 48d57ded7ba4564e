"""Problems of a broken version are reported, and the previous version stays active."""

from __future__ import annotations

import pytest

BROKEN = {
    "no-such-version": ("step fetch: exit code 1", "version 'no-such-version' is no tag, branch or commit"),
    "bad-requirement": ("step build: exit code 1", "no-such-package-of-anybody"),
    "bad-migration": ("step migrate: exit code 3", "the table is on fire"),
    "bad-health": ("step health: GET /carol/c1/healthz did not succeed within 15 s; last result: status 503", ""),
    "crash": ("step health: the app does not keep running", "this cannot go on"),
    "hungry": ("step health: ", ""),
}


@pytest.mark.parametrize("version", BROKEN)
def test_step_and_reason_are_said(kept, version):
    problem = kept(f"broken-{version}")["problems"]
    assert len(problem) == 1
    assert problem[0].startswith("app carol/c1: ")
    for words in BROKEN[version]:
        assert words in problem[0]


@pytest.mark.parametrize("version", BROKEN)
def test_version_before_served_on(host, kept, version):
    found = kept(f"broken-{version}")
    assert (found["status"], found["plan"]) == (200, [])
    assert found["body"].startswith(f"tiny of {host.user('carol').uid} at /carol/c1/")


def test_nothing_of_them_is_left(host, release):
    number = release("carol", "c1")
    units = host.check_output("ls /etc/systemd/system").split()
    assert [unit for unit in units if ":c1:" in unit] == [f"vizgate-app-carol:c1:{number}.service"]
    assert host.check_output("ls /home/carol/apps/c1/releases").split() == [str(number)]
    assert host.run("systemctl list-units --plain --no-legend --failed 'vizgate-app-*'").stdout == ""


def test_what_was_declared_before_was_there_still(kept):
    said = kept("broken-v1")
    assert (said["problems"], said["status"]) == ([], 200)
    assert [(step["action"], step["app"]) for step in said["plan"]] == [("remove", "alice/a5")]


def test_database_that_somebody_else_has_made_is_refused(kept, visitor):
    assert [said for said in kept("database_problems") if said.startswith("database carol_c2 belongs to bob")]
    assert visitor("alice").get("/alice/survey/healthz").status_code == 200
