"""One rootless gateway for all tests of this folder, with two users and real backends; see rig.py and backends.py."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator

import pytest
from backends import Backend, WebsocketBackend
from rig import ALICE, BOB, REPOSITORY, Rig, free_port


@dataclasses.dataclass
class Backends:
    """What the users' links lead to."""

    alice: Backend
    bob: Backend
    websocket: WebsocketBackend
    dead: int


@pytest.fixture(scope="session")
def backends() -> Iterator[Backends]:
    """Backends of both users, and a port where nothing listens."""
    found = Backends(Backend("alice's"), Backend("bob's"), WebsocketBackend(), free_port())
    yield found
    for backend in (found.alice, found.bob, found.websocket):
        backend.close()


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest, backends: Backends) -> Iterator[Rig]:
    """The gateway, as role and users files make it; its logs stay in .build/http where a test failed."""
    users = {
        "alice": {
            "links": [
                {"name": "echo", "port": backends.alice.port},
                {"name": "keep", "port": backends.alice.port, "prefix": "keep"},
                {"name": "ws", "port": backends.websocket.port},
                {"name": "wskeep", "port": backends.websocket.port, "prefix": "keep"},
                {"name": "dead", "port": backends.dead},
            ],
            "logins": [{"name": ALICE[0], "password": ALICE[1]}],
        },
        "bob": {
            "links": [{"name": "echo", "port": backends.bob.port}],
            "logins": [{"name": BOB[0], "password": BOB[1]}],
        },
    }
    failures, complete = request.session.testsfailed, False
    with Rig.temporary(users) as rig:
        try:
            rig.build()
            complete = True
            yield rig
        finally:
            logs = rig.root / "var/log/nginx"
            if logs.exists() and (not complete or request.session.testsfailed > failures):
                shutil.copytree(logs, REPOSITORY / ".build/http", dirs_exist_ok=True)


@pytest.fixture
def gate(built: Rig, backends: Backends) -> Iterator[Rig]:
    """The gateway with nothing but the users files in it, before and after."""
    for backend in (backends.alice, backends.bob):
        backend.seen.clear()
        backend.answers.clear()
    yield built
    built.withdraw()


@pytest.fixture
def ipv6_backend() -> Iterator[int]:
    """The port of a backend on ::1."""
    backend = Backend("six", "::1")
    yield backend.port
    backend.close()


@pytest.fixture
def warm(gate: Rig, backends: Backends) -> None:
    """All workers have just passed these links' requests, and may remember how."""
    for path, login in (("/alice/echo/", ALICE), ("/alice/keep/", ALICE), ("/bob/echo/", BOB)):
        for _ in range(8):
            gate.get(path, login)
    for backend in (backends.alice, backends.bob):
        backend.seen.clear()
