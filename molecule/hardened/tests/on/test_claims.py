"""Headers that would let a visitor impersonate another user in a tool that trusts its proxy: the gateway removes all of them."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time

import pytest

TOOL = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = json.dumps(self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
CLAIMS = (
    "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Forwarded-Access-Token",
    "X-Forwarded-User", "X-Webauth-User", "X-Remote-User", "X_Remote_User", "x-REMOTE-user", "Remote-User", "Tailscale-User-Login",
)  # fmt: skip


@pytest.fixture
def told(host, run, ports, address):
    """The headers that alice's tool receives with her request."""
    port = ports("alice")["first"] + 9
    host.check_output("systemd-run --quiet --unit=tells --uid=alice python3 -c %s %s", TOOL, str(port))
    assert run("alice", f"vizgate add tells --port {port}")[0] == 0

    def told(lines):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, timeout=60, context=context)
        connection.putrequest("GET", "/alice/tells/")
        connection.putheader("Authorization", "Basic " + base64.b64encode(b"alice:alice-secret").decode())
        for name, value in lines:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read()
        return json.loads(text) if answer.status == 200 else None

    deadline = time.monotonic() + 60
    while told([]) is None:
        assert time.monotonic() < deadline, "the tool never answered"
        time.sleep(0.05)
    yield told
    run("alice", "vizgate remove tells --yes")
    host.check_output("systemctl stop tells")


def test_no_visitor_is_somebody_else_to_a_tool(told):
    lines = told([*((name, "forged") for name in CLAIMS), ("X-Auth-Token", "own"), ("X-Forwarded-For", "10.9.9.9")])
    assert not [line for line in lines if line[1] in ("forged", "10.9.9.9")]
    assert ["X-Auth-Token", "own"] in lines
