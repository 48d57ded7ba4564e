"""`gateway_auth: forward` on a system-wide gateway: no account can listen in place of the sign-in service, on any address of the host,
and an invalid name opens no pages."""

from __future__ import annotations

import time

import pytest

CONFIGURATION = "/etc/nginx/conf.d/00-vizgate.conf"
SERVICE = """
import os, socket, sys
family, place, name = getattr(socket, sys.argv[1]), sys.argv[2], sys.argv[3]
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(place if family == socket.AF_UNIX else (place, 4180))
if family == socket.AF_UNIX:
    os.chmod(place, 0o777)
listener.listen()
while True:
    connection = listener.accept()[0]
    if connection.recv(65536):
        connection.sendall(f"HTTP/1.1 202 Accepted\\r\\nX-Auth-Request-User: {name}\\r\\n\\r\\n".encode())
    connection.close()
"""
HOW = (
    'vizgate.sign_in {{ way = "forward", site = "https://gate.example.test", place = "{}", path = "/",'
    ' header = "x-auth-request-user", page = "", domain = "lab.example" }}'
)
PLACES = {
    "own address": ("{address}:4180", "AF_INET", "{address}"),
    "all addresses": ("{address}:4180", "AF_INET", "0.0.0.0"),
    "mapped address": ("[::ffff:7f00:1]:4180", "AF_INET", "127.0.0.1"),
    "no address": ("0.0.0.0:4180", "AF_INET", "127.0.0.1"),
    "loopback of IPv6": ("[::1]:4180", "AF_INET6", "::1"),
    "unix socket": ("unix:/tmp/sign-in.sock", "AF_UNIX", "/tmp/sign-in.sock"),
}


def eventually(condition):
    """Waits until the condition holds; fails after a timeout."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def sign_in_by(host, get):
    """Configures the gateway for a sign-in service at an address, as the role would; restores the configuration at the end."""
    before = host.file(CONFIGURATION).content_string

    def write(text):
        host.check_output("printf %%s %s >%s && nginx -t -q && kill -HUP $(cat /run/nginx.pid)", text, CONFIGURATION)

    def sign_in_by(place):
        write(before.replace("    vizgate.lock_out(", f"    {HOW.format(place)}\n    vizgate.lock_out(", 1))
        # no service listens yet; the old workers accept alice's password
        eventually(lambda: [get("/alice/report/")[0] for _ in range(8)] == [503] * 8)

    yield sign_in_by
    write(before)
    eventually(lambda: [get("/alice/report/")[0] for _ in range(8)] == [200] * 8)


@pytest.fixture
def service(host):
    """Starts a sign-in service as an account that returns one name for every visitor."""

    def service(account, family, place, name="alice"):
        host.check_output("rm -f /tmp/sign-in.sock")
        arguments = "--unit=sign-in --collect --quiet --uid=%s python3 -c %s %s %s %s"
        host.check_output(f"systemd-run {arguments}", account, SERVICE, family, place, name)
        look = "ss -Htlnx src = /tmp/sign-in.sock" if family == "AF_UNIX" else "ss -Htln sport = :4180"
        eventually(lambda: host.run(look).stdout)

    yield service
    host.run("systemctl stop sign-in; rm -f /tmp/sign-in.sock")


@pytest.mark.parametrize("case", PLACES)
def test_only_services_are_believed(host, get, address, sign_in_by, service, case):
    place, family, listener = (text.format(address=address) for text in PLACES[case])
    sign_in_by(place)
    service("mallory", family, listener)
    assert [get("/alice/report/")[0] for _ in range(4)] == [503] * 4
    host.check_output("systemctl stop sign-in")
    service("daemon", family, listener)
    eventually(lambda: get("/alice/report/")[0] == 200)


def test_what_is_no_name_opens_nothing(host, get, address, sign_in_by, service):
    sign_in_by(f"{address}:4180")
    for name, status in (
        ("alice@lab.example", 200),
        ("@lab.example", 403),
        ("@", 403),
        ("alice@lab.example@lab.example", 403),
        ("alice,bob", 403),
    ):
        service("daemon", "AF_INET", address, name)
        eventually(lambda: get("/alice/report/")[0] != 503)
        assert get("/alice/report/")[0] == status, name
        host.check_output("systemctl stop sign-in")
