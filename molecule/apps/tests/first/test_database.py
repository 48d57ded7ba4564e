"""Alice's survey has a database of its own, which nobody else opens; a dump puts it back."""

from __future__ import annotations

URL = "postgresql:///alice_survey?host=/var/run/postgresql"


def test_survey_is_on_postgresql(visitor):
    assert visitor("alice").get("/alice/survey/healthz").json()["database"] == "postgresql"


def test_owner_opens_it_without_a_password(run):
    assert run("alice", f"psql '{URL}' -AtXc 'select count(*) > -1 from answers'")[1] == "t\n"


def test_nobody_else_does(run):
    assert "does not exist" in run("bob", f"psql '{URL}' -c 'select 1'")[2]
    assert "Peer authentication failed" in run("bob", "psql -U alice alice_survey -c 'select 1'")[2]


def test_another_user_with_a_role_does_not_either(host, run):
    host.check_output("runuser -u postgres -- createuser bob")
    try:
        assert "permission denied for database" in run("bob", f"psql '{URL}' -c 'select 1'")[2]
    finally:
        host.check_output("runuser -u postgres -- dropuser bob")


def test_nobody_comes_by_the_network(run):
    said = run("alice", "PGCONNECT_TIMEOUT=5 psql -w 'postgresql://alice@127.0.0.1/alice_survey' -c 'select 1'")[2]
    assert "no password supplied" in said


def test_users_make_no_databases_unless_told(run):
    assert "permission denied to create database" in run("alice", "createdb --maintenance-db=alice_survey other")[2]


def test_dumps_are_made_and_kept_closed(host, run):
    host.check_output("systemctl start vizgate-database-backup.service")
    dumps = host.check_output("ls /var/backups/vizgate/databases/alice_survey").split()
    assert dumps
    assert run("alice", "ls /var/backups/vizgate/databases")[0] != 0
    assert "alice" in host.check_output(
        f"pg_restore --list /var/backups/vizgate/databases/alice_survey/{dumps[-1]} | grep 'TABLE public answers'"
    )


def test_old_dumps_go(host):
    folder = "/var/backups/vizgate/databases/alice_survey"
    for day in range(20):
        host.check_output(f"runuser -u postgres -- touch {folder}/200001{day:02}T000000Z.dump")
    host.check_output("systemctl start vizgate-database-backup.service")
    assert len(host.check_output(f"ls {folder}").split()) == 14


def test_timer_waits(host):
    assert host.run("systemctl is-active vizgate-database-backup.timer").rc == 0
