"""How the command uses the root helper, with stand-ins for sudo; molecule tests the real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ENVIRONMENT, Done
from rig import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
HELPER = "/usr/local/libexec/vizgate/apply"
# As the launcher of a whole host's gateway does it, for an account that is not root's.
LAUNCH = """
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from vizgate_cli import client
client.SUDO, client.ROOT, client.is_privileged = sys.argv[2], "/", lambda: False
sys.argv[:3] = ["vizgate"]
from vizgate_cli.start import main
main()
"""


class Sudo:
    """A program in sudo's place, which notes what it was given."""

    def __init__(self, folder: Path) -> None:
        self.lib, self.path, self.given = folder, folder / "sudo", folder / "given"
        (folder / "vizgate").symlink_to(REPOSITORY / "plugins/module_utils/_core")
        (folder / "vizgate_cli").symlink_to(REPOSITORY / "roles/gateway/files/cli/vizgate_cli")

    def does(self, script: str) -> None:
        self.path.write_text(f"#!/bin/sh\nexec 3>>{self.given}\n{script}\n")
        self.path.chmod(0o755)

    def vizgate(self, *words: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-I", "-c", LAUNCH, str(self.lib), str(self.path), *words],
            capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def notes(self) -> list[str]:
        return self.given.read_text().splitlines()


@pytest.fixture
def sudo(tmp_path: Path) -> Sudo:
    return Sudo(tmp_path)


def test_one_request_one_helper(sudo: Sudo) -> None:
    """For commands that start it early, and for those that do not."""
    plan = [{"action": "remove login", "url": "/alice/", "target": "guest", "user": "alice"}]
    sudo.does(f"printf '%s\\n' \"$*\" >&3; cat >&3; echo >&3; echo '{json.dumps({'plan': plan})}'")
    added = sudo.vizgate("add", "t", "--port", "9000")
    removed = sudo.vizgate("login", "remove", "guest")
    assert (added.code, removed.code, removed.err, removed.out) == (0, 0, "", "removed login guest of /alice/\n")
    call = f"-n {HELPER}"
    requests = sudo.notes()
    assert (len(requests), requests[0], requests[2]) == (4, call, call)
    assert json.loads(requests[1]) == {"do": "add", "link": {"name": "t", "port": 9000}}
    assert json.loads(requests[3]) == {"do": "remove_login", "name": "guest"}


@pytest.mark.parametrize("words", [["add", "t"], ["list", "--jsn"]])
def test_a_helper_that_is_not_needed_after_all_gets_an_empty_request(sudo: Sudo, words: list[str]) -> None:
    sudo.does("wc -c >&3")
    assert sudo.vizgate(*words).code == 2
    eventually(lambda: sudo.given.exists() and sudo.notes())
    assert sudo.notes() == ["0"]


@pytest.mark.parametrize("words", [["add", "--help"], ["kinds"], ["--version"], ["lst"]])
def test_what_asks_nothing_starts_nothing(sudo: Sudo, words: list[str]) -> None:
    sudo.does("echo started >&3")
    sudo.vizgate(*words)
    assert not sudo.given.exists()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo >&2; echo 'sudo: a password is required' >&2; exit 1",
            "sudo: a password is required; ask root to run role gateway",
        ),
        ("echo nonsense; exit 1", "no reason given; ask root to run role gateway"),
        ("printf '\\033[31mred' >&2", "\\x1b[31mred; ask root to run role gateway"),
        ("kill -9 $$", "no reason given; ask root to run role gateway"),
        ("echo 'this host is too busy; try again' >&2; exit 1", "this host is too busy; try again"),
    ],
)
@pytest.mark.parametrize("words", [["list"], ["login", "remove", "guest"]])
def test_no_answer(sudo: Sudo, words: list[str], script: str, reason: str) -> None:
    sudo.does(script)
    done = sudo.vizgate(*words)
    assert (done.code, done.out) == (4, "")
    assert done.err == f"sudo or {HELPER} fails: {reason}\n"


def test_a_helper_that_does_not_answer_is_woken_by_another_without_a_request(sudo: Sudo) -> None:
    """As root's helper may have been stopped together with the caller's session, which cannot continue it."""
    woken = sudo.lib / "woken"
    sudo.does(
        f'if [ "$(readlink /proc/self/fd/0)" = /dev/null ]; then echo woken >&3; : >{woken}; exit; fi;'
        f' cat >/dev/null; until [ -e {woken} ]; do sleep 0.05; done; echo \'{{"problems": ["answered"]}}\''
    )
    done = sudo.vizgate("list")
    assert (done.code, done.err, sudo.notes()) == (1, "answered\n", ["woken"])


def test_no_sudo(sudo: Sudo) -> None:
    done = sudo.vizgate("list")
    assert (done.code, done.err) == (
        4,
        f"{sudo.path} cannot be run (No such file or directory); role gateway installs it\n",
    )


def test_an_answer_before_the_request_is_read(sudo: Sudo) -> None:
    sudo.does('echo \'{"problems": ["one", "two"]}\'')
    done = sudo.vizgate("add", "t", "--port", "9000", "--description", "x" * 120_000)
    assert (done.code, done.out, done.err) == (1, "", "one\ntwo\n")


def test_the_gateway_cannot_do_it_now(sudo: Sudo) -> None:
    sudo.does('cat >&3; echo \'{"unavailable": "self-service is off"}\'; exit 1')
    done = sudo.vizgate("list")
    assert (done.code, done.out, done.err) == (4, "", "self-service is off\n")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--user", "bob", "list"], "--user bob: only root can act for other users"),
        (["status", "--all"], "--all: only root can see the links of all users"),
        (["init"], "init: only root can do that"),
        (["protection"], "protection: only root can do that"),
        (["remove-everything", "--confirm", os.uname().nodename], "remove-everything: only root can do that"),
    ],
)
def test_what_only_root_does(sudo: Sudo, words: list[str], problem: str) -> None:
    done = sudo.vizgate(*words)
    assert (done.code, done.out, done.err) == (1, "", problem + "\n")
