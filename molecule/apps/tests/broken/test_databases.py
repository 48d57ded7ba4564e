"""Hostile databases affect neither the account postgres nor databases of other owners."""

from __future__ import annotations

import time

import pytest

DUMPS = "/var/backups/vizgate/databases"
PROGRAM = f"/usr/local/sbin/vizgate-database --folder {DUMPS}"
HELD = "begin; lock table public.checked in access exclusive mode;"


def ask(host, question):
    return host.check_output("runuser -u postgres -- psql -AtqXc %s postgres", question).splitlines()


@pytest.fixture(scope="module")
def backup(host):
    """The result of the nightly dumps."""
    start = host.check_output("date +@%s")
    done = host.run("systemctl start vizgate-database-backup.service")
    said = host.check_output(f"journalctl -u vizgate-database-backup.service -o cat --no-pager --since {start}")
    return done.rc, said, float(start[1:])


def nobody_has_entered(host):
    assert host.check_output("ls /tmp/entered") == ""
    assert ask(host, "select rolname from pg_roles where rolsuper") == ["postgres"]


def test_converge_tells_whose_database_is_wrong(kept):
    foreign, held = [said for said in kept("database_problems") if not said.startswith("role ")]
    assert foreign.startswith("database carol_c2 belongs to bob, and the app of that name would use it")
    assert held.startswith("database bob_b2: ")
    assert "lock timeout" in held


def test_converge_does_the_others(host):
    (access,) = ask(host, "select datacl from pg_database where datname = 'alice_survey'")
    assert access == "{alice=CTc/alice}", "closed again to all but her"


def test_names_in_users_files_change_no_role_but_users(host, kept):
    told = [said.removesuffix("; no role and no database was created") for said in kept("database_problems")][:3]
    assert told == [
        "role clerk: PostgreSQL has a role of that name with administrative rights or without login",
        "role nobodys: the host has no account of that name",
        f"role postgres: the account of that name on the host is a system account (uid {host.user('postgres').uid})",
    ]
    assert host.file("/root/privileged_roles").content_string.splitlines() == ["clerk t -1", "postgres t -1"]
    assert ask(host, "select 1 from pg_database where datname ~ '_x$'") == []


def test_name_that_is_no_text_keeps_nobodys_database_from_being_made(host, kept):
    assert ask(host, r"select count(*) from pg_database where datname::text::bytea = '\xff'") == ["1"]
    assert "could not be read from PostgreSQL" not in str(kept("database_problems"))


def test_converge_enters_no_database(host):
    nobody_has_entered(host)


def test_roots_hands_are_off_the_users_password_file(host, run):
    assert run("alice", "ls leased opened")[1].split() == ["leased"]
    code, said, _why = run(
        "alice",
        "PGPASSFILE=/var/lib/vizgate-database/alice.pgpass"
        " psql -AtXw postgresql://alice@127.0.0.1/alice_survey -c 'select current_user'",
    )
    assert (code, said) == (0, "alice\n"), "it is as it was written"


def test_nobody_takes_all_sessions(host, run):
    assert ask(host, "select distinct rolconnlimit from pg_roles where rolname in ('alice', 'bob', 'carol')") == ["30"]


def test_dumps_of_others_are_made_when_one_is_not(host, backup):
    code, said, start = backup
    assert code != 0
    told = [line for line in said.splitlines() if line.startswith("database ")]
    assert [line.split(" was not dumped")[0] for line in told] == ["database bob_b2 of bob"]
    for name in ("alice_survey", "carol_c2"):
        assert max(host.check_output(f"stat -c %Y {DUMPS}/{name}/*.dump").split()) >= str(int(start))


def test_names_are_names(host, backup):
    for folder in ("%2E%2E%2F%2E%2E%2Fx", "host%3Devil%2Eexample%20dbname%3Dx", "-f%0A%20o", "%FF"):
        assert host.check_output(f"ls '{DUMPS}/{folder}'").endswith(".dump")
    assert not host.file("/var/backups/x").exists


def test_dumps_are_roots(host, backup):
    assert host.check_output(f"find {DUMPS} -newer /tmp/entered ! -user root") == ""
    nobody_has_entered(host)


def test_dump_that_waits_for_a_lock_ends(host, backup):
    before = host.check_output(f"ls {DUMPS}/alice_survey")
    host.check_output(
        "systemd-run --quiet --unit alice-locks --uid alice sh -c %s",
        f'(echo "{HELD}"; exec sleep infinity) | psql -qX alice_survey',
    )
    try:
        end = time.monotonic() + 60
        while not ask(host, "select 1 from pg_locks where mode = 'AccessExclusiveLock' and granted and pid in"
                            " (select pid from pg_stat_activity where usename = 'alice')"):  # fmt: skip
            assert time.monotonic() < end
        done = host.run(f"{PROGRAM} --minutes 0.05 backup --keep 14 --gigabytes 1")
        assert done.rc == 1
        assert (
            "database alice_survey of alice was not dumped: it exceeded the remaining time limit of 3 s" in done.stderr
        )
        assert "carol_c2" not in done.stderr
        assert host.check_output(f"ls {DUMPS}/alice_survey") == before, "nothing unfinished is left"
    finally:
        host.check_output("systemctl stop alice-locks")


def test_dump_that_is_too_large_ends(host, backup):
    done = host.run(f"{PROGRAM} backup --keep 14 --gigabytes 0.000001")
    assert (
        "database alice_survey of alice was not dumped: it exceeded the remaining size limit of 1073 bytes"
        in done.stderr
    )
    assert host.run(f"ls {DUMPS}/alice_survey/part").rc != 0


def test_restore_runs_as_the_owner(host, backup):
    host.check_output(
        "runuser -u alice -- psql -qXc 'truncate public.checked; grant select on public.checked to bob' alice_survey"
    )
    host.check_output(f"{PROGRAM} restore alice_survey")
    assert (
        host.check_output("runuser -u alice -- psql -AtqXc 'select count(*) from public.checked' alice_survey") == "2"
    )
    nobody_has_entered(host)


def test_restore_opens_no_file_for_the_owner(host, run):
    run("alice", "ln -sf /etc/shadow dump")
    for path in ("/etc/shadow", "/home/alice/dump"):
        done = host.run(f"{PROGRAM} restore --dump {path} alice_survey")
        assert (done.rc, "Permission denied" in done.stderr) == (1, True)


def test_restore_runs_nothing_as_postgres(host):
    ask(host, "create database nobodys")
    done = host.run(f"{PROGRAM} restore nobodys --dump $(ls {DUMPS}/alice_survey/*.dump | tail -1)")
    ask(host, "drop database nobodys")
    assert done.rc == 1
    assert "database nobodys belongs to postgres, which is not a user account" in done.stderr
