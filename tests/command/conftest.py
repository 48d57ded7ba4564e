"""One rootless gateway for all tests of this folder, with its command, as a script and in a terminal; see ../http/rig.py."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))

from backends import Backend  # the rig of the other folder
from rig import ALICE, BOB, Rig, free_port  # likewise

ENVIRONMENT = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


@dataclasses.dataclass
class Done:
    """What a command has said."""

    code: int
    out: str
    err: str


def _as_from_a_shell() -> None:
    """Whoever runs the tests in the background ignores ctrl-C, and a command would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A command in a pseudo-terminal of its own: expect what it says, type what it asks for."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.child = pexpect.spawn(
            command[0],
            command[1:],
            env=environment,
            encoding="utf-8",
            dimensions=(50, 160),
            timeout=60,
            preexec_fn=_as_from_a_shell,
        )
        self.said = ""

    def expect(self, text: str) -> str:
        """Waits for a text, its lines ending as a file's do; returns all that has come until its end."""
        self.child.expect_exact(text.replace("\n", "\r\n"))
        came = (self.child.before + self.child.after).replace("\r\n", "\n")
        self.said += came
        return came

    def answer(self, question: str, text: str) -> str:
        """Waits for a question, and types an answer with the return key."""
        came = self.expect(question)
        self.child.sendline(text)
        return came

    def key(self, question: str, key: str) -> None:
        """Waits for a question, and presses control and a key."""
        self.expect(question)
        self.child.sendcontrol(key)

    def end(self) -> int:
        """Waits until the command ends; its exit code."""
        self.child.expect(pexpect.EOF)
        self.said += self.child.before.replace("\r\n", "\n")
        self.child.close()
        assert self.child.exitstatus is not None, f"ended by signal {self.child.signalstatus}"
        return int(self.child.exitstatus)


class Vizgate:
    """The command of a rootless gateway, used by alice or another user."""

    def __init__(self, gate: Rig) -> None:
        self.gate = gate
        self.path = gate.root / "usr/local/bin/vizgate"
        self.site = f"http://gate:{gate.port}"

    def __call__(self, *words: str, user: str = "alice", typed: str = "", **environment: str) -> Done:
        done = subprocess.run(
            self._command(user, words),
            input=typed, capture_output=True, text=True, check=False, timeout=60, env={**ENVIRONMENT, **environment},
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, user: str = "alice", typed: str = "") -> str:
        """What a command prints that has to go well and without a complaint."""
        done = self(*words, user=user, typed=typed)
        assert (done.code, done.err) == (0, "")
        return done.out

    def terminal(self, *words: str, user: str = "alice", **environment: str) -> Terminal:
        """The command in a terminal."""
        return Terminal(self._command(user, words), {**ENVIRONMENT, **environment})

    def _command(self, user: str, words: tuple[str, ...]) -> list[str]:
        return [str(self.path), *(["--user", user] if user else []), *words]


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """What links lead to."""
    found = Backend("tool")
    yield found
    found.close()


@pytest.fixture(scope="session")
def dead() -> int:
    """A port where nothing listens."""
    return free_port()


@pytest.fixture(scope="session")
def built() -> Iterator[Rig]:
    """The gateway as role and users files make it: alice has a login from inventory, bob a link as well."""
    users = {
        "alice": {"logins": [{"name": ALICE[0], "password": ALICE[1]}]},
        "bob": {
            "links": [{"name": "fixed", "port": free_port(), "description": "from a file"}],
            "logins": [{"name": BOB[0], "password": BOB[1]}],
        },
    }
    with Rig.temporary(users) as rig:
        rig.build()
        yield rig


@pytest.fixture
def gate(built: Rig) -> Iterator[Rig]:
    """The gateway with nothing but the users files in it, before and after."""
    yield built
    built.withdraw()


@pytest.fixture
def vizgate(gate: Rig) -> Vizgate:
    """Its command."""
    return Vizgate(gate)


@pytest.fixture
def serves(gate: Rig) -> Callable[..., str | int]:
    """What a page of alice's answers: the backend's name, or the gateway's own status."""

    def ask(path: str, login: tuple[str, str] = ALICE) -> str | int:
        answer = gate.get(path, login, source=gate.address())
        return answer.backend or answer.status

    return ask
