"""Only the data of removed apps are left, and bob's data are removed as well."""

from __future__ import annotations


def test_plan_has_announced_the_removal(kept):
    said = {(step["action"], step["app"], step["data"]) for step in kept("plan")}
    assert ("remove", "alice/flasktasks", "kept in /home/alice/apps/flasktasks/shared") in said
    assert ("remove", "alice/a3", "kept in /home/alice/apps/a3/shared") in said
    assert ("remove", "bob/b2", "kept in /home/bob/apps/b2/shared, and database bob_b2") in said
    assert {step["app"] for step in kept("plan")} == {
        "alice/flasktasks",
        "alice/a3",
        "bob/flasktasks",
        "bob/b2",
        "bob/b3",
    }


def test_links_and_units_are_gone(host, visitor):
    assert visitor("alice").get("/alice/flasktasks/").status_code == 404
    assert visitor("bob").get("/bob/b2/").status_code == 404
    units = host.check_output("ls /etc/systemd/system /etc/systemd/system/multi-user.target.wants").split()
    assert {unit.split(":")[1] for unit in units if unit.startswith("vizgate-app-")} == {
        "survey",
        "a4",
    }
    assert host.check_output("ps -u bob -o comm=").split() == ["supervisord"]


def test_data_are_kept_by_default(host):
    assert host.check_output("ls /home/alice/apps/flasktasks").split() == ["log", "shared"]
    assert host.file("/home/alice/apps/flasktasks/shared/flasktasks.sqlite3").exists
    assert host.file("/var/lib/vizgate/apps/alice/flasktasks.secrets").exists
    assert not host.file("/home/bob/apps").exists
    assert not host.file("/var/lib/vizgate/apps/bob").exists


DATABASES = "select datname || ' ' || pg_get_userbyid(datdba) from pg_database where datname like '%\\_%' order by 1"


def ask(host, question):
    return host.check_output("runuser -u postgres -- psql -AtXc %s", question).splitlines()


def test_databases_go_with_the_data_alone(host):
    assert ask(host, DATABASES) == ["alice_survey alice", "carol_c2 postgres"]


def test_passwords_are_removed(host, run):
    assert host.run("ls /var/lib/vizgate-database").stdout == ""
    assert ask(host, "select count(*) from pg_authid where rolpassword is not null") == ["0"]
    assert run("alice", "psql -AtXc 'select 1' alice_survey")[1] == "1\n"


def test_of_who_has_left_no_role_is_there(host):
    assert ask(host, "select rolname from pg_roles where rolname ~ '^[a-z]*$' order by 1") == [
        "alice",
        "bob",
        "postgres",
    ]


def test_nothing_of_who_has_left_runs_with_others_rights(host, run):
    # the objects of her database belong to a role without login, and the database accepts no connections
    (left,) = ask(host, "select rolname, rolcanlogin, rolsuper from pg_roles where rolname like 'left:carol:%'")
    assert left.split("|")[1:] == ["f", "f"]
    assert ask(host, "select datallowconn, datacl from pg_database where datname = 'carol_c2'") == ["f|{}"]
    assert ask(host, "select count(*) from pg_stat_activity where usename = 'carol' or datname = 'carol_c2'") == ["0"]
    assert "not currently accepting connections" in run("bob", "psql -AtXc 'select lend()' carol_c2")[2]
    assert ask(host, "select rolname from pg_roles where rolsuper") == ["postgres"]
    assert host.check_output("ls /tmp/entered") == ""


def test_transactions_of_others_do_not_keep_who_leaves(host):
    # alice had granted rights to carol's role, and held a lock on the row of her own database meanwhile
    (access,) = ask(host, "select datacl from pg_database where datname = 'alice_survey'")
    assert access == "{alice=CTc/alice}"
    assert (
        ask(host, "select 1 from pg_stat_activity where usename = 'alice' and state like 'idle in transaction%'") == []
    )
    assert ask(host, "select 1 from pg_roles where rolname = 'left:gone:1'") == ["1"], (
        "not part of carol's off-boarding"
    )


def test_others_serve_on(visitor):
    assert visitor("alice").get("/alice/survey/healthz").status_code == 200
    assert visitor("alice").get("/alice/a4/").status_code == 200


def test_nothing_of_the_off_boarded_user_is_left(host, visitor):
    assert not host.user("carol").exists
    assert visitor("carol").get("/carol/c1/").status_code == 401
    assert not host.file("/var/lib/vizgate-usage/pages/carol.html").exists
    for path in ("/var/lib/vizgate/apps/carol", "/var/log/vizgate/carol", "/home/carol", "/run/vizgate/sockets/carol"):
        assert not host.file(path).exists
    assert host.run("systemctl list-units --all --plain --no-legend 'vizgate-app-carol*'").stdout == ""
