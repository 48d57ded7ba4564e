"""The audit log of a user who wants to hide a change: any number of further changes does not remove it."""

from __future__ import annotations

import json
import shlex
import time

import pytest

LOG = "/var/lib/vizgate/audit/mallory.jsonl"
FILL = """
import json, os, sys, time
day, line = sys.argv[2], {"source": "self", "by": "mallory", "from": "", "action": "change", "url": "/mallory/noise/",
    "target": "127.0.0.1:9099", "user": "mallory"}
def text(day, end):
    lines = json.dumps({"at": day + "T00:00:00Z", **line}) + "\\n"
    return lines * ((end or (1 << 18) - 10) // len(lines))
for number in range(1, 8):
    with open(f"{sys.argv[1]}.{number}", "w") as file:
        file.write(text(day, 20_000))
with open(sys.argv[1], "r+") as file:
    # what is there stays, as the oldest
    former = file.read()
    with open(f"{sys.argv[1]}.7", "r+") as oldest:
        rest = oldest.read()
        oldest.seek(0)
        oldest.write(former + rest)
    file.seek(0)
    file.truncate()
    file.write(text(time.strftime("%Y-%m-%d"), 0))
"""


@pytest.fixture
def full(host, run):
    """Fills mallory's log, with its oldest file so many days old, after she has added a login for an outsider."""

    def full(days):
        assert run("mallory", "echo outsider-secret | vizgate login add outsider --password-stdin")[::2] == (0, "")
        assert run("mallory", "vizgate add noise --host 10.9.9.9 --port 9099")[::2] == (0, "")
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - days * 86400))
        host.check_output("python3 -c %s %s %s", FILL, LOG, day)

    yield full
    host.run("runuser -l mallory -c %s", "vizgate remove noise --yes; vizgate login remove outsider")
    host.check_output(f"rm -f {LOG}.?")


def history(host):
    return json.loads(host.check_output("vizgate --user mallory history --lines 10000 --json"))


def has_outsider(host):
    return any((line["action"], line["target"]) == ("add login", "outsider") for line in history(host))


def test_a_recent_change_stays(host, run, full):
    full(29)
    code, _said, problem = run("mallory", "vizgate edit noise --port 9098")
    assert code == 1
    assert "history: the log of your own changes is full" in problem
    assert f"{LOG}.7" in problem
    assert has_outsider(host)
    # the limit does not apply to root, who has another log, and removals have reserved space
    before = host.check_output("cat %s", LOG)
    host.check_output("vizgate --user mallory edit noise --port 9097")
    assert host.check_output("cat %s", LOG) == before
    assert '"by": "root"' in host.check_output("tail -n1 /var/lib/vizgate/audit.jsonl")
    assert run("mallory", "vizgate login remove outsider")[0] == 0
    assert history(host)[-1]["action"] == "remove login"
    assert has_outsider(host)
    # other users are not affected
    assert run("alice", "vizgate add unaffected --host 10.9.9.9 --port 9096 && vizgate remove unaffected --yes")[0] == 0


def test_a_change_of_last_month_goes(host, run, full):
    full(31)
    assert run("mallory", "vizgate edit noise --port 9098")[0] == 0
    assert history(host)[-1]["action"] == "change"
    names = host.check_output(f"ls {shlex.quote(LOG)}*").split()
    assert names == [LOG, *(f"{LOG}.{number}" for number in range(1, 8))]
    assert int(host.check_output(f"cat {LOG} {LOG}.? | wc -c")) < 8 << 18
