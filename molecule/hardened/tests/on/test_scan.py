"""A scan for weak encryption with sslscan, which supports protocols that current libraries do not."""

from __future__ import annotations

import xml.etree.ElementTree as tree

import pytest

GOOD = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
}


@pytest.fixture(scope="module")
def scan(host):
    return tree.fromstring(host.check_output("sslscan --xml=- --no-colour 127.0.0.1:443")).find("ssltest")


def test_protocols(scan):
    protocols = {(each.get("type"), each.get("version")): each.get("enabled") for each in scan.findall("protocol")}
    assert {key for key, enabled in protocols.items() if enabled == "1"} == {("tls", "1.2"), ("tls", "1.3")}
    assert {("ssl", "2"), ("ssl", "3"), ("tls", "1.0"), ("tls", "1.1")} <= protocols.keys(), "they have been tried"


def test_ciphers(scan):
    ciphers = {each.get("cipher") for each in scan.findall("cipher")}
    assert len(ciphers) >= 5
    assert ciphers <= GOOD


def test_old_weaknesses(scan):
    # Debian 12's sslscan does not test compression
    assert [each.get("supported") for each in scan.findall("compression") if each.get("supported") != "0"] == []
    renegotiation = scan.find("renegotiation")
    assert (renegotiation.get("supported"), renegotiation.get("secure")) in (("0", "0"), ("1", "1"), ("0", "1"))
    assert [each.get("sslversion") for each in scan.findall("heartbleed") if each.get("vulnerable") == "1"] == []
