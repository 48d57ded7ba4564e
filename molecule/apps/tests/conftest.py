"""Fixtures for all phases: a client with cookies, saved results of playbooks, and the active release."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import requests
from support import PORT

sys.path += [str(Path(__file__).resolve().parents[3] / "tests" / folder) for folder in ("apps", "browser")]

from browsing import use_both
from chromium import chromium, visit  # noqa: F401  # the tests' own browser

TEN = [
    *("alice/flasktasks", "alice/survey", "alice/a3", "alice/a4"),
    *("bob/flasktasks", "bob/b2", "bob/b3"),
    *("carol/c1", "carol/c2", "carol/c3"),
]


@pytest.fixture(scope="module")
def visitor(address):
    """A session of a login; URLs are relative to the gateway."""

    def visitor(login):
        session = requests.Session()
        session.auth = (login, f"{login}-secret")
        request = session.request
        session.request = lambda method, path, **more: request(
            method, path if path.startswith("http") else f"http://{address}:{PORT}{path}", timeout=60, **more
        )
        return session

    return visitor


@pytest.fixture
def browse(address, visit, tmp_path):  # noqa: F811  # the fixture of that name
    """Uses alice's two apps with a browser; returns the problems."""

    def browse():
        browser = visit("alice", "alice-secret")
        use_both(browser, f"http://{address}:{PORT}/alice", tmp_path)
        return browser.failures

    return browse


@pytest.fixture(scope="module")
def kept(host):
    """A result that a playbook has saved as JSON."""
    return lambda name: json.loads(host.file(f"/root/{name}.json").content_string)


@pytest.fixture(scope="module")
def release(host):
    """The number of the active release of an app."""

    def release(user, name):
        links = json.loads(host.file(f"/var/lib/vizgate/users/{user}/apps.json").content_string)["links"]
        sockets = [link["socket"] for link in links if link["name"] == name]
        return int(sockets[0].split(".")[-2]) if sockets else None

    return release
