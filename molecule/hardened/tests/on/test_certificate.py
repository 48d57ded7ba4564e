"""HTTPS of the gateway as browsers see it, after a renewal and a refused request: side_effect.yml."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl

import pytest

NAME = "gate.example.test"


@pytest.fixture(scope="module")
def trust(host):
    """A TLS context that trusts only the test CA."""
    return ssl.create_default_context(cadata=host.file("/root/authority.pem").content_string)


def get(address, path, context=None, login=True):
    if context:
        plain = socket.create_connection((address, 443), 20)
        client = http.client.HTTPSConnection(NAME)
        client.sock = context.wrap_socket(plain, server_hostname=NAME)
    else:
        client = http.client.HTTPConnection(address, 80, timeout=60)
    headers = {"Host": NAME}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(b"alice:alice-secret").decode()
    client.request("GET", path, headers=headers)
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer


def test_authoritys_certificate_is_served_and_trusted(address, trust):
    with (
        socket.create_connection((address, 443), 20) as plain,
        trust.wrap_socket(plain, server_hostname=NAME) as client,
    ):
        names = {name for _kind, name in client.getpeercert()["subjectAltName"]}
        assert names == {NAME, "viz.example.test"}
        assert client.version() == "TLSv1.3"


def test_links_answer_over_https_alone(address, trust):
    answer = get(address, "/alice/report/", trust)
    assert (answer.status, answer.getheader("Strict-Transport-Security")) == (200, "max-age=3600")
    answer = get(address, "/alice/report/?a=b")
    assert (answer.status, answer.getheader("Location")) == (308, f"https://{NAME}/alice/report/?a=b")
    assert get(address, "/alice/report/", trust, login=False).status == 401


def test_key_is_roots_alone(host):
    found = host.file("/etc/vizgate/tls/gateway.pem")
    assert (found.user, found.group, found.mode & 0o027) == ("root", "root", 0)
    assert "PRIVATE KEY" in found.content_string
    assert host.run("runuser -u mallory -- cat /etc/vizgate/tls/gateway.pem").rc != 0
    assert host.run("runuser -u www-data -- cat /etc/vizgate/tls/gateway.pem").rc != 0


def test_renewal_runs_by_timer_and_knows_the_hook(host):
    assert host.service("certbot.timer").is_running
    assert host.service("certbot.timer").is_enabled
    settings = host.file("/etc/letsencrypt/renewal/vizgate.conf").content_string
    assert "renew_hook = /usr/local/lib/vizgate/bin/vizgate-certificate" in settings
    assert "REQUESTS_CA_BUNDLE=/etc/pebble/ca.pem" in host.check_output("systemctl show -p Environment certbot.service")


def test_renewed_without_a_failed_request(host):
    assert host.check_output("systemctl show -P Result certbot.service") == "success"
    found = json.loads(host.check_output("cat /root/visitors.json"))
    assert list(found) == ["200"]
    assert found["200"] > 50, "none came after the first fifty"
    serial = host.check_output("openssl x509 -in /etc/vizgate/tls/gateway.pem -noout -serial")
    assert serial != host.check_output("cat /root/serial-before")


def test_served_certificate_is_the_one_on_disk(host, address, trust):
    with (
        socket.create_connection((address, 443), 20) as plain,
        trust.wrap_socket(plain, server_hostname=NAME) as client,
    ):
        served = ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True))
    assert host.file("/etc/vizgate/tls/gateway.pem").content_string.startswith(served.rstrip())


@pytest.mark.parametrize(("told", "why"), [("away", "Connection refused"), ("refusal", "more.example.test")])
def test_refusal_says_why_and_changes_nothing(host, told, why):
    said = host.file(f"/root/{told}").content_string
    begin, between, reason = said.partition("; the gateway keeps its current certificate")
    assert "certbot has obtained no certificate for gate.example.test, viz.example.test, more.example.test" in begin
    assert (bool(between), why in reason) == (True, True)
