"""Fixtures for all phases: the host's name, a terminal, the state of the fifty accounts, and a local attacker."""

from __future__ import annotations

import json

import pytest
from attacker import HERS, KIT, OTHERS, TIDY

HELPER = "/usr/local/libexec/vizgate/apply"


@pytest.fixture(scope="module")
def name(host):
    """The host's name."""
    return host.check_output("hostname")


@pytest.fixture(scope="module")
def terminal(host):
    """Runs a command of an account in a terminal with a dialogue of prompts and inputs; returns the output."""

    def terminal(account, dialogue, command="vizgate"):
        script = ["/opt/terminal.py", json.dumps(dialogue), *command.split()]
        done = host.run("runuser -l %s -c %s", account, " ".join(map(shell_quoted, script)))
        assert done.rc == 0, done.stdout + done.stderr
        return done.stdout.replace("\r\n", "\n")

    return terminal


def shell_quoted(word):
    return "'" + word.replace("'", "'\\''") + "'"


@pytest.fixture(scope="module")
def crowd(host):
    """The state of the fifty accounts: `{"links": number, "mismatches": [links that differ]}`."""
    return json.loads(host.check_output("/opt/crowd.py check"))


@pytest.fixture(scope="module")
def python(host):
    """Runs Python code as an account; returns its JSON output."""

    def python(account, code, *arguments):
        words = ["runuser", "-u", account, "--", "env", "-C", "/tmp", "python3", "-c", KIT + code]
        done = host.run(" ".join(["%s"] * (len(words) + len(arguments))), *words, *map(json.dumps, arguments))
        assert done.rc == 0, done.stderr
        return json.loads(done.stdout)

    return python


@pytest.fixture(scope="module")
def ask(python):
    """The response to a request of an account."""

    def ask(account, do, **keys):
        code, output, errors = python(account, "print(json.dumps(ask(json.loads(sys.argv[1]))))", {"do": do, **keys})
        assert code in (0, 1), errors
        return json.loads(output)

    return ask


@pytest.fixture(scope="module")
def nobody_else_notices(host, python):
    """Checks afterwards: no file except her own has changed, root has left none in her folders, no transaction hangs."""
    python("mallory", TIDY)
    host.check_output("touch /root/mallory-begins")
    before = host.check_output(OTHERS).splitlines()
    known = len(host.check_output("cat /var/lib/vizgate/audit.jsonl").splitlines())
    yield
    python("mallory", TIDY)
    left = f"find {HERS} -xdev -newer /root/mallory-begins ! -type d ! -user mallory"
    assert host.run(left).stdout == ""
    host.check_output("rm /root/mallory-begins")
    after = host.check_output(OTHERS).splitlines()
    assert sorted(set(before) ^ set(after)) == []
    # the administrators' log has root's changes for her, and none of her own
    log = host.check_output("cat /var/lib/vizgate/audit.jsonl").splitlines()[known:]
    assert {json.loads(line)["by"] for line in log} <= {"root"}
    unfinished = "find /etc/nginx/vizgate /var/lib/vizgate -name '*.new' -o -name '*.old' -o -name 'journal*'"
    assert host.check_output(unfinished) == ""
    assert host.run("pgrep -f 'vizgate/[a]pply'").stdout == ""
    assert host.run("nginx -t").rc == 0


@pytest.fixture(scope="module")
def her_login(ask):
    """A login for her links."""
    assert "plan" in ask("mallory", "add_login", name="mallory", password="mallory-secret")
