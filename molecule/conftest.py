"""Fixtures for all scenarios: requests from outside of the host, and shell commands as an account."""

from __future__ import annotations

import base64
import http.client
import re

import pytest
from support import PORT, Answer
from xdist.scheduler import LoadScopeScheduling


class ByServer(LoadScopeScheduling):
    """Runs all tests of one server in one process, in order."""

    def _split_scope(self, nodeid):
        server = re.search(r"vizgate-\w+-debian\d+", nodeid)
        return server[0] if server else "controller"


def pytest_xdist_make_scheduler(config, log):
    return ByServer(config, log)


@pytest.fixture(scope="module")
def address(host):
    return host.check_output("hostname -I").split()[0]


@pytest.fixture(scope="module")
def get(address):
    """Requests a path from outside of the host, as a login. The default password is `<login>-secret`."""

    def get(path, login=None, password=None, **headers):
        if login:
            credential = f"{login}:{password or login + '-secret'}"
            headers["Authorization"] = "Basic " + base64.b64encode(credential.encode()).decode()
        connection = http.client.HTTPConnection(address, PORT, timeout=60)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())

    return get


@pytest.fixture(scope="module")
def run(host):
    """Runs a shell command in a login shell of an account; returns `(exit code, stdout, stderr)`."""

    def run(account, line):
        done = host.run("runuser -l %s -c %s", account, line)
        return done.rc, done.stdout, done.stderr

    return run
