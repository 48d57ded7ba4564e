"""Who guesses passwords is locked out by the gateway, and kept away by fail2ban; the log of requests tells everybody their own."""

from __future__ import annotations

import json
import time

import pytest

# Tries passwords for alice's page, one after the other; prints the answers' statuses.
GUESS = """
import base64, http.client, json, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
statuses = []
for login in sys.argv[1:]:
    client = http.client.HTTPSConnection("10.77.0.1", timeout=5, context=context)
    try:
        client.request("GET", "/alice/report/", headers={"Authorization": "Basic " + base64.b64encode(login.encode()).decode()})
        statuses.append(client.getresponse().status)
    except OSError as error:
        statuses.append(type(error).__name__)
print(json.dumps(statuses))
"""
FAILURES = 10
"""gateway_lockout_failures, as it is by default."""


class Guesser:
    """A client in a network of its own, whose address nobody has had before."""

    def __init__(self, host):
        self.host = host
        self.address = f"10.77.0.{2 + int(time.time()) % 250}"
        self.close()
        for line in (
            "ip netns add guesser",
            "ip link add guesser0 type veth peer name eth0 netns guesser",
            "ip addr add 10.77.0.1/24 dev guesser0",
            "ip link set guesser0 up",
            f"ip -n guesser addr add {self.address}/24 dev eth0",
            "ip -n guesser link set eth0 up",
        ):
            host.check_output(line)

    def tries(self, *logins):
        return json.loads(
            self.host.check_output("ip netns exec guesser python3 -c %s" + " %s" * len(logins), GUESS, *logins)
        )

    def is_banned(self):
        return self.address in self.host.check_output("fail2ban-client get vizgate banip").split()

    def close(self):
        self.host.run("ip netns del guesser")


@pytest.fixture
def guesser(host):
    guesser = Guesser(host)
    yield guesser
    host.run("fail2ban-client set vizgate unbanip %s", guesser.address)
    guesser.close()


def test_a_guesser_is_locked_out_then_kept_away(host, guesser, get):
    right = "alice:alice-secret"
    assert guesser.tries(right) == [200]
    assert (
        guesser.tries(*(f"alice:guess {number}" for number in range(FAILURES + 1)), right)
        == [401] * FAILURES + [429] * 2
    )
    assert not guesser.is_banned()
    assert guesser.tries("guest:one", "guest:two") == [401] * 2
    deadline = time.monotonic() + 20
    while not guesser.is_banned() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert guesser.tries("other:three", right) == ["ConnectionRefusedError"] * 2
    assert get("/alice/report/")[0] == 200, "nobody else is kept away"
    host.check_output("fail2ban-client set vizgate unbanip %s", guesser.address)
    assert guesser.tries("other:three") == [401]


def told(run, account):
    """What `vizgate log` tells an account; the log has a request's line a moment after its answer."""
    time.sleep(0.3)
    code, lines, errors = run(account, "vizgate log --json --lines 100000")
    assert (code, errors) == (0, "")
    return [json.loads(line) for line in lines.splitlines()]


def test_everybody_is_told_their_own_requests(run, get):
    path = f"/alice/report/{time.time_ns()}"
    assert get(f"{path}?token=hidden")[0] == 404
    (line,) = [line for line in told(run, "alice") if line["path"] == path]
    assert (line["login"], line["link"], line["status"]) == ("alice", "report", 404)
    assert {line["user"] for line in told(run, "alice")} == {"alice"}
    assert [line for line in told(run, "mallory") if line["user"] != "mallory"] == []
    assert run("mallory", "cat /var/log/nginx/vizgate.jsonl /var/log/nginx/vizgate-logins.jsonl")[:2] == (1, "")


def test_a_rotated_log_goes_on(host, run, get):
    paths = [f"/alice/report/{number}-{time.time_ns()}" for number in range(2)]
    get(paths[0])
    host.check_output("logrotate --force /etc/logrotate.d/vizgate")
    get(paths[1])
    assert [line["path"] for line in told(run, "alice")][-2:] == paths
    assert paths[0] in host.file("/var/log/nginx/vizgate.jsonl.1").content_string
    assert paths[1] in host.file("/var/log/nginx/vizgate.jsonl").content_string
    assert host.file("/var/log/nginx/vizgate.jsonl.1").mode == 0o640
