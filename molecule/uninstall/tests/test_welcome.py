"""The gateway disables Debian's welcome page on port 80; removing the gateway restores it."""

from __future__ import annotations


def test_debians_welcome_page_is_back_where_it_was(host):
    page = host.file("/etc/nginx/sites-enabled/default")
    if "debian13" in host.backend.get_hostname():
        assert page.linked_to == "/etc/nginx/sites-available/default"
        fetch = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1/').read().decode())"
        assert "Welcome to nginx" in host.check_output("python3 -c %s", fetch)
    else:
        assert not page.exists


def test_systemd_holds_no_port(host):
    assert host.run("systemctl cat vizgate-ports.service").rc != 0
    assert "vizgate" not in host.check_output("systemctl list-units --all --plain --no-legend")
