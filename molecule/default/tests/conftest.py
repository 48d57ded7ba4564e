"""What both kinds of tests share: what is declared now, what is declared in any state, and a client outside of the host."""

from __future__ import annotations

import base64
import http.client
import json
import os
import typing
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent.parent
PORT = 1234


def users_of(folder):
    return {path.stem: yaml.safe_load(path.read_text()) for path in Path(folder).glob("*.yml")}


def urls_of(users):
    return {(user, link["name"]) for user, data in users.items() for link in data["links"]}


NOW = users_of(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "users"))
EVER = [users_of(HERE / "users"), users_of(HERE / "users-later")]
GONE_USERS = sorted({user for users in EVER for user in users} - set(NOW))
GONE_URLS = sorted(set.union(*map(urls_of, EVER)) - urls_of(NOW))


class Answer(typing.NamedTuple):
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


@pytest.fixture(scope="module")
def address(host):
    return host.check_output("hostname -I").split()[0]


@pytest.fixture(scope="module")
def get(address):
    """Requests a path from outside of the host, as a login whose password is `<login>-secret` unless told otherwise."""

    def get(path, login=None, password=None, **headers):
        if login:
            credential = f"{login}:{password or login + '-secret'}"
            headers["Authorization"] = "Basic " + base64.b64encode(credential.encode()).decode()
        connection = http.client.HTTPConnection(address, PORT, timeout=20)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())

    return get
