# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets that speak TLS, and links with scheme https."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.http_client import speaks_tls
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.probe import probe
from ansible_collections.vizgate.gateway.tests.unit.core.net.servers import OK, SITE, Server, link, listening, saying
from ansible_collections.vizgate.gateway.tests.unit.support import free_port

CERTIFICATES: dict[ssl.SSLContext, Path] = {}
"""The file with the certificate that a server shows."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's TLS, with a certificate that nobody trusts."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=tool"]
    subprocess.run([*command, *files], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    CERTIFICATES[context] = folder / "cert.pem"
    return context


def tls(context: ssl.SSLContext, refusal: bytes = b"") -> Server:
    """A server that takes TLS only, and says `refusal` to everything else."""

    def serve(connection: socket.socket) -> None:
        if refusal and connection.recv(1, socket.MSG_PEEK) != b"\x16":
            saying(refusal)(connection)
            return
        with context.wrap_socket(connection, server_side=True) as stream:
            stream.recv(65536)
            stream.sendall(OK)

    return serve


@pytest.mark.parametrize("refusal", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["mute", "polite"])
def test_a_tool_that_speaks_tls(certificate: ssl.SSLContext, refusal: bytes) -> None:
    with listening(tls(certificate, refusal)) as port:
        seen = probe(link(port), SITE)
    assert (seen.listening, seen.answers, seen.status, seen.problem) == (True, False, 0, "it speaks TLS")


def test_tls_that_wants_another_client_is_tls(certificate: ssl.SSLContext) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("PSK")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with listening(tls(context)) as port:
        assert speaks_tls(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("name", "verify", "problem"),
    [
        ("tool", True, ""),
        ("other", True, "its certificate is not trusted: Hostname mismatch, certificate is not valid for 'other'."),
        ("other", False, ""),
        ("127.0.0.1", False, ""),
    ],
)
def test_a_link_with_https(
    certificate: ssl.SSLContext, names: dict[str, list[str]], name: str, verify: bool, problem: str
) -> None:
    names[name] = ["127.0.0.1"]
    site = {**SITE, "backend_ca": str(CERTIFICATES[certificate])}
    with listening(tls(certificate)) as port:
        seen = probe(link(port, name, scheme="https", verify=verify), site)
        assert (seen.listening, seen.answers, seen.problem) == (True, not problem, problem)
        strange = probe(link(port, "tool", scheme="https"), SITE)
    if name == "tool":
        assert strange.problem == "its certificate is not trusted: self-signed certificate"


def test_a_link_with_https_to_what_speaks_none(names: dict[str, list[str]]) -> None:
    names["tool"] = ["127.0.0.1"]
    with listening(saying(OK)) as port:
        assert probe(link(port, "tool", scheme="https"), SITE).problem == "it does not use TLS"
        missing = {**SITE, "backend_ca": "/nowhere"}
        problem = "the gateway's file of CA certificates is missing"
        assert probe(link(port, "tool", scheme="https"), missing).problem == problem
    assert probe(link(port, "tool", scheme="https"), SITE).problem == "connection refused"


def test_plain_http_is_not_tls() -> None:
    with listening(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        assert not speaks_tls(("127.0.0.1", port))
        seen = probe(link(port), SITE)
    assert (seen.answers, seen.status, seen.problem) == (True, 400, "")
    assert not speaks_tls(("127.0.0.1", free_port()))
