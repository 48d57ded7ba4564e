"""Fixtures for all phases: programs and connections of accounts, and requests from outside of the host."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import time

import pytest

CONNECT = """
import socket, sys, time
found = []
# the quickest of three: on a busy host any of them may be late
for _ in range(3):
    started = time.monotonic()
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
        found.append("connected")
    except ConnectionRefusedError:
        found.append("refused" if time.monotonic() - started < 0.5 else "late")
print(next((one for one in found if one != "late"), "late"))
"""


@pytest.fixture(scope="module")
def get(address):
    """Requests a page of alice with her login; returns `(status, text)`."""

    def get(path):
        # test_certificate.py verifies the certificate
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, timeout=60, context=context)
        credential = base64.b64encode(b"alice:alice-secret").decode()
        connection.request("GET", path, headers={"Authorization": f"Basic {credential}"})
        response = connection.getresponse()
        return response.status, response.read().decode()

    return get


@pytest.fixture(scope="module")
def connect(host):
    """The result when an account connects to a port on the host itself."""

    def connect(account, port, where="127.0.0.1"):
        return host.check_output("runuser -u %s -- python3 -c %s %s %s", account, CONNECT, where, str(port))

    return connect


@pytest.fixture(scope="module")
def program(host):
    """Starts a web server as an account, and ends it."""
    units = set()

    class Program:
        def __init__(self, account, port, where="127.0.0.1"):
            self.unit = f"program-{account}-{port}-{len(units)}"
            units.add(self.unit)
            host.check_output(
                "systemd-run --unit=%s --uid=%s --working-directory=/usr/share/doc python3 -m http.server --bind %s %s",
                self.unit, account, where, str(port),
            )  # fmt: skip
            deadline = time.monotonic() + 60
            while not host.run(f"ss -Htln sport = :{port}").stdout:
                assert time.monotonic() < deadline, f"{self.unit} does not listen"
                time.sleep(0.05)

        def stop(self):
            host.check_output("systemctl stop %s", self.unit)
            units.discard(self.unit)

    yield Program
    for unit in units:
        host.run("systemctl stop %s", unit)


@pytest.fixture(scope="module")
def ports(run):
    """The port range of an account, as the command prints it."""

    def ports(account):
        code, told, errors = run(account, "vizgate ports --json")
        assert (code, errors) == (0, "")
        return json.loads(told)

    return ports


@pytest.fixture(scope="module")
def reached(address):
    """Whether a port can be connected to from outside."""

    def reached(port):
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            return False
        return True

    return reached
