"""Users' subdomains with a wildcard certificate, and the passwords of accounts."""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl

import pytest

DOMAIN = "gate.example.test"
ALICE = ("alice", "account of alice")


@pytest.fixture(scope="module")
def ask(host, address):
    """Requests a page as a client that trusts only the test CA; returns `(status, Location)`."""
    trust = ssl.create_default_context(cadata=host.file("/root/authority.pem").content_string)

    def ask(name, path, login=None, port=443):
        connection = http.client.HTTPConnection(name)
        plain = socket.create_connection((address, port), 20)
        connection.sock = trust.wrap_socket(plain, server_hostname=name) if port == 443 else plain
        credential = base64.b64encode(":".join(login or ()).encode()).decode()
        connection.request("GET", path, headers={"Authorization": f"Basic {credential}"} if login else {})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.getheader("Location")

    return ask


def test_every_user_has_a_host_with_a_certificate(host, ask):
    assert ask(f"alice.{DOMAIN}", "/report/", ALICE)[0] == 200
    assert ask(f"alice.{DOMAIN}", "/report/")[0] == 401
    names = host.check_output("openssl x509 -in /etc/vizgate/tls/gateway.pem -noout -ext subjectAltName")
    assert {f"DNS:*.{DOMAIN}", f"DNS:{DOMAIN}"} == set(re.findall("DNS:[^,\\s]+", names))


def test_what_is_alices_is_on_her_host_alone(ask):
    for name, path in (
        (DOMAIN, "/alice/report/"),
        (DOMAIN, "/report/"),
        (f"bob.{DOMAIN}", "/alice/report/"),
        (f"alice.{DOMAIN}", "/alice/report/"),
    ):
        assert ask(name, path, ALICE)[0] in (401, 404)


def test_a_link_has_a_host_of_its_own_with_the_same_certificate(ask):
    assert ask(f"study--alice.{DOMAIN}", "/", ALICE)[0] == 200
    assert ask(f"study--alice.{DOMAIN}", "/")[0] == 401
    assert ask(f"study--bob.{DOMAIN}", "/", ALICE)[0] == 401
    assert ask(f"alice.{DOMAIN}", "/study/x?a=b", ALICE) == (307, f"https://study--alice.{DOMAIN}/x?a=b")


def test_http_is_sent_on_to_the_same_host(ask):
    assert ask(f"alice.{DOMAIN}", "/report/?a=b", port=80) == (308, f"https://alice.{DOMAIN}/report/?a=b")


def test_accounts_passwords_open_their_own_pages_alone(ask):
    assert ask(f"alice.{DOMAIN}", "/", ALICE)[0] == 200
    # he has no page, and others cannot find that out
    assert ask(f"bob.{DOMAIN}", "/", ("bob", "account of bob"))[0] == 404
    # the declared login with the same name no longer opens anything
    assert ask(f"alice.{DOMAIN}", "/", ("alice", "alice-secret"))[0] == 401
    assert ask(f"alice.{DOMAIN}", "/", ("bob", "account of bob"))[0] == 401
    assert ask(f"alice.{DOMAIN}", "/", ("root", "account of root"))[0] == 401


def test_a_locked_account_is_locked(host, ask):
    login = ("mallory", "account of mallory")
    host.check_output("usermod --lock mallory")
    try:
        assert ask(f"mallory.{DOMAIN}", "/", login)[0] == 401
    finally:
        host.check_output("usermod --unlock mallory")


def test_the_checker_alone_reads_shadow(host):
    unit = host.check_output("systemctl show --property=User --property=SupplementaryGroups vizgate-auth.service")
    assert "User=vizgate" in unit
    assert "shadow" in unit
    assert host.run("runuser -u www-data -- cat /etc/shadow").rc != 0
    assert "shadow" not in host.check_output("id -nG vizgate")


def test_renewals_know_the_challenge(host):
    settings = host.file("/etc/letsencrypt/renewal/vizgate.conf").content_string
    assert "authenticator = dns-rfc2136" in settings
    secret = host.file("/etc/vizgate/tls/acme-dns.ini")
    assert (secret.user, secret.mode) == ("root", 0o600)
    before = host.check_output("openssl x509 -in /etc/vizgate/tls/gateway.pem -noout -serial")
    host.check_output("REQUESTS_CA_BUNDLE=/etc/pebble/ca.pem certbot renew --force-renewal --no-random-sleep-on-renew")
    assert host.check_output("openssl x509 -in /etc/vizgate/tls/gateway.pem -noout -serial") != before


def test_fail2ban_has_forgotten_the_gateway(host):
    assert not host.file("/etc/fail2ban/jail.d/vizgate.conf").exists
    assert "vizgate" not in host.check_output("fail2ban-client status")
