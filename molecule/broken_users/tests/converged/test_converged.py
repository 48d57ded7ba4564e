"""Alice is served, converged and backed up although others have broken their state; the administrator sees their problems."""

from __future__ import annotations

import pytest

DUMPS = "/var/backups/vizgate/databases"


def test_alices_new_link_serves(get):
    assert get("/alice/more/", "alice").port == 9088


def test_alices_new_version_serves(get):
    assert get("/alice/page/", "alice").body.startswith(b"second tiny of")


@pytest.mark.parametrize("user", ["closed", "dead", "full", "hanging", "unreadable"])
def test_links_of_those_who_broke_something_serve(get, user):
    assert get(f"/{user}/training/", user).port == 9089


@pytest.mark.parametrize("user", ["full", "hanging"])
def test_a_version_that_cannot_be_made_leaves_the_one_before(get, user):
    assert get(f"/{user}/page/", user).body.startswith(b"tiny of")


def test_an_app_that_cannot_start_is_its_own_trouble(get):
    assert get("/dead/page/", "dead").status == 502


@pytest.mark.parametrize("user", ["full", "hanging", "unreadable"])
def test_the_administrator_reads_who_has_a_problem(said, user):
    assert f"app {user}/page: " in said


def test_nobody_else_has_a_problem(said):
    assert "app alice/page: " not in said
    assert "user alice" not in said


def test_what_comes_after_the_apps_was_done(host):
    assert host.run("systemctl is-enabled vizgate-usage.timer").stdout.strip() == "enabled"


def test_alices_database_is_dumped(host):
    assert host.check_output(f"ls {DUMPS}/alice_page").endswith(".dump")


def test_the_failed_dump_is_in_the_journal(host):
    said = host.check_output("journalctl --no-pager --unit vizgate-database-backup.service")
    assert "closed_page" in said


def test_the_gateways_log_is_rotated(host):
    assert host.file("/var/log/nginx/vizgate.jsonl.1").size > 0
