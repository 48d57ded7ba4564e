"""Fixtures for all phases: the host's name, a terminal, and the state of the fifty accounts."""

from __future__ import annotations

import json

import pytest

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
