"""Logins by script: passwords come from stdin or a file descriptor, open links at once, and are to be read nowhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable

import pytest
from backends import Backend
from conftest import ENVIRONMENT, Vizgate
from rig import Rig

SECRET = "s3cret-Wört"
Serves = Callable[..., "str | int"]


def test_a_login_comes_changes_and_goes(vizgate: Vizgate, backend: Backend, serves: Serves) -> None:
    url = f"{vizgate.site}/alice/"
    vizgate.ok("add", "t", "--port", str(backend.port))
    assert serves("/alice/t/", ("guest", SECRET)) == 401
    assert (
        vizgate.ok("login", "add", "guest", "--password-stdin", typed=SECRET + "\n") == f"added login guest of {url}\n"
    )
    assert serves("/alice/t/", ("guest", SECRET)) == "tool"
    lines = [re.split("  +", line) for line in vizgate.ok("login", "list").splitlines()]
    assert [lines[0], *sorted(lines[1:])] == [["LOGIN", "SOURCE"], ["alice", "inventory"], ["guest", "self"]]
    assert {login["name"] for login in json.loads(vizgate.ok("login", "list", "--json"))} == {"alice", "guest"}
    assert vizgate.ok("login", "password", "guest", "--password-stdin", typed="another") == (
        f"changed login guest of {url}\n"
    )
    assert (serves("/alice/t/", ("guest", SECRET)), serves("/alice/t/", ("guest", "another"))) == (401, "tool")
    assert vizgate.ok("login", "remove", "guest") == f"removed login guest of {url}\n"
    assert serves("/alice/t/", ("guest", "another")) == 401
    assert vizgate.ok("login", "list", user="carol") == "carol has no logins yet; vizgate login add carol makes one\n"


def test_a_password_from_a_file_descriptor(vizgate: Vizgate, backend: Backend, serves: Serves) -> None:
    vizgate.ok("add", "t", "--port", str(backend.port))
    ours, theirs = os.pipe()
    os.write(theirs, SECRET.encode() + b"\n")
    os.close(theirs)
    done = subprocess.run(
        [vizgate.path, "--user", "alice", "login", "add", "guest", "--password-fd", str(ours)],
        pass_fds=[ours], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    os.close(ours)
    assert (done.returncode, done.stderr) == (0, "")
    assert serves("/alice/t/", ("guest", SECRET)) == "tool"


def test_a_password_is_to_be_read_nowhere(vizgate: Vizgate, gate: Rig) -> None:
    vizgate.ok("login", "add", "guest", "--password-stdin", typed=SECRET)
    vizgate.ok("login", "password", "guest", "--password-stdin", typed=SECRET + "2")
    said = "".join(
        vizgate.ok(*words) for words in (["history", "--json"], ["login", "list", "--json"], ["list", "--json"])
    )
    assert SECRET not in said
    assert "$2y$" not in said
    for path in gate.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("", "the password is not a text; quote it"),
        ("x" * 73, "the password has 73 bytes; bcrypt takes 72 at most"),
        ("two\nlines", "the password holds a control character"),
        ("x" * 100_000, "the password has 10000 bytes; bcrypt takes 72 at most"),
    ],
)
def test_refused_passwords(vizgate: Vizgate, gate: Rig, password: str, problem: str) -> None:
    before = gate.state()
    done = vizgate("login", "add", "guest", "--password-stdin", typed=password)
    assert (done.code, done.out, done.err) == (1, "", problem + "\n")
    assert gate.state() == before


def test_a_password_that_cannot_be_read(vizgate: Vizgate) -> None:
    done = vizgate("login", "add", "guest", "--password-fd", "77")
    assert (done.code, done.err) == (1, "login 'guest': the password cannot be read (Bad file descriptor)\n")
    words = [vizgate.path, "--user", "alice", "login", "add", "guest", "--password-stdin"]
    raw = subprocess.run(words, input=b"\xff\xfe", env=ENVIRONMENT, capture_output=True, check=False, timeout=60)
    assert (raw.returncode, raw.stderr) == (1, b"login 'guest': the password is not UTF-8\n")


def test_logins_of_inventory_are_not_the_users(vizgate: Vizgate) -> None:
    done = vizgate("login", "remove", "alice")
    assert (done.code, done.err) == (1, "you have no login 'alice' of your own; your own logins: none\n")
