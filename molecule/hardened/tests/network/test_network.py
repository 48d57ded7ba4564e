"""Connections from outside: declared ports and foreign rules are open, all other ports are closed."""

from __future__ import annotations


def test_only_what_is_declared_can_be_reached(host, reached):
    for port in (7777, 9999):
        assert host.run("ss -Htln sport = :%s", str(port)).stdout, "it would be closed anyhow"
    assert (reached(443), reached(80), reached(9999), reached(7777)) == (True, True, True, False)


def test_ssh_is_open_and_foreign_rules_are_as_they_were(host):
    added = host.check_output("ufw show added").splitlines()[1:]
    assert sorted(added) == [
        "ufw allow 22/tcp comment 'vizgate: ssh'",
        "ufw allow 443/tcp comment 'vizgate: gateway'",
        "ufw allow 80/tcp comment 'vizgate: redirect'",
        "ufw allow 9999/tcp comment 'the lab printer'",
    ]


def test_the_guard_comes_before_users(host):
    assert host.check_output("systemctl is-active vizgate-guard.service") == "active"
    after = host.check_output("systemctl show --property=Before vizgate-guard.service")
    assert "sysinit.target" in after
