"""A rootless gateway of an earlier commit becomes one of this tree: what was declared stays, and is served all the time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import Backend
from rig import ALICE, BOB, REPOSITORY, Rig, free_range, is_alive

OLD = Path(__file__).with_name("upgrade") / "75bcbba.tar.xz"
RANGE = 10
MINE = ("carol", "visits alice")
"""A login that alice has made herself."""
ASKED = [("/alice/echo/", ALICE, "alice's"), ("/alice/mine/", MINE, "alice's"), ("/bob/echo/", BOB, "bob's")]


class Upgrade:
    """The gateway, the tree that it comes from, and the first ports of its users' ranges."""

    def __init__(self, gate: Rig, old: Path, start: int) -> None:
        self.gate, self.old, self.start = gate, old, start
        self.lib = gate.root / "usr/local/lib/vizgate"

    def play(self, tree: Path, *options: str) -> int:
        """Runs the playbook of a tree; returns how many tasks have changed something."""
        done = self.gate.run(
            "ansible-playbook", "-i", str(self.gate.inventory), "playbooks/site.yml", *options, cwd=tree
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return sum(map(int, re.findall(r"changed=(\d+)", done.stdout)))

    def vizgate(self, *words: str, user: str = "alice", typed: str = "") -> str:
        """What the command prints, which has to go well."""
        command = [str(self.gate.root / "usr/local/bin/vizgate"), "--user", user, *words]
        done = subprocess.run(command, input=typed, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def declared(self) -> dict[str, Any]:
        """What users see of theirs: links, logins, ports."""
        keys = ("name", "url", "target", "kind", "source", "description")
        found: dict[str, Any] = {}
        for user in ("alice", "bob"):
            for words in (["list"], ["login", "list"], ["ports"]):
                shown = json.loads(self.vizgate(*words, "--json", user=user))
                items = shown if isinstance(shown, list) else [{"name": [shown["first"], shown["last"]]}]
                found[f"{user} {words}"] = [{key: item[key] for key in keys if key in item} for item in items]
        return found

    def kept(self) -> list[bytes]:
        """Files that an upgrade must not change: the port ranges, and the cookie name key."""
        return [(self.gate.root / "var/lib/vizgate" / name).read_bytes() for name in ("ports.json", "cookies.key")]


@pytest.fixture(scope="module")
def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgrade]:
    """The gateway as the old tree makes it, with links and logins of users files and of alice's own."""
    old, start = tmp_path_factory.mktemp("old"), free_range(2 * RANGE)
    with tarfile.open(OLD) as archive:
        archive.extractall(old, filter="data")
    backends = [Backend("alice's", port=start), Backend("bob's", port=start + RANGE)]
    users = {
        name: {"links": [{"name": "echo", "port": backend.port}], "logins": [{"name": name, "password": password}]}
        for (name, password), backend in zip((ALICE, BOB), backends, strict=True)
    }
    ranges = {"gateway_port_range_start": start, "gateway_port_range_size": RANGE, "gateway_port_range_users": 4}
    with Rig.temporary(users, **ranges) as gate:
        found = Upgrade(gate, old, start)
        found.play(old)
        found.vizgate("add", "mine", "--port", str(start), "--kind", "bokeh", "--description", "alice's own")
        found.vizgate("login", "add", MINE[0], "--password-stdin", typed=MINE[1])
        yield found
    for backend in backends:
        backend.close()


class Repeated:
    """Does something again and again in a thread, from `with` on to its end; notes how often, and what went wrong."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action, self._ended = action, threading.Event()
        self.count, self.problems = 0, list[str]()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            try:
                self._action()
            except Exception as error:
                self.problems.append(f"{self.count}: {error!r}")
            self.count += 1

    def __enter__(self) -> Repeated:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()


def test_an_upgrade_keeps_everything_and_serves_all_the_time(upgrade: Upgrade) -> None:
    gate, lib = upgrade.gate, upgrade.lib
    assert not (lib / "current").exists(), "the old tree is the old layout"
    declared, kept = upgrade.declared(), upgrade.kept()
    assert {link["name"] for link in declared["alice ['list']"]} == {"echo", "mine"}
    resolver = int((gate.root / "run/vizgate/resolve.pid").read_text())

    before = {path: path.lstat().st_mtime_ns for path in lib.rglob("*") if path.parent.name != "__pycache__"}
    assert upgrade.play(REPOSITORY, "--check", "--diff") > 0
    after = {path: path.lstat().st_mtime_ns for path in lib.rglob("*") if path.parent.name != "__pycache__"}
    assert after == before, "check mode touches nothing"

    def ask() -> None:
        for path, login, backend in ASKED:
            answer = gate.get(path, login)
            assert (answer.status, answer.backend) == (200, backend), path

    def command() -> None:
        assert {link["name"] for link in json.loads(upgrade.vizgate("list", "--json"))} == {"echo", "mine"}

    with Repeated(ask) as asked, Repeated(command) as listed:
        assert upgrade.play(REPOSITORY) > 0
    assert (asked.problems, listed.problems) == ([], [])
    assert min(asked.count, listed.count) > 5

    assert (upgrade.declared(), upgrade.kept()) == (declared, kept)
    assert upgrade.play(REPOSITORY) == 0
    ask()

    # nothing of the old layout is left, nor a process that runs its code
    assert sorted(os.listdir(lib)) == ["bin", "current", "lua", "pages", "releases"]
    assert len(os.listdir(lib / "releases")) == 1
    assert not is_alive(resolver)
    assert is_alive(int((gate.root / "run/vizgate/resolve.pid").read_text()))

    # and it goes on: a change of each kind
    upgrade.vizgate("edit", "mine", "--description", "after the upgrade")
    upgrade.vizgate("login", "password", MINE[0], "--password-stdin", typed="another one")
    assert gate.get("/alice/mine/", (MINE[0], "another one")).status == 200
    assert gate.get("/alice/mine/", MINE).status == 401
