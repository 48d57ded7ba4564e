"""A new account with alice's name and uid has inherited nothing; carol, dora and ghost are off-boarded in other ways."""

from __future__ import annotations

import json

import pytest
from conftest import UID


@pytest.fixture(scope="module")
def report(host):
    """The role's report, by user."""
    return json.loads(host.check_output("cat /root/report.json"))


def test_alice_begins_with_nothing(host, run, get):
    assert host.user("alice").uid == UID
    assert json.loads(run("alice", "vizgate list --json")[1]) == []
    assert json.loads(run("alice", "vizgate login list --json")[1]) == []
    assert run("alice", "vizgate history")[1].strip() == "no changes yet"
    assert host.check_output("find /home/alice -name thesis.txt") == ""
    assert host.run("crontab -u alice -l").rc == 1
    assert not host.file("/run/vizgate/sockets/alice").exists
    assert host.run("loginctl show-user --property Linger alice").stdout.strip() != "Linger=yes"
    assert get("/alice/own/", "guest").status == 401


def test_alice_may_use_the_gateway(run, get):
    assert run("alice", "vizgate add own --port 9089")[0] == 0
    assert run("alice", "echo alice-secret | vizgate login add alice --password-stdin")[0] == 0
    assert get("/alice/own/", "alice").status == 200
    (line,) = [line for line in json.loads(run("alice", "vizgate history --json")[1]) if line["action"] == "add"]
    assert line["target"] == "127.0.0.1:9089"


def test_root_still_reads_what_the_first_alice_did(host):
    assert '"127.0.0.1:9088"' in host.check_output("cat /var/lib/vizgate/audit/alice.jsonl")


def test_kept_home_is_closed(host, report):
    assert not host.user("carol").exists
    assert host.check_output("cat /home/carol/kept.txt") == "kept"
    for account in ("alice", "bob"):
        assert host.run(f"runuser -u {account} -- ls /home/carol").rc != 0
    assert (report["carol"]["home"], report["carol"]["archive"]) == ("/home/carol", "")


def test_removed_home_is_gone_without_an_archive(host, report):
    assert not host.file("/home/dora").exists
    assert host.run("ls /var/backups/vizgate/homes/ | grep dora").stdout == ""
    assert report["dora"]["account"] is True


def test_a_user_without_an_account_is_gone(host, report):
    assert (report["ghost"]["links"], report["ghost"]["account"]) == (["/ghost/lab/"], False)
    assert host.run("grep -r ghost/lab /etc/nginx/vizgate").rc == 1


def test_alice_inherits_no_secret_no_log_and_no_setting(host):
    for path in ("/var/lib/vizgate/apps/alice", "/var/log/vizgate/alice"):
        assert not host.file(path).exists
    for unit in ("vizgate-app-alice:old:3.service", "vizgate-supervisord@alice.service", f"user-{UID}.slice"):
        assert "of the first alice" not in host.check_output(f"systemctl show --property=Description '{unit}'")
    assert host.run("grep -r 'of the first alice' /var/lib/vizgate /var/log/vizgate /etc/systemd /run/systemd").rc == 1


def test_alice_has_no_files_but_her_home(host):
    assert (
        host.check_output(
            f"find / /tmp /dev/shm /run -xdev -uid {UID} -not -path '/home/alice*' -not -path '/run/vizgate/*' -not -path '/run/user/*'"
        )
        == ""
    )


def test_alice_reads_no_journal_of_the_first(host, run):
    journals = host.check_output(f"ls /var/log/journal/*/user-{UID}@*.journal").split()
    assert journals
    for path in journals:
        assert "Permission denied" in run("alice", f"cat {path} >/dev/null")[2]
