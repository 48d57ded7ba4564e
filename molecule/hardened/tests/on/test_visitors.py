"""The promises of SECURITY.md from outside, on a system-wide gateway with HTTPS: the simplest attack on each. tests/http has the
variants."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time

import pytest

BASIC = "Authorization: Basic " + base64.b64encode(b"alice:alice-secret").decode()
OWN = "Origin: https://gate.example.test"
UPGRADE = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


@pytest.fixture(scope="module")
def send(address):
    """Sends raw lines; returns `(status, response)`, where the response is read up to `end`, or to its last byte."""

    def send(line, *headers, body="", host="gate.example.test", end=b"no end"):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        text = "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *headers, "", body])
        with (
            socket.create_connection((address, 443), 20) as plain,
            context.wrap_socket(plain, server_hostname="gate.example.test") as client,
        ):
            client.sendall(text.encode())
            client.settimeout(60)
            answer = b""
            try:
                while end not in answer and (part := client.recv(65536)):
                    answer += part
                    # of a connection that stays open, nobody says where the answer ends
                    client.settimeout(3)
            except TimeoutError:
                pass
        return int(answer.split(b" ")[1]), answer.decode(errors="replace")

    return send


@pytest.fixture(scope="module")
def bobs(run, ports):
    """A link of bob with his own login."""
    assert run("bob", "echo bob-secret | vizgate login add bob --password-stdin")[0] == 0
    assert (
        run("bob", f"vizgate add board --port {ports('bob')['first']} --description '<script>alert(1)</script>'")[0]
        == 0
    )
    yield "/bob/board/"
    run("bob", "vizgate remove board --yes; vizgate login remove bob")


def test_a_login_opens_its_owners_pages_alone(send, bobs):
    close = "Connection: close"
    assert send("GET /alice/report/", BASIC, close)[0] == 200
    strangers = [send(f"GET {path}", BASIC, close) for path in (bobs, "/bob/none/", "/nobody/", "/nobody/none/")]
    assert [status for status, _answer in strangers] == [401] * 4
    texts = {answer.partition("\r\n\r\n")[2] for _status, answer in strangers}
    assert len(texts) == 1, "which users and links there are is told to nobody"
    assert [send(f"{method} {bobs}", BASIC, close)[0] for method in ("POST", "PUT", "DELETE")] == [401] * 3


def test_a_websocket_needs_a_login_and_the_gateways_origin(send):
    """As in CVE-2024-28179 and PYSEC-2026-2187."""
    assert send("GET /alice/report/ws", OWN, *UPGRADE, end=b"\r\n")[0] == 401
    for origin in ("https://gate.example.test.evil.test", "https://evil.test", "https://evilgate.example.test", "null"):
        assert send("GET /alice/report/ws", BASIC, f"Origin: {origin}", *UPGRADE, end=b"\r\n")[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/alice/report/../../bob/board/",
        "/alice/report/..%2f..%2fbob/board/",
        "/alice/report/%2e%2e/%2e%2e/bob/board/",
        "/alice//report/",
        "/ALICE/report/",
        "/alice%2freport/",
        "https://bob.example/alice/../bob/board/",
    ],
)
def test_no_spelling_leads_elsewhere(send, bobs, path):
    assert send(f"GET {path}", BASIC, "Connection: close")[0] in (400, 401, 404)


def test_no_request_is_two(send):
    inner = "GET /bob/board/ HTTP/1.1\r\nHost: x\r\n\r\n"
    both = ("Content-Length: 5", "Transfer-Encoding: chunked")
    for headers in (both, ("Transfer-Encoding: chunked, identity",), ("Content-Length: 5", "Content-Length: 6")):
        status, answer = send("POST /alice/report/", BASIC, *headers, body=f"0\r\n\r\n{inner}")
        assert (status in (400, 501), answer.count("HTTP/1.1 ")) == (True, 1)


def test_a_host_that_is_not_the_gateways_is_not_believed(send):
    """As in GHSA-gcv9-6737-pjqw."""
    for host in (
        "evil.test",
        "gate.example.test.evil.test",
        "evil.test/gate.example.test",
        "gate.example.test@evil.test",
    ):
        status, answer = send("GET /alice/report", BASIC, "Connection: close", host=host)
        assert status in (302, 400)
        assert "evil" not in answer


@pytest.mark.parametrize("target", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "224.0.0.1", "0x7f000001", "2130706433"])
def test_no_link_leads_to_metadata_or_disguises(run, target):
    code, _told, errors = run("mallory", f"vizgate add evil --host '{target}' --port 80")
    assert code in (1, 2)
    assert target.strip("[]") in errors


def test_no_text_is_code(run, send, bobs):
    """As in CVE-2024-35225."""
    login = "Authorization: Basic " + base64.b64encode(b"bob:bob-secret").decode()
    status, answer = send("GET /bob/", login, "Connection: close")
    assert status == 200
    assert "&lt;script&gt;alert(1)" in answer
    assert "<script>alert" not in answer


def test_no_request_forges_a_line_of_the_log(host, send):
    mark = f"forged{time.time_ns()}"
    send(
        f'GET /alice/report/{mark}%0a{{"address":"203.0.113.9"}}',
        f'User-Agent: "}}\\{mark}',
        BASIC,
        "Connection: close",
    )
    login = base64.b64encode(f'{mark}","address":"203.0.113.9\n:x'.encode()).decode()
    send("GET /alice/report/", f"Authorization: Basic {login}", "Connection: close")
    deadline = time.monotonic() + 60
    while mark not in host.file("/var/log/nginx/vizgate.jsonl").content_string:
        assert time.monotonic() < deadline, "the request is in no log"
        time.sleep(0.1)
    time.sleep(0.3)  # for the other's line
    for name in ("vizgate.jsonl", "vizgate-logins.jsonl"):
        lines = host.file(f"/var/log/nginx/{name}").content_string.splitlines()
        assert [line for line in map(json.loads, lines) if line["address"] == "203.0.113.9"] == []
        assert name != "vizgate.jsonl" or any(mark in line for line in lines)
