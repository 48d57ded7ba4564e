"""A change of links serves at once, disturbs nobody, and is still there after reloads and restarts, the newest last."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from backends import Backend
from conftest import Backends
from rig import ALICE, BOB, Rig, eventually, resolving


def leads_to(gate: Rig, name: str = "t", user: str = "alice") -> str | int:
    """Which backend answers at a link, or with what status the gateway does."""
    answer = gate.get(f"/{user}/{name}/", {"alice": ALICE, "bob": BOB}[user])
    return answer.backend or answer.status


def after_nothing(gate: Rig) -> None:
    """The live change itself."""


def after_reload(gate: Rig) -> None:
    """What the include files say joins what was published."""
    gate.reload()


def after_restart(gate: Rig) -> None:
    """What the include files say is all there is."""
    gate.restart()


@pytest.mark.parametrize("later", [after_nothing, after_reload, after_restart])
def test_links_come_change_and_go(gate: Rig, backends: Backends, later: Callable[[Rig], None]) -> None:
    alice, bob = backends.alice.port, backends.bob.port
    gate.declare("alice", [Link("goes", alice), Link("changes", alice), Link("mode", alice)])
    if later is not after_nothing:
        gate.reload()
    workers = gate.workers()
    outcome = gate.declare("alice", [Link("comes", alice), Link("changes", bob), Link("mode", alice, prefix="keep")])
    assert (outcome.changed, outcome.reload) == (True, False)
    assert gate.workers() == workers
    later(gate)
    found = {name: leads_to(gate, name) for name in ("comes", "changes", "goes", "echo")}
    assert found == {"comes": "alice's", "changes": "bob's", "goes": 404, "echo": "alice's"}
    assert gate.get("/alice/mode/x", ALICE).json()["target"] == "/alice/mode/x"
    assert leads_to(gate, "echo", "bob") == "bob's"
    assert all(link["live"] for link in gate.core.info("alice")["users"]["alice"]["links"])  # type: ignore[index]


def test_the_newest_word_wins_over_older_files(gate: Rig, backends: Backends) -> None:
    """nginx that was started, or reloaded, with other files serves what was declared since."""
    gate.declare("alice", [Link("t", backends.alice.port)])
    gate.reload()
    gate.declare("alice", [Link("t", backends.bob.port)])
    gate.reload()
    assert leads_to(gate) == "bob's"
    gate.declare("alice")
    gate.reload()
    assert leads_to(gate) == 404
    gate.declare("alice", [Link("t", backends.alice.port)])
    assert leads_to(gate) == "alice's"


def test_a_change_drops_no_websocket_and_adds_no_worker(gate: Rig, backends: Backends) -> None:
    workers = gate.workers()
    with gate.websocket("/alice/ws/") as neighbour, gate.websocket("/alice/wskeep/") as other:
        for port in (backends.alice.port, backends.bob.port, backends.dead):
            gate.declare("alice", [Link("t", port)])
            gate.declare("bob", [Link("t", port)])
        gate.declare("alice")
        for socket in (neighbour, other):
            socket.recv(60)
            socket.send("still here")
            assert socket.recv(60) == "still here"
    assert gate.workers() == workers


def test_changes_during_reloads_are_served_at_once(gate: Rig, backends: Backends) -> None:
    """In whatever order the two fall, the next request is served by the newest declaration."""
    end = threading.Event()

    def reload() -> None:
        while not end.wait(0.05):
            os.kill(gate.master(), signal.SIGHUP)

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        for turn in range(20):
            expected, port = [("alice's", backends.alice.port), ("bob's", backends.bob.port)][turn % 2]
            gate.declare("alice", [Link("t", port)])
            assert [leads_to(gate) for _ in range(3)] == [expected] * 3
        gate.declare("alice")
        assert [leads_to(gate) for _ in range(3)] == [404] * 3
    finally:
        end.set()
        thread.join()
    workers = os.cpu_count() or 1
    eventually(lambda: len(gate.workers()) == workers)
    assert leads_to(gate) == 404


def test_without_nginx_a_change_waits_for_its_start(gate: Rig, backends: Backends) -> None:
    gate.command("stop")
    try:
        outcome = gate.declare("alice", [Link("t", backends.alice.port)])
        assert (outcome.changed, outcome.reload) == (True, True)
        assert gate.core.info()["live"] is False
    finally:
        gate.command("start")
    assert leads_to(gate) == "alice's"


def test_only_root_publishes(gate: Rig) -> None:
    """The rootless gateway's root is its user."""
    control = gate.root / "run/vizgate/control"
    assert stat.S_IMODE(control.stat().st_mode) == 0o700
    assert control.stat().st_uid == os.getuid()
    for folder in ("var/lib/vizgate", "var/lib/vizgate/users", "etc/nginx/vizgate/links.d"):
        assert stat.S_IMODE((gate.root / folder).stat().st_mode) == 0o700
    assert all(path.stat().st_mode & 0o007 == 0 for path in (gate.root / "etc/nginx/vizgate/logins.d").iterdir())


@pytest.fixture
def moved(backends: Backends) -> Iterator[Backend]:
    """A backend at 127.0.0.2, on the port that alice's has at 127.0.0.1."""
    backend = Backend("moved", "127.0.0.2", backends.alice.port)
    yield backend
    backend.close()


def test_a_moved_host_is_followed(gate: Rig, moved: Backend) -> None:
    """What the timer does every minute: a changed address is published, a missing answer changes nothing."""
    addresses = {"vizhost": ["127.0.0.1"], "nohost": []}
    workers = gate.workers()
    with resolving(addresses):
        outcome = gate.declare("alice", [Link("t", moved.port, host="vizhost"), Link("u", moved.port, host="nohost")])
        assert [step["action"] for step in outcome.plan] == ["add", "add", "unresolved"]
        assert (leads_to(gate), leads_to(gate, "u")) == ("alice's", 502)
        for answer, serves in [
            (["127.0.0.2"], "moved"),
            ([], "moved"),
            (["127.0.0.1", "127.0.0.2"], "moved"),
            (["169.254.169.254"], "moved"),
            (["::ffff:169.254.169.254", "127.0.0.1"], "alice's"),
        ]:
            before, addresses["vizhost"] = leads_to(gate), answer
            assert gate.core.refresh().changed == (before != serves)
            assert leads_to(gate) == serves
        addresses["nohost"] = ["127.0.0.2"]
        assert gate.core.refresh().changed
    assert (leads_to(gate), leads_to(gate, "u")) == ("alice's", "moved")
    assert gate.workers() == workers
    gate.restart()
    assert (leads_to(gate), leads_to(gate, "u")) == ("alice's", "moved")


def test_the_installed_command_looks_hosts_up(gate: Rig, moved: Backend) -> None:
    """The one that the timer starts, with the host's own resolver."""
    with resolving({"localhost": ["127.0.0.2"]}):
        gate.declare("alice", [Link("t", moved.port, host="localhost")])
    assert leads_to(gate) == "moved"
    with resolving({"localhost": []}):
        gate.declare("alice", [Link("t", moved.port, host="localhost", description="x")])
    assert leads_to(gate) == "moved"
    command = [sys.executable, str(gate.root / "usr/local/lib/vizgate/bin/vizgate-resolve")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert leads_to(gate) == "alice's"
