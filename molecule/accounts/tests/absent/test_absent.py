"""Alice is off-boarded: nothing of hers works, runs or starts again, and no other user is affected."""

from __future__ import annotations

import pytest
from conftest import SSH, UID


@pytest.mark.parametrize("login", ["alice", "guest"])
@pytest.mark.parametrize("link", ["training", "own", "app"])
def test_addresses_are_dead(get, login, link):
    assert get(f"/alice/{link}/", login).status == 401


def test_no_process_and_no_session(host):
    assert host.run(f"pgrep -u {UID}").stdout == ""
    assert host.run(f"pgrep -U {UID}").stdout == ""
    assert f" {UID} " not in host.check_output("loginctl list-sessions --no-legend")
    assert host.run("systemctl is-active session").rc != 0, "the connection of hers was cut"
    assert host.check_output("systemctl list-units --failed --plain --no-legend user@*") == ""


def test_nothing_starts_again(host):
    for folder in ("/var/spool/cron", "/var/lib/systemd/linger"):
        assert host.check_output(f"find {folder} -name alice -o -uid {UID}") == ""


def test_no_account(host):
    assert host.run("getent passwd alice").rc == 2
    assert host.run("getent group alice").rc == 2
    assert host.check_output("getent group sudo") == "sudo:x:27:"
    assert host.run(f"{SSH} alice@127.0.0.1 id").rc == 255
    assert host.run("grep -w alice /etc/shadow /etc/gshadow /etc/subuid").stdout == ""


def test_home_is_an_archive_for_root(host, output):
    lines, _changed, _text = output("first")
    (line,) = [line for line in lines if line.startswith("home ")]
    archive = line.removeprefix("home /home/alice, archived as ")
    assert not host.file("/home/alice").exists
    assert host.check_output(f"tar -xzOf {archive} home/alice/thesis.txt") == "thesis"
    assert "Permission denied" in host.run(f"runuser -u bob -- cat {archive}").stderr
    assert host.file(archive).mode == 0o600
    assert host.check_output(f"ls {host.file('/var/backups/vizgate/homes').path}").count("alice") == 1


def test_no_socket(host):
    assert not host.file("/run/vizgate/sockets/alice").exists


def test_the_report_names_all_of_it(output):
    lines, changed, _text = output("first")
    assert lines[0].startswith("alice has left ")
    assert {
        "link /alice/app/ -> unix:/run/vizgate/sockets/alice/app.sock",
        "link /alice/own/ -> 127.0.0.1:9088",
        "link /alice/training/ -> 127.0.0.1:9087",
        "login alice",
        "login guest",
        "crontab",
        "at jobs: 1",
        "linger",
        "sockets /run/vizgate/sockets/alice",
        f"account alice, uid {UID}",
    } < set(lines)
    counted = {
        line.split(": ")[0]: int(line.split(": ")[1])
        for line in lines
        if line.split(":")[0] in ("sessions", "processes")
    }
    assert counted["sessions"] >= 1
    assert counted["processes"] >= 5
    assert changed >= 7


def test_check_mode_has_reported_the_same(output):
    def stable(name):
        return [line.split(":")[0].split(", archived")[0] for line in output(name)[0][1:]]

    assert stable("checked") == stable("first")


def test_the_second_time_there_is_nothing_to_do(output):
    lines, changed, _text = output("second")
    assert changed == 0
    assert [line.rpartition(" on ")[0] for line in lines] == ["nothing left of alice"]


def test_nobody_else_has_noticed(host, get):
    assert get("/bob/training/", "bob").status == 200
    assert host.run("systemctl is-active websocket").rc == 0
    assert host.check_output("pgrep -u www-data -x nginx") == host.check_output("cat /root/workers")
