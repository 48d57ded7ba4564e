"""Nothing of the gateway is left except the archive that root has created."""

from __future__ import annotations


def test_no_file_is_left(host):
    found = host.check_output(
        "find / /run /tmp -xdev '(' -path /proc -o -path /sys ')' -prune -o -name '*vizgate*' -print"
    ).splitlines()
    kept = ("/var/backups/vizgate", "/var/log/", "/var/lib/systemd/", "/run/systemd/", "/root/", "/run/log/")
    assert [path for path in found if not path.startswith(kept)] == []


def test_nothing_is_mounted_and_nothing_runs(host):
    assert "vizgate" not in host.check_output("findmnt --raw --noheadings --output TARGET")
    assert host.run("ps -eo args | grep -v grep | grep vizgate").stdout == ""
    assert host.check_output("systemctl list-units --all --plain --no-legend '*vizgate*'") == ""
    assert not host.user("vizgate").exists


def test_what_users_run_goes_on(host):
    """A program with a socket in the removed folder does not block the removal: removed.yml."""
    assert host.service("alices-page").is_running
    assert not host.file("/run/vizgate").exists


def test_accounts_may_run_nothing_any_more(run):
    code, listed, errors = run("alice", "sudo -nl")
    assert (code, "nginx" in listed, errors) == (1, False, "sudo: a password is required\n")
    assert run("alice", "vizgate list")[0] == 127
