# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role accounts: what it looks up of who leaves, whom it refuses, and the file of keys as a script writes it."""

from __future__ import annotations

import grp
import importlib.util
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model import data
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

ROLE = COLLECTION / "roles" / "accounts"
KEYS = ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"]

_spec = importlib.util.spec_from_file_location("look", ROLE / "files" / "look.py")
assert _spec
assert _spec.loader
look: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(look)


def test_names_are_those_that_the_gateway_takes() -> None:
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
    assert variables["__accounts_form"] == data.USER.pattern
    assert set(variables["__accounts_reserved"]) == data.RESERVED_USERS


# look.py


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with the accounts alice, and bob beside her; every place that is looked at is below the folder."""
    for name in ("PROC", "SESSIONS", "LINGER", "CRONTABS", "AT_JOBS", "MAIL", "NGINX", "USAGE"):
        monkeypatch.setattr(look, name, str(tmp_path / name))
    me = os.getuid()
    monkeypatch.setattr(look, "TRACES", (f"{tmp_path}/traces/{{user}}", f"{tmp_path}/traces/{{uid}}"))
    monkeypatch.setattr(look, "SUBORDINATE", (str(tmp_path / "subuid"),))
    monkeypatch.setattr(look, "_named_elsewhere", lambda user: [])
    monkeypatch.setattr(look, "_units", lambda account: [])
    monkeypatch.setattr(look, "FIRST_UID", me)
    monkeypatch.delenv("SUDO_UID", raising=False)
    accounts(monkeypatch, account("alice", me, tmp_path / "home/alice"), account("bob", me + 1, tmp_path / "home/bob"))
    (tmp_path / "home/alice").mkdir(parents=True)
    return tmp_path


def account(name: str, uid: int, home: Path) -> pwd.struct_passwd:
    """A line of passwd."""
    return pwd.struct_passwd((name, "x", uid, uid, "", str(home), "/bin/sh"))


def accounts(
    monkeypatch: pytest.MonkeyPatch, *found: pwd.struct_passwd, members: dict[str, list[str]] | None = None
) -> None:
    """Makes these the accounts of the host, each with a group of its own, in which there may be other members."""
    by_name = {one.pw_name: one for one in found}
    groups = {
        name: grp.struct_group((name, "x", one.pw_gid, (members or {}).get(name, []))) for name, one in by_name.items()
    }
    monkeypatch.setattr(look.pwd, "getpwnam", by_name.__getitem__)
    monkeypatch.setattr(look.pwd, "getpwall", lambda: list(found))
    monkeypatch.setattr(look.grp, "getgrnam", groups.__getitem__)


def seen(host: Path, user: str = "alice", home: str = "archive") -> dict[str, Any]:
    """What is found of a user."""
    found: dict[str, Any] = look.look(user, str(host / "sockets"), home)
    return found


def test_everything_is_found(host: Path) -> None:
    me = os.getuid()
    files = {
        "CRONTABS/alice": "",
        "CRONTABS/bob": "",
        "AT_JOBS/a00001": "",
        "LINGER/alice": "",
        "MAIL/alice": "",
        "sockets/alice/app.sock": "",
        "SESSIONS/1": f"UID={me}\nCLASS=user\n",
        "SESSIONS/2": f"UID={me}\nCLASS=manager\n",
        "SESSIONS/3": f"UID={me}1\nCLASS=user\n",
        "PROC/10/status": f"State:\tS (sleeping)\nUid:\t{me}\t{me}\t{me}\t{me}\n",
        "PROC/11/status": f"State:\tZ (zombie)\nUid:\t{me}\t{me}\t{me}\t{me}\n",
        "PROC/12/status": f"State:\tR (running)\nUid:\t{me}\t7\t7\t7\n",
        "PROC/13/status": f"State:\tR (running)\nUid:\t{me}1\t7\t7\t7\n",
        "PROC/14/status": "State:\tS (sleeping)\nUid:\t200005\t200005\t200005\t200005\n",
        "PROC/version": "Linux",
        "subuid": "alice:200000:65536\nbob:300000:65536\n",
        "traces/alice": "",
    }
    for path, text in files.items():
        (host / path).parent.mkdir(parents=True, exist_ok=True)
        (host / path).write_text(text, encoding="utf-8")
    os.mkfifo(host / "SESSIONS/1.ref")
    found = seen(host)
    assert found.pop("at")
    assert found == {
        "user": "alice",
        "account": True,
        "uid": me,
        "uids": [[me, me], [200000, 265535]],
        "group": True,
        "homes": [str(host / "home/alice"), str(host / "MAIL/alice")],
        "sessions": 1,
        "processes": 3,
        "crontab": [str(host / "CRONTABS/alice")],
        "at_jobs": [str(host / "AT_JOBS/a00001")],
        "linger": [str(host / "LINGER/alice")],
        "sockets": str(host / "sockets/alice"),
        "starters": {
            "crontab": str(host / "CRONTABS/alice"),
            "linger": str(host / "LINGER/alice"),
            "at": str(host / "AT_JOBS"),
        },
        "units": [],
        "traces": [str(host / "traces/alice"), str(host / "sockets/alice")],
        "usage": False,
        "anything": True,
        "problems": [],
        "nginx": False,
    }


def test_of_nobody_there_is_nothing(host: Path) -> None:
    found = seen(host, "stranger")
    assert (found["account"], found["anything"], found["problems"]) == (False, False, [])


def test_without_an_account_what_bears_the_name_is_found(host: Path) -> None:
    (host / "CRONTABS").mkdir()
    (host / "CRONTABS/stranger").touch()
    found = seen(host, "stranger")
    assert (found["crontab"], found["anything"]) == ([str(host / "CRONTABS/stranger")], True)


@pytest.mark.parametrize(
    ("lines", "uids"),
    [
        ("alice:200000:1000", [[200000, 200999]]),
        ("{me}:200000:1000", [[200000, 200999]]),
        ("alice:200000:1000\nalice:300000:10", [[200000, 200999], [300000, 300009]]),
        # what is somebody else's as well is left alone: bob's range, and the system's uids
        ("alice:200000:1000\nbob:200100:100", [[200000, 200099], [200200, 200999]]),
        ("alice:200000:1000\nbob:200000:1000", []),
        ("alice:0:70000", [[65536, 69999]]),
        ("alice:0:4294967296\nbob:100000:4294867296", [[65536, 99999]]),
        ("alice:x:1\nalice\n\n# alice:1:2", []),
    ],
)
def test_subordinate_uids_are_those_that_are_nobody_elses(host: Path, lines: str, uids: list[list[int]]) -> None:
    (host / "subuid").write_text(lines.format(me=os.getuid()) + "\n", encoding="utf-8")
    assert seen(host)["uids"] == [[os.getuid(), os.getuid()], *uids]


def test_an_account_within_the_range_is_somebody_else(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host / "subuid").write_text("alice:200000:10\n", encoding="utf-8")
    me = os.getuid()
    accounts(monkeypatch, account("alice", me, host / "home/alice"), account("bob", 200005, host / "home/bob"))
    assert seen(host)["uids"] == [[me, me], [200000, 200004], [200006, 200009]]


def test_a_home_is_where_it_really_is(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host / "link").symlink_to(host / "home/alice")
    accounts(monkeypatch, account("alice", os.getuid(), host / "link"))
    assert seen(host)["homes"] == [str(host / "home/alice")]


@pytest.mark.parametrize(("uid", "kind", "found"), [(0, "fuse", True), (1, "fuse.sshfs", False), (0, "ext4", False)])
def test_a_home_below_a_file_system_of_the_users_own_is_not_asked(
    host: Path, monkeypatch: pytest.MonkeyPatch, uid: int, kind: str, found: bool
) -> None:
    home = host / "home/alice"
    monkeypatch.setattr(look, "_owner", lambda path: None)  # root may not look
    (host / "PROC/self").mkdir(parents=True)
    line = f"2 1 0:53 / {home} rw shared:1 - {kind} x rw,user_id={os.getuid() + uid},group_id=1\n"
    (host / "PROC/self/mountinfo").write_text(line, encoding="utf-8")
    assert seen(host)["homes"] == ([str(home)] if found else [])


def test_a_home_of_somebody_elses_is_left_alone(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts(monkeypatch, account("alice", os.getuid() + 5, host / "home/alice"))
    assert seen(host)["homes"] == []


@pytest.mark.parametrize("members", [["bob"], ["alice", "bob"]])
def test_a_group_with_others_stays(host: Path, monkeypatch: pytest.MonkeyPatch, members: list[str]) -> None:
    accounts(monkeypatch, account("alice", os.getuid(), host / "home/alice"), members={"alice": members})
    assert seen(host)["group"] is False


@pytest.mark.parametrize(
    ("other", "home", "problem"),
    [
        (("bob", 0, "home/bob"), "archive", "bob has the same uid {uid}; give it another"),
        (("bob", 1, "home/alice"), "archive", "{home} has the home of bob in it; move that, or keep this home"),
        (("bob", 1, "home/alice/bob"), "remove", "{home} has the home of bob in it; move that, or keep this home"),
        (("bob", 1, "home/alice/bob"), "keep", None),
        (("bob", 1, "home/alice2"), "archive", None),
    ],
)
def test_an_account_that_shares_must_stay(
    host: Path, monkeypatch: pytest.MonkeyPatch, other: tuple[str, int, str], home: str, problem: str | None
) -> None:
    me, own = os.getuid(), host / "home/alice"
    accounts(monkeypatch, account("alice", me, own), account(other[0], me + other[1], host / other[2]))
    assert seen(host, home=home)["problems"] == ([problem.format(uid=me, home=own)] if problem else [])


def test_accounts_of_the_systems_and_ones_own_must_stay(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "FIRST_UID", os.getuid() + 1)
    assert seen(host)["problems"] == [f"alice is an account of the system's, uid {os.getuid()}"]
    monkeypatch.setattr(look, "FIRST_UID", 0)
    monkeypatch.setenv("SUDO_UID", str(os.getuid()))
    assert seen(host)["problems"] == ["alice is who runs this; log in as somebody else"]


# authorized-keys


def write(home: Path, keys: list[str], do: str = "write") -> bool:
    """Runs the script for an account with this home; returns whether something was to be changed."""
    getent = home.parent / "getent"
    getent.write_text(f"#!/bin/sh\necho 'alice:x:1:1::{home}:/bin/sh'\n", encoding="utf-8")
    getent.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", ROLE / "files" / "authorized-keys", "alice", do],
        input="\n".join(keys) + "\n",
        env={**os.environ, "PATH": f"{home.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == done.stderr == ""
    assert done.returncode in (0, 10)
    return done.returncode == 10


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home."""
    (tmp_path / "alice").mkdir()
    return tmp_path / "alice"


def keys_of(home: Path) -> tuple[str, int, int]:
    """The file of keys, and the modes of it and of its folder."""
    file = home / ".ssh/authorized_keys"
    return file.read_text(encoding="utf-8"), file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777


@pytest.mark.parametrize("keys", [KEYS, KEYS[:1], []])
def test_keys_are_written_once(home: Path, keys: list[str]) -> None:
    assert write(home, keys, "check")
    assert list(home.iterdir()) == []
    assert write(home, keys)
    assert keys_of(home) == ("".join(key + "\n" for key in keys), 0o600, 0o700)
    assert not write(home, keys)
    assert not write(home, keys, "check")
    assert [path.name for path in (home / ".ssh").iterdir()] == ["authorized_keys"]


def test_other_keys_go(home: Path) -> None:
    write(home, KEYS)
    assert write(home, KEYS[1:])
    assert keys_of(home)[0] == KEYS[1] + "\n"


@pytest.mark.parametrize(("path", "mode"), [(".ssh", 0o755), (".ssh/authorized_keys", 0o644)])
def test_modes_are_put_right(home: Path, path: str, mode: int) -> None:
    write(home, KEYS)
    (home / path).chmod(mode)
    assert write(home, KEYS, "check")
    write(home, KEYS)
    assert keys_of(home)[1:] == (0o600, 0o700)


@pytest.mark.parametrize("path", [".ssh", ".ssh/authorized_keys", ".ssh/authorized_keys.new"])
def test_nothing_is_written_through_a_link(home: Path, path: str) -> None:
    elsewhere = home.parent / "elsewhere"
    elsewhere.mkdir() if path == ".ssh" else elsewhere.write_text("", encoding="utf-8")
    (home / path).parent.mkdir(exist_ok=True)
    (home / path).symlink_to(elsewhere)
    assert write(home, KEYS)
    assert (list(elsewhere.iterdir()) if path == ".ssh" else elsewhere.read_text(encoding="utf-8")) in ([], "")
    assert keys_of(home)[0] == "".join(key + "\n" for key in KEYS)
