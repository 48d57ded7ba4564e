"""Accounts as declared, unchanged by refused off-boarding and by check mode."""

from __future__ import annotations

import pytest
from conftest import SSH, UID


def test_account(host):
    alice = host.user("alice")
    assert (alice.uid, alice.gecos, alice.shell) == (UID, "Alice Example", "/bin/bash")
    assert {"alice", "video", "sudo"} == set(alice.groups)
    assert host.user("bob").shell == "/bin/sh"
    assert host.file("/home/alice").mode == 0o700


def test_key_opens_the_account(host):
    assert host.check_output(f"{SSH} alice@127.0.0.1 id -un") == "alice"
    for path, mode in ((".ssh", 0o700), (".ssh/authorized_keys", 0o600)):
        file = host.file(f"/home/alice/{path}")
        assert (file.user, file.mode) == ("alice", mode)


@pytest.mark.parametrize("account", ["bob", "carol"])
def test_key_opens_no_other(host, account):
    assert "Permission denied" in host.run(f"{SSH} {account}@127.0.0.1 id -un").stderr


def test_link_in_a_home_does_not_redirect_root(host):
    assert not host.file("/root/.ssh/authorized_keys").exists
    assert host.file("/home/mallory/.ssh/authorized_keys").content_string.split() == ["ssh-ed25519", "AAAA", "mallory"]


def test_sudo(host):
    assert "(ALL : ALL) ALL" in host.check_output("sudo -l -U alice")
    assert "(ALL : ALL) ALL" not in host.check_output("sudo -l -U carol")
    assert set(host.user("carol").groups) == {"carol", "video"}, "other groups stay"


def test_linger(host):
    assert host.check_output("loginctl show-user --property Linger alice") == "Linger=yes"
    assert host.run("loginctl show-user --property Linger carol").stdout.strip() != "Linger=yes"


def test_refused_because_of_the_users_file(output):
    _lines, changed, text = output("refused")
    assert changed == 0
    said = " ".join(text.split())
    assert "the next converge would bring the links back from /" in said
    assert "/users/alice.yml; first run: git rm /" in said


def test_check_mode_reports_everything(output):
    lines, changed, _text = output("checked")
    assert lines[0].startswith("alice would leave ")
    assert {"link /alice/app/ -> unix:/run/vizgate/sockets/alice/app.sock", "login guest", "crontab", "linger"} < set(
        lines
    )
    assert changed == 8


def test_alice_has_everything_still(host, get):
    assert [get(f"/alice/{link}/", "alice").status for link in ("training", "own", "app")] == [200, 200, 200]
    assert get("/alice/own/", "guest").status == 200
    assert host.run("crontab -u alice -l").rc == 0
    assert host.run("passwd --status alice").stdout.split()[1] == "L", "no password, but not expired"
    assert "Account expires\t\t\t\t\t\t: never" in host.check_output("LC_ALL=C chage -l alice")
    assert len(host.check_output("pgrep -u alice").split()) >= 5
    assert host.run("systemctl is-active websocket session").rc == 0
