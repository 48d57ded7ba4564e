"""A change happens as a whole or not at all: whatever nginx says to it, and wherever it is killed."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData, NginxRefused
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.passwords import hash_password
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.render import user_files
from conftest import Backends
from rig import ALICE, SOURCE, Rig


@pytest.fixture
def template(gate: Rig) -> Iterator[Path]:
    """The installed template of the map files, put back in the end."""
    path = gate.root / "usr/local/lib/vizgate/current/templates/links.map"
    text = path.read_text()
    yield path
    path.write_text(text)
    user_files._template.cache_clear()


@pytest.mark.parametrize(
    ("junk", "says"),
    [
        ('"alice/t" "one" "two";\n', "invalid number of the map parameters in"),
        ("} server { listen 1;\n", 'unexpected "}" in'),
        ('"alice/t" "unclosed\n', "unexpected end of file"),
        ("include /nowhere/at/all;\n", 'open() "/nowhere/at/all" failed'),
        ('"$user/t" "strip 127.0.0.1:1";\n' * 2, 'conflicting parameter "alice/t" in'),
    ],
)
def test_what_nginx_refuses_changes_nothing(gate: Rig, template: Path, junk: str, says: str) -> None:
    gate.declare("alice", [Link("t", 9099)])
    before, workers = gate.state(), gate.workers()
    served = gate.core.info()
    template.write_text(junk)
    user_files._template.cache_clear()
    with pytest.raises(NginxRefused, match="nginx refuses the include files, nothing was changed: ") as refused:
        gate.declare("alice", [Link("t", 9098), Link("u", 9097)], [Login("guest", password="guest")])
    assert says in str(refused.value)
    assert "alice.map" in str(refused.value)
    assert (gate.state(), gate.core.info(), gate.workers()) == (before, served, workers)
    assert gate.get("/alice/u/", ALICE).status == 404
    gate.restart()
    assert gate.core.info() == served


def test_one_bad_user_of_many_changes_nothing(gate: Rig, template: Path) -> None:
    """All users of a source are one change."""
    before = gate.state()
    template.write_text(template.read_text() + '"bob/t" "strip 127.0.0.1:1";\n')  # which bob's own link contradicts
    user_files._template.cache_clear()
    links = UserData((Link("t", 9099),))
    with pytest.raises(NginxRefused, match=r"bob\.map"):
        gate.core.declare(SOURCE, lambda _: {"alice": links, "bob": links})
    assert gate.state() == before
    assert gate.get("/alice/t/", ALICE).status == 404


def test_what_the_model_refuses_changes_nothing(gate: Rig) -> None:
    before = gate.state()
    wanted = {"alice": UserData((Link("echo", 9099), Link("t", 80))), "bob": UserData((Link("t", 9099),))}
    with pytest.raises(InvalidData) as refused:
        gate.core.declare(SOURCE, lambda _: wanted)
    assert [problem.partition(";")[0] for problem in refused.value.problems] == [
        "user 'alice': link 'echo' belongs to source 'inventory'",
        f"user 'alice': link 't': port 80 is not in allowed_ports: 1024-65535 ({gate.core.paths.policy})",
    ]
    assert gate.state() == before


class Killed:
    """Two users' links `t` and logins `guest` change together, from alice's backend and `old` to bob's and `new`,
    in a process that is killed on the way."""

    OLD, NEW = ("guest", "old"), ("guest", "new")

    def __init__(self, gate: Rig, backends: Backends) -> None:
        self._gate, self._port = gate, backends.bob.port
        self._old, self._new = (hash_password(login[1]) for login in (self.OLD, self.NEW))
        self._before = UserData((Link("t", backends.alice.port),), (Login("guest", self._old),))

    def at(self, step: int) -> bool:
        """Brings the old state about, and kills the change right before a step; False where it was complete by then."""
        self._gate.core.declare(SOURCE, lambda _: {"alice": self._before, "bob": self._before})
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("killed.py"), self._gate.root, str(step), str(self._port)],
            env={**os.environ, "PASSWORD_HASH": self._new},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0

    def serves(self) -> str:
        """Whether both links lead to the old place and open with the old login, or both with the new, or else what."""
        source = self._gate.address()
        asked = list(itertools.product(("alice", "bob"), (self.OLD, self.NEW)))
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = list(pool.map(lambda ask: self._gate.get(f"/{ask[0]}/t/", ask[1], source=source), asked))
        found = [answer.backend or answer.status for answer in answers]
        states = {"before": ["alice's", 401] * 2, "after": [401, "bob's"] * 2}
        return next((name for name, state in states.items() if state == found), f"between: {found}")


def test_killed_anywhere_the_next_start_serves_all_or_nothing(gate: Rig, backends: Backends) -> None:
    """A process that is killed before each of its steps in turn, then everything else, as in a power cut."""
    killed, found = Killed(gate, backends), []
    for step in itertools.count(1):
        unfinished = killed.at(step)
        gate.kill()
        gate.command("start")
        found.append(killed.serves())
        if not unfinished:
            break
    turn = found.index("after")
    assert found == ["before"] * turn + ["after"] * (len(found) - turn)
    assert 6 < turn < len(found) - 4, "there was more to be killed at"
    gate.withdraw()
    assert [path for path in gate.state() if path.endswith(".new") or "journal" in path] == []


def test_the_next_change_finishes_one_that_was_killed(gate: Rig, backends: Backends) -> None:
    """The gateway runs on meanwhile; another source's change of another user is what comes next."""
    killed = Killed(gate, backends)
    decided = next(step for step in itertools.count(6) if killed.at(step) and os.path.exists(gate.core.paths.journal))
    for step in (decided, decided + 3):
        assert killed.at(step)
        assert killed.serves() == "before"
        gate.core.declare("others", lambda _: {"carol": UserData((Link(f"t{step}", 9099),))})  # noqa: B023  # called at once
        assert killed.serves() == "after"
