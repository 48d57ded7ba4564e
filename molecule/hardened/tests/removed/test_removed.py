"""The gateway is removed: its certificate is no longer renewed, and no secret is left."""

from __future__ import annotations


def test_certbot_knows_nothing_of_it(host):
    assert host.exists("certbot")
    assert "No certificates found" in host.check_output("certbot certificates 2>&1")
    assert not host.file("/etc/systemd/system/certbot.service.d").exists
    assert "vizgate" not in host.check_output("systemctl list-unit-files")


def test_no_secret_is_left(host):
    assert host.run("grep -rlF dGhlIGtleSBvZiBhIHRlc3Q /etc --exclude-dir=bind").stdout == ""
    assert not host.file("/etc/vizgate").exists
    assert not host.file("/var/lib/vizgate").exists
