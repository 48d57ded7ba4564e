"""What all phases share: commands as an account runs them, a terminal, and a visitor from outside of the host."""

from __future__ import annotations

import base64
import http.client
import json
import typing

import pytest

PORT = 1234
HELPER = "/usr/local/libexec/vizgate/apply"


class Answer(typing.NamedTuple):
    status: int
    body: bytes

    @property
    def port(self):
        """The backend that has answered."""
        return json.loads(self.body)["port"]

    @property
    def path(self):
        """What the backend was asked for."""
        return json.loads(self.body)["path"]


@pytest.fixture(scope="module")
def get(host):
    """Requests a path from outside, as a login whose password is `<login>-secret` unless told otherwise."""
    address = host.check_output("hostname -I").split()[0]

    def get(path, login=None, password=None):
        credential = base64.b64encode(f"{login}:{password or f'{login}-secret'}".encode()).decode()
        connection = http.client.HTTPConnection(address, PORT, timeout=20)
        connection.request("GET", path, headers={"Authorization": f"Basic {credential}"} if login else {})
        response = connection.getresponse()
        return Answer(response.status, response.read())

    return get


@pytest.fixture(scope="module")
def name(host):
    """The host's name."""
    return host.check_output("hostname")


@pytest.fixture(scope="module")
def run(host):
    """Runs a line of shell as an account that has logged in; `(exit code, stdout, stderr)`."""

    def run(account, line):
        done = host.run("runuser -l %s -c %s", account, line)
        return done.rc, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def terminal(host):
    """Runs a command of an account's in a terminal: what is asked, and what is typed; returns all that it shows."""

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
    """How it is with the fifty accounts: `{"links": number, "not as told": [what is wrong]}`."""
    return json.loads(host.check_output("/opt/crowd.py check"))
