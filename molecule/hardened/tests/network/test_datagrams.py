"""The loopback filter and UDP: neither connection tracking nor another interface lets datagrams of other accounts pass."""

from __future__ import annotations

import pytest

SERVER = """
import socket, sys
server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
server.bind(("::", int(sys.argv[1])))
while True:
    text, client = server.recvfrom(99)
    print(text.decode(), flush=True)
    server.sendto(b"heard", client)
"""
CLIENT = """
import socket, sys
text, addresses, port, source = sys.argv[1:]
for address in addresses.split():
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(kind, socket.SOCK_DGRAM)
    client.settimeout(2)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if source != "0":
        client.bind(("::1" if kind == socket.AF_INET6 else "127.0.0.1", int(source)))
    try:
        client.sendto(text.encode(), socket.getaddrinfo(address, int(port), kind, socket.SOCK_DGRAM)[0][4])
        print(client.recv(9).decode())
    except PermissionError:
        print("refused")
    except TimeoutError:
        print("silence")
"""
BROADCASTS = ["10.98.7.255", "ff02::1%lan0"]
"""Addresses that lead to this host and to another interface than lo."""
LOOPBACK = ["127.0.0.1", "::1"]
OUTSIDE = 9977


@pytest.fixture(scope="module")
def port(ports):
    """A port of alice's range."""
    return ports("alice")["first"] + 7


@pytest.fixture
def program(host):
    """Starts a UDP program of an account on all addresses; returns a function that returns the datagrams received so far."""
    units = []

    def program(account, port):
        unit, file = f"datagrams-{account}", f"/run/datagrams-{account}"
        line = "systemd-run --collect --unit=%s --uid=%s --property=StandardOutput=truncate:%s python3 -c %s %s"
        host.check_output(line, unit, account, file, SERVER, str(port))
        units.append(unit)
        host.check_output("timeout 60 sh -c 'until [ \"$(ss -Huln sport = :%s)\" ]; do sleep 0.05; done'", str(port))

        def heard():
            # datagrams that were sent before root's have arrived before it
            assert send_from(host, "root", "end", ["127.0.0.1"], port) == ["heard"]
            return host.file(file).content_string.split()

        return heard

    yield program
    for unit in units:
        host.check_output("systemctl stop %s", unit)


def send_from(host, account, text, addresses, port, source=0):
    line = "runuser -u %s -- python3 -c %s %s %s %s %s"
    return host.check_output(line, account, CLIENT, text, " ".join(addresses), str(port), str(source)).split()


@pytest.fixture
def send(host):
    """Sends datagrams as an account; returns the result of each: `heard`, `refused` or `silence`."""

    def send(*words):
        return send_from(host, *words)

    return send


@pytest.fixture
def lan(host):
    """Another interface, with IPv4 and IPv6, from which UFW allows everything."""
    host.check_output(
        "ip link add lan0 type veth peer name lan1 && ip link set lan0 addrgenmode none"
        " && sysctl -q -w net.ipv6.conf.lan0.disable_ipv6=0"
        " && ip address add 10.98.7.1/24 broadcast + dev lan0 && ip address add fe80::1/64 dev lan0 nodad"
        " && ip link set lan1 up && ip link set lan0 up && ufw allow in on lan0"
    )
    yield
    host.check_output("ufw delete allow in on lan0 && ip link delete lan0")


def test_broadcasts_are_guarded(lan, port, program, send):
    heard = program("alice", port)
    send("alice", "alice", BROADCASTS, port)
    assert send("mallory", "mallory", BROADCASTS, port) == ["refused"] * len(BROADCASTS)
    assert heard() == ["alice"] * len(BROADCASTS) + ["end"]


def test_a_source_port_gives_nothing_to_who_has_it_next(port, program, send):
    heard = program("alice", port)
    assert send("alice", "alice", LOOPBACK, port, OUTSIDE) == ["heard"] * 2
    assert send("mallory", "mallory", LOOPBACK, port, OUTSIDE) == ["refused"] * 2
    assert heard() == ["alice", "alice", "end"]


def test_who_had_the_port_before_may_not_answer_later(port, program, send):
    """mallory sends from alice's port while it is free, so that her later datagrams to it look like responses."""
    planted = send("mallory", "plant", LOOPBACK, OUTSIDE + 1, port)
    heard = program("alice", port)
    sent = send("mallory", "mallory", LOOPBACK, port, OUTSIDE + 1)
    assert heard() == ["end"]
    assert planted + sent == ["refused"] * 4


def test_the_systems_own_services_answer_whatever_port_asks(port, program, send):
    """The kernel may assign a port of a user's range to a client of another account."""
    program("root", 977)
    assert send("mallory", "mallory", LOOPBACK, 977, port) == ["heard"] * 2
