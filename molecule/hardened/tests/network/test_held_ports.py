"""systemd holds the gateway's ports for root: no account can listen on them, even while nginx is stopped."""

from __future__ import annotations

import http.client
import json

import pytest

# Tries all ways to listen on the ports, on all addresses and on single ones, until it is ended.
TAKER = """
import itertools, json, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print(json.dumps([rounds, taken]))))
rounds, taken = 0, []
V4, V6 = socket.AF_INET, socket.AF_INET6
PLACES = [(V4, "0.0.0.0"), (V4, "127.0.0.1"), (V4, sys.argv[1]), (V6, "::"), (V6, "::1"), (V6, "::ffff:127.0.0.1")]
MPTCP = 262
while True:
    for port, (family, address), options in itertools.product(sys.argv[2:], PLACES, itertools.product((0, 1), repeat=4)):
        with socket.socket(family, socket.SOCK_STREAM, MPTCP if options[0] else 0) as found:
            try:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, options[1])
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, options[2])
                if family == V6:
                    found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options[3])
                found.bind((address, int(port)))
                found.listen()
                taken.append([port, address, *options])
            except OSError:
                pass
    rounds += 1
    if rounds == 1:
        print("looking", flush=True)
"""
# Lets mallory try while root runs shell commands.
WHILE = """
import subprocess, sys
taker, address, ports, *lines = sys.argv[1:]
command = [sys.executable, "-c", taker, address, *ports.split()]
with subprocess.Popen(command, user="mallory", group="mallory", extra_groups=[], stdout=subprocess.PIPE, text=True) as process:
    process.stdout.readline()
    for line in lines:
        subprocess.run(line, shell=True, check=True)
    process.terminate()
    print(process.stdout.read())
"""
HELD = "443 80"


@pytest.fixture(scope="module")
def taken(host, address):
    """Returns the sockets that mallory could listen with while root runs shell commands."""

    def taken(ports, *lines):
        told = host.check_output("python3 -c %s" + " %s" * (len(lines) + 3), WHILE, TAKER, address, ports, *lines)
        rounds, found = json.loads(told)
        assert rounds >= 1
        return found

    return taken


def test_a_free_port_is_taken_in_every_way(taken):
    """Proves that the other tests can detect a taken port."""
    found = taken("7770", "true")
    assert {address for _port, address, *_options in found} >= {"0.0.0.0", "127.0.0.1", "::", "::1"}


def test_nobody_takes_a_port_while_nginx_is_started_again(host, taken, get):
    lines = [
        "systemctl restart nginx",
        "systemctl stop nginx",
        "systemctl restart vizgate-ports",
        "systemctl start nginx",
    ]
    assert taken(HELD, *lines) == []
    assert get("/alice/report/")[0] == 200


def test_nobody_takes_a_port_while_nginx_is_reloaded(taken):
    assert taken(HELD, "systemctl reload nginx") == []


def test_the_ports_are_held_before_users_can_run_anything(host):
    told = host.check_output("systemctl show --property=Before,After,Conflicts,ActiveState vizgate-ports")
    lines = dict(line.split("=", 1) for line in told.splitlines())
    assert lines["ActiveState"] == "active"
    assert "sysinit.target" in lines["Before"].split()
    # nor are they released at shutdown, before users' programs have ended
    assert "shutdown.target" not in lines["Conflicts"].split()
    assert not {"basic.target", "sysinit.target"} & set(lines["After"].split())


def test_a_converge_says_who_has_a_port(host, program):
    found = program("mallory", 7771)
    done = host.run("/usr/local/lib/vizgate/bin/vizgate-ports --check %s 7771", HELD.split()[0])
    found.stop()
    assert done.rc == 1
    assert "TCP port 7771 is taken by " in done.stderr
    assert "of account mallory" in done.stderr
    assert "443" not in done.stderr


def test_who_asks_by_an_address_gets_the_gateway(host, address, get):
    # before, Debian's welcome page on port 80 answered for all unknown host names
    assert get("/alice/report/")[0] == 200
    connection = http.client.HTTPConnection(address, 80, timeout=60)
    connection.request("GET", "/alice/report/?a=b")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location")) == (308, "https://gate.example.test/alice/report/?a=b")
    assert not host.file("/etc/nginx/sites-enabled/default").exists
