"""The gateway locks out password guessers, and fail2ban bans them; `vizgate log` shows each user their own requests."""

from __future__ import annotations

import json
import time

import pytest

# Tries passwords for alice's page one after the other; prints the statuses of the responses.
GUESS = """
import base64, http.client, json, ssl, sys
server, source, *logins = sys.argv[1:]
server = f"[{server}]" if ":" in server else server
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
statuses = []
for login in logins:
    client = http.client.HTTPSConnection(server, timeout=60, context=context, source_address=(source, 0))
    try:
        client.request("GET", "/alice/report/", headers={"Authorization": "Basic " + base64.b64encode(login.encode()).decode()})
        statuses.append(client.getresponse().status)
    except OSError as error:
        statuses.append(type(error).__name__)
    client.close()
print(json.dumps(statuses))
"""
RIGHT = "alice:alice-secret"
FAILURES, ALL_FAILURES, BANNED = 10, 11, 14
"""The default of gateway_lockout_failures, and the scenario's gateway_throttle_failures and gateway_fail2ban_failures."""


class Guesser:
    """Clients in a separate network namespace with unused addresses: one of IPv4, three of IPv6."""

    def __init__(self, host):
        self.host = host
        number = int(time.time()) % 60000
        self.four = f"10.77.{number // 250}.{number % 250 + 2}"
        self.six, self.neighbour, self.stranger = (
            f"fd77::{network:x}:0:0:0:{last}" for network, last in ((number, 2), (number, 3), (number + 1, 2))
        )
        self.close()
        for line in (
            "ip netns add guesser",
            "ip link add guesser0 type veth peer name eth0 netns guesser",
            "sysctl -q -w net.ipv6.conf.guesser0.disable_ipv6=0",
            "ip netns exec guesser sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=0",
            "ip addr add 10.77.255.1/16 dev guesser0",
            "ip addr add fd77::1/32 dev guesser0 nodad",
            "ip link set guesser0 up",
            "ip -n guesser link set eth0 up",
            f"ip -n guesser addr add {self.four}/16 dev eth0",
            *(f"ip -n guesser addr add {one}/32 dev eth0 nodad" for one in (self.six, self.neighbour, self.stranger)),
        ):
            host.check_output(line)

    def tries(self, source, *logins):
        server = "fd77::1" if ":" in source else "10.77.255.1"
        return guesses(self.host, "ip netns exec guesser ", server, source, *logins)

    def is_banned(self):
        return self.four in self.host.check_output("fail2ban-client get vizgate banip").split()

    def close(self):
        # one end of a pair may exist for a moment after its namespace was removed
        self.host.run("ip link del guesser0")
        self.host.run("ip netns del guesser")


def guesses(host, where, server, source, *logins):
    """The statuses of requests from `source`, each with another login."""
    return json.loads(
        host.check_output(where + "python3 -c" + " %s" * (3 + len(logins)), GUESS, server, source, *logins)
    )


@pytest.fixture
def guesser(host):
    guesser = Guesser(host)
    yield guesser
    host.run("fail2ban-client unban --all")
    guesser.close()


def test_a_guesser_is_locked_out_then_kept_away(host, guesser, get):
    guess = [f"alice:guess {number}" for number in range(FAILURES + 1)]
    assert guesser.tries(guesser.four, *guess, RIGHT) == [401] * FAILURES + [429] * 2
    # until fail2ban's limit; then the ban may start at any moment
    more = [f"guest:guess {number}" for number in range(BANNED - FAILURES)]
    assert guesser.tries(guesser.four, *more) == [401] * len(more)
    deadline = time.monotonic() + 60
    while not guesser.is_banned():
        assert time.monotonic() < deadline, "fail2ban bans nobody"
        time.sleep(0.2)
    assert guesser.tries(guesser.four, RIGHT) == ["ConnectionRefusedError"]
    assert get("/alice/report/")[0] == 200, "nobody else is kept away"
    host.check_output("fail2ban-client set vizgate unbanip %s", guesser.four)
    assert guesser.tries(guesser.four, RIGHT) == [429]


def test_a_guesser_is_throttled(guesser):
    assert (
        guesser.tries(guesser.six, *(f"login{number}:guess" for number in range(ALL_FAILURES))) == [401] * ALL_FAILURES
    )
    started = time.monotonic()
    assert guesser.tries(guesser.neighbour, "other:guess", "more:guess", RIGHT) == [401, 401, 200]
    assert time.monotonic() - started >= 5


def test_an_ipv6_client_is_its_network(guesser):
    guess = [f"alice:guess {number}" for number in range(FAILURES)]
    assert guesser.tries(guesser.six, *guess) == [401] * FAILURES
    assert guesser.tries(guesser.neighbour, RIGHT) == [429]
    assert guesser.tries(guesser.stranger, RIGHT) == [200]


@pytest.mark.parametrize("where", ["own address", "::1"])
def test_the_host_itself_is_many_people(host, address, where):
    """A guesser on the host locks one login and does not slow down others."""
    server = address if where == "own address" else where
    guess = [f"login{number}:guess {time.time()}" for number in range(ALL_FAILURES + 6)]
    started = time.monotonic()
    assert guesses(host, "", server, server, *guess, RIGHT) == [401] * len(guess) + [200]
    assert time.monotonic() - started < 35, "seven turns of a throttle"


def told(run, account, *paths):
    """The output of `vizgate log` for an account, once requests of these paths are in it: they are logged a moment after their
    responses."""
    end = time.monotonic() + 60
    while True:
        code, lines, errors = run(account, "vizgate log --json --lines 10000")
        assert (code, errors) == (0, "")
        found = [json.loads(line) for line in lines.splitlines()]
        if {*paths} <= {line["path"] for line in found}:
            return found
        assert time.monotonic() < end, lines
        time.sleep(0.1)


def test_everybody_is_told_their_own_requests(run, get):
    path = f"/alice/report/{time.time_ns()}"
    assert get(f"{path}?token=hidden")[0] == 200
    (line,) = [line for line in told(run, "alice", path) if line["path"] == path]
    assert (line["login"], line["link"], line["status"]) == ("alice", "report", 200)
    assert {line["user"] for line in told(run, "alice")} == {"alice"}
    assert [line for line in told(run, "mallory") if line["user"] != "mallory"] == []
    assert run("mallory", "cat /var/log/nginx/vizgate.jsonl /var/log/nginx/vizgate-logins.jsonl")[:2] == (1, "")


def test_a_rotated_log_goes_on(host, run, get):
    paths = [f"/alice/report/{number}-{time.time_ns()}" for number in range(2)]
    get(paths[0])
    host.check_output("logrotate --force /etc/logrotate.d/vizgate")
    get(paths[1])
    assert [line["path"] for line in told(run, "alice", *paths)][-2:] == paths
    assert paths[0] in host.file("/var/log/nginx/vizgate.jsonl.1").content_string
    assert paths[1] in host.file("/var/log/nginx/vizgate.jsonl").content_string
    assert host.file("/var/log/nginx/vizgate.jsonl.1").mode == 0o640
