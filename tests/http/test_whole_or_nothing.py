"""A change happens as a whole or not at all: whatever nginx says to it, and wherever it is killed."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._apply import NginxRefused
from ansible_collections.vizgate.gateway.plugins.module_utils._model import InvalidData, Link, Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._passwords import hash_password
from conftest import Backends
from rig import ALICE, SOURCE, Rig


@pytest.fixture
def template(gate: Rig) -> Iterator[Path]:
    """The installed template of the map files, put back in the end."""
    path = gate.root / "usr/local/lib/vizgate/templates/links.map.j2"
    text = path.read_text()
    yield path
    path.write_text(text)


@pytest.mark.parametrize(
    ("junk", "says"),
    [
        ('"alice/t" "one" "two";\n', "invalid number of the map parameters in"),
        ("} server { listen 1;\n", 'unexpected "}" in'),
        ('"alice/t" "unclosed\n', "unexpected end of file"),
        ("include /nowhere/at/all;\n", 'open() "/nowhere/at/all" failed'),
        ('"{{ user }}/t" "strip 127.0.0.1:1";\n' * 2, 'conflicting parameter "alice/t" in'),
    ],
)
def test_what_nginx_refuses_changes_nothing(gate: Rig, template: Path, junk: str, says: str) -> None:
    gate.declare("alice", [Link("t", 9099)])
    before, workers = gate.state(), gate.workers()
    served = gate.core.info()
    template.write_text(junk)
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
    template.write_text(template.read_text() + "{% if user == 'bob' %}junk{% endif %}")
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


def test_killed_anywhere_the_next_start_serves_all_or_nothing(gate: Rig, backends: Backends) -> None:
    """Two users' links and logins change together; the process is killed before each of its steps in turn."""
    old, new = ("guest", "old"), ("guest", "new")
    hashes = {login: hash_password(login[1]) for login in (old, new)}
    before = UserData((Link("t", backends.alice.port),), (Login("guest", hashes[old]),))
    states = {("alice's", "alice's", 200, 200): "before", ("bob's", "bob's", 401, 401): "after"}

    def serves() -> str:
        """Where both links lead, and whether the old login opens them; the new one has to where the old does not."""
        source = gate.address()
        refused = [gate.get(f"/{user}/t/", old, source=source).status for user in ("alice", "bob")]
        answers = [
            gate.get(f"/{user}/t/", old if status == 200 else new, source=source)
            for user, status in zip(("alice", "bob"), refused, strict=True)
        ]
        leads = [answer.backend or answer.status for answer in answers]
        return states.get((*leads, *refused), f"between: {leads} {refused}")

    found = []
    for step in itertools.count(1):
        gate.core.declare(SOURCE, lambda _: {"alice": before, "bob": before})
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("killed.py"), gate.root, str(step), str(backends.bob.port)],
            env={**os.environ, "PASSWORD_HASH": hashes[new]},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in (0, -9), done.stderr
        gate.kill()
        gate.command("start")
        found.append(serves())
        if done.returncode == 0:
            break
    turn = found.index("after")
    assert found == ["before"] * turn + ["after"] * (len(found) - turn)
    assert 6 < turn < len(found) - 4, "there was more to be killed at"
    gate.withdraw()
    leftovers = [path for path in gate.state() if path.endswith(".new") or "journal" in path]
    assert leftovers == []
