"""Users' port ranges on loopback: who can connect, which links are quarantined, and the ports that links may use."""

from __future__ import annotations

import json
import time

import pytest

CLIENT = """
import socket, sys
client = socket.socket()
client.settimeout(60)
# also where an earlier connection from this port has not quite ended
client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
client.bind(("127.0.0.1", int(sys.argv[1])))
client.connect(("127.0.0.1", 9087))
"""
UDP_SERVER = """
import socket, sys
server = socket.socket(type=socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    server.sendto(b"", server.recvfrom(9)[1])
"""
UDP_CLIENT = """
import socket, sys
client = socket.socket(type=socket.SOCK_DGRAM)
client.settimeout(60)
client.bind(("127.0.0.1", int(sys.argv[2])))
client.connect(("127.0.0.1", int(sys.argv[1])))
try:
    client.send(b"?")
    client.recv(9)
    print("answered")
except (ConnectionRefusedError, PermissionError):
    print("refused")
"""
START, USERS, SIZE = 20000, 20, 100
LAST = START + USERS * SIZE - 1


@pytest.fixture(scope="module")
def port(ports, run):
    """The first port of alice's range, the backend of her link `t`."""
    first = ports("alice")["first"]
    run("alice", "echo alice-secret | vizgate login add alice --password-stdin")
    run("alice", "vizgate remove t --yes")
    assert run("alice", f"vizgate add t --port {first}")[::2] == (0, "")
    return first


def test_everybody_has_a_range_of_their_own_that_stays(ports):
    found = {account: ports(account) for account in ("alice", "bob", "mallory")}
    ranges = [range(one["first"], one["last"] + 1) for one in found.values()]
    assert [len(one) for one in ranges] == [SIZE] * 3
    assert len({port for one in ranges for port in one}) == 3 * SIZE
    # the first range is carol's, who has a users file
    assert min(one.start for one in ranges) == START + SIZE
    assert max(one.stop for one in ranges) == START + 4 * SIZE
    assert {account: ports(account)["first"] for account in found} == {
        account: one["first"] for account, one in found.items()
    }


@pytest.mark.parametrize("where", ["127.0.0.1", "::1"])
def test_only_the_owner_root_and_the_gateway_connect(port, program, connect, get, run, where):
    tool = program("alice", port + 1, where)
    link = f"vizgate add six --host {where} --port {port + 1}"
    assert run("alice", link)[0] == 0
    try:
        assert [connect(account, port + 1, where) for account in ("alice", "root", "www-data")] == ["connected"] * 3
        assert [connect(account, port + 1, where) for account in ("bob", "mallory", "nobody")] == ["refused"] * 3
        assert get("/alice/six/")[0] == 200
    finally:
        run("alice", "vizgate remove six --yes")
        tool.stop()


def test_the_hosts_own_address_is_no_way_round(port, program, connect, address):
    tool = program("alice", port + 2, "0.0.0.0")
    assert (connect("bob", port + 2, address), connect("alice", port + 2, address)) == ("refused", "connected")
    tool.stop()


def test_what_is_nobodys_is_closed_and_what_is_outside_is_open(program, connect):
    tool = program("mallory", LAST)
    assert [connect(account, LAST) for account in ("mallory", "bob", "www-data", "root")] == ["refused"] * 3 + [
        "connected"
    ]
    tool.stop()
    assert connect("bob", 9087) == "connected"


def test_udp_is_guarded_as_well(host, port):
    """Datagrams to a port are rejected; responses pass, even to a port in the range of a user."""
    host.check_output("systemd-run --collect --unit=udp --uid=alice python3 -c %s %s", UDP_SERVER, str(port + 3))
    outside = 9988
    host.check_output(
        "systemd-run --collect --unit=udp-outside --uid=mallory python3 -c %s %s", UDP_SERVER, str(outside)
    )
    try:
        for one in (port + 3, outside):
            host.check_output("timeout 60 sh -c 'until [ \"$(ss -Huln sport = :%s)\" ]; do sleep 0.05; done'", str(one))

        def ask(account, to, source=0):
            line = "runuser -u %s -- python3 -c %s %s %s"
            return host.check_output(line, account, UDP_CLIENT, str(to), str(source))

        assert [ask(account, port + 3) for account in ("alice", "root")] == ["answered"] * 2
        assert [ask(account, port + 3) for account in ("bob", "nobody", "www-data")] == ["refused"] * 3
        assert ask("alice", outside, port + 4) == "answered"
    finally:
        host.run("systemctl stop udp udp-outside")


def test_answers_pass_whatever_port_they_go_to(host):
    """The kernel may assign a port of a user's range to a client of another account."""
    host.check_output("runuser -u bob -- python3 -c %s %s", CLIENT, str(START + 5))


def test_a_squatter_is_quarantined_until_it_goes(port, program, get, run):
    mallory = program("mallory", port)
    time.sleep(1.1)
    status, text = get("/alice/t/")
    assert (status, "in quarantine" in text, "mallory" in text) == (502, True, False)
    code, told, _errors = run("alice", "vizgate status t --json")
    (link,) = json.loads(told)
    assert (code, link["quarantined"], link["works"]) == (3, "mallory", False)
    code, told, _errors = run("alice", "vizgate doctor t")
    assert code == 3
    assert f"127.0.0.1:{port} is used by a program of mallory, not of alice" in told
    assert f"vizgate edit t --port {port + 1}" in told
    assert "'t' is in quarantine" in run("alice", "vizgate list")[2]
    assert "mallory" in run("alice", "vizgate ports")[1]
    mallory.stop()
    tool = program("alice", port)
    time.sleep(1.1)
    assert get("/alice/t/")[0] == 200
    (link,) = json.loads(run("alice", "vizgate status t --json")[1])
    assert (link["quarantined"], link["works"]) == ("", True)
    tool.stop()


@pytest.mark.parametrize("host_option", ["", "--host localhost", "--host ::ffff:127.0.0.1", "--host {address}"])
def test_a_link_of_ones_own_leads_to_ones_own_ports(ports, run, address, host_option):
    mine, bobs = ports("alice"), ports("bob")
    option = host_option.format(address=address)
    for outside in (bobs["first"], 9087, LAST):
        code, _told, errors = run("alice", f"vizgate add x {option} --port {outside}")
        assert code == 1
        assert f"port {outside} of this host is not in alice's own range" in errors
        assert f"{mine['first']}-{mine['last']}; vizgate ports" in errors
    assert run("alice", f"vizgate add x {option} --port {mine['last']}")[0] == 0
    assert run("alice", f"vizgate edit x --port {bobs['first']}")[0] == 1
    assert run("alice", "vizgate remove x --yes")[0] == 0


def test_another_machines_ports_are_not_ours(run):
    assert run("alice", "vizgate add far --host 10.255.255.1 --port 9087")[0] == 0
    assert run("alice", "vizgate remove far --yes")[0] == 0


def test_an_account_that_appears_gets_its_ports(host, program, connect):
    host.run("userdel carol")
    host.check_output("systemctl start vizgate-resolve.service")
    # another uid than last time; the old one stays known while no other account has it
    host.check_output("useradd --uid %s carol", str(5000 + int(time.time()) % 50000))
    tool = program("carol", START)
    assert connect("carol", START) == "refused"
    host.check_output("systemctl start vizgate-resolve.service")
    assert [connect(account, START) for account in ("carol", "www-data", "bob")] == [
        "connected",
        "connected",
        "refused",
    ]
    tool.stop()
    host.check_output("userdel carol")


def test_an_emptied_kernel_is_filled_again(host, port, program, connect):
    tool = program("alice", port)
    host.check_output("nft delete table inet vizgate")
    assert connect("bob", port) == "connected"
    host.check_output("systemctl start vizgate-resolve.service")
    assert connect("bob", port) == "refused"
    tool.stop()
