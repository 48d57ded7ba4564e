"""Alice's survey has its own database, which no other user can open; a dump restores it."""

from __future__ import annotations

PASSWORDS = "/var/lib/vizgate-database"
URL = "postgresql:///alice_survey?host=/var/run/postgresql"


def test_survey_is_on_postgresql(visitor):
    assert visitor("alice").get("/alice/survey/healthz").json()["database"] == "postgresql"


def test_owner_opens_it_without_a_password(run):
    assert run("alice", f"psql '{URL}' -AtXc 'select count(*) > -1 from answers'")[1] == "t\n"


def test_nobody_else_opens_it(run):
    assert "Peer authentication failed" in run("bob", "psql -U alice alice_survey -c 'select 1'")[2]


def test_another_user_with_a_database_does_not_open_it(run):
    assert run("bob", "psql -AtXc 'select current_user' bob_b2")[1] == "bob\n"
    assert "permission denied for database" in run("bob", f"psql '{URL}' -c 'select 1'")[2]


TCP = "PGCONNECT_TIMEOUT=5 psql -AtXw 'postgresql://{0}@127.0.0.1/{0}_{1}' -c 'select current_user'"


def test_nobody_connects_over_tcp_without_a_password(run):
    assert "no password supplied" in run("alice", TCP.format("alice", "survey"))[2]
    assert "no password supplied" in run("bob", TCP.format("bob", "b2"))[2]


def test_a_user_with_a_password_connects_over_tcp(host, run):
    code, said, _why = run("alice", f"PGPASSFILE={PASSWORDS}/alice.pgpass {TCP.format('alice', 'survey')}")
    assert (code, said) == (0, "alice\n")
    for name, user in (("alice.pgpass", "alice"), ("alice.password", "root")):
        file = host.file(f"{PASSWORDS}/{name}")
        assert (file.user, file.mode) == (user, 0o600)
    assert run("bob", f"cat {PASSWORDS}/alice.pgpass")[0] != 0
    assert run("bob", f"ls {PASSWORDS}")[0] != 0
    assert host.run(f"ls {PASSWORDS}").stdout.split() == ["alice.password", "alice.pgpass"]


def test_the_password_is_nowhere_else(host):
    password = host.file(f"{PASSWORDS}/alice.password").content_string
    assert len(password) == 40
    program = (
        "journalctl --no-pager; cat /var/log/postgresql/*; cat /proc/*/cmdline; find /tmp /root -type f -exec cat {} +"
    )
    assert password not in host.run("sh -c %s", program).stdout
    stored = host.check_output(
        "runuser -u postgres -- psql -AtXc %s", "select rolpassword from pg_authid where rolname = 'alice'"
    )
    assert stored.startswith("SCRAM-SHA-256$")


def test_users_create_no_databases_by_default(run):
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
        host.check_output(f"touch {folder}/200001{day:02}T000000Z.dump")
    host.check_output("systemctl start vizgate-database-backup.service")
    assert len(host.check_output(f"ls {folder}").split()) == 14


def test_timer_waits(host):
    assert host.run("systemctl is-active vizgate-database-backup.timer").rc == 0
