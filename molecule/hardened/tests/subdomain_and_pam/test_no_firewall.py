"""Without the firewall: its rules, table, unit and files are removed, UFW is restored, and port ranges still apply."""

from __future__ import annotations


def test_nothing_of_it_is_left(host, reached):
    assert host.run("nft list table inet vizgate").rc != 0
    assert host.run("ls /etc/vizgate/guard.nft /etc/ufw/vizgate.json").stdout == ""
    assert "vizgate-guard" not in host.check_output("systemctl list-unit-files")
    assert host.check_output("ufw show added").splitlines()[1:] == ["ufw allow 9999/tcp comment 'the lab printer'"]
    assert host.check_output("ufw status") == "Status: inactive"
    assert (reached(443), reached(7777)) == (True, True)


def test_the_refresh_does_not_bring_it_back(host):
    host.check_output("systemctl start vizgate-resolve.service")
    assert host.run("nft list table inet vizgate").rc != 0


def test_ranges_are_still_ranges(ports, run, program, connect):
    mine = ports("alice")
    assert run("alice", "vizgate add y --port 9087")[0] == 1
    tool = program("alice", mine["first"])
    assert connect("bob", mine["first"]) == "connected"
    tool.stop()
