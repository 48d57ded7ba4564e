# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role accounts: the facts of an account, the accounts that off-boarding refuses, and the script authorized-keys."""

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
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model import names
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

ROLE = COLLECTION / "roles" / "accounts"
KEYS = ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"]
SHARED_HOME = "{home} contains the home of bob; move that home, or set the home action to keep"

_spec = importlib.util.spec_from_file_location("account_facts", ROLE / "files" / "account_facts.py")
assert _spec
assert _spec.loader
script: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)


def test_names_are_those_that_the_gateway_takes() -> None:
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
    assert variables["__accounts_name_pattern"] == names.USER.pattern
    assert set(variables["__accounts_reserved"]) == names.RESERVED_USERS


# account_facts.py


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with the accounts alice and bob; every path that the script reads is below the folder."""
    for name in ("PROC", "SESSIONS", "LINGER", "CRONTABS", "AT_JOBS", "MAIL", "NGINX", "USAGE"):
        monkeypatch.setattr(script, name, str(tmp_path / name))
    me = os.getuid()
    monkeypatch.setattr(script, "TRACES", (f"{tmp_path}/traces/{{user}}", f"{tmp_path}/traces/{{uid}}"))
    monkeypatch.setattr(script, "SUBORDINATE", (str(tmp_path / "subuid"),))
    monkeypatch.setattr(script, "_name_service_subuids", lambda user: [])
    monkeypatch.setattr(script, "_units", lambda account: [])
    monkeypatch.setattr(script, "FIRST_UID", me)
    monkeypatch.delenv("SUDO_UID", raising=False)
    accounts(monkeypatch, account("alice", me, tmp_path / "home/alice"), account("bob", me + 1, tmp_path / "home/bob"))
    (tmp_path / "home/alice").mkdir(parents=True)
    return tmp_path


def account(name: str, uid: int, home: Path) -> pwd.struct_passwd:
    """An entry of passwd."""
    return pwd.struct_passwd((name, "x", uid, uid, "", str(home), "/bin/sh"))


def accounts(
    monkeypatch: pytest.MonkeyPatch, *found: pwd.struct_passwd, members: dict[str, list[str]] | None = None
) -> None:
    """Sets the accounts of the host. Each has a group of its own, which may have more members."""
    by_name = {one.pw_name: one for one in found}
    groups = {
        name: grp.struct_group((name, "x", one.pw_gid, (members or {}).get(name, []))) for name, one in by_name.items()
    }
    monkeypatch.setattr(script.pwd, "getpwnam", by_name.__getitem__)
    monkeypatch.setattr(script.pwd, "getpwall", lambda: list(found))
    monkeypatch.setattr(script.grp, "getgrnam", groups.__getitem__)


def facts_of(host: Path, user: str = "alice", home: str = "archive") -> dict[str, Any]:
    """The facts of a user."""
    facts: dict[str, Any] = script.account_facts(user, str(host / "sockets"), home)
    return facts


def test_all_facts_of_a_user(host: Path) -> None:
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
    facts = facts_of(host)
    assert facts.pop("at")
    assert facts == {
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


def test_an_unknown_user_has_nothing(host: Path) -> None:
    facts = facts_of(host, "stranger")
    assert (facts["account"], facts["anything"], facts["problems"]) == (False, False, [])


def test_files_with_the_name_are_found_without_an_account(host: Path) -> None:
    (host / "CRONTABS").mkdir()
    (host / "CRONTABS/stranger").touch()
    facts = facts_of(host, "stranger")
    assert (facts["crontab"], facts["anything"]) == ([str(host / "CRONTABS/stranger")], True)


@pytest.mark.parametrize(
    ("lines", "uids"),
    [
        ("alice:200000:1000", [[200000, 200999]]),
        ("{me}:200000:1000", [[200000, 200999]]),
        ("alice:200000:1000\nalice:300000:10", [[200000, 200999], [300000, 300009]]),
        # uids that also belong to bob or to the system are left out
        ("alice:200000:1000\nbob:200100:100", [[200000, 200099], [200200, 200999]]),
        ("alice:200000:1000\nbob:200000:1000", []),
        ("alice:0:70000", [[65536, 69999]]),
        ("alice:0:4294967296\nbob:100000:4294867296", [[65536, 99999]]),
        ("alice:x:1\nalice\n\n# alice:1:2", []),
    ],
)
def test_subordinate_uids_of_other_accounts_are_left_out(host: Path, lines: str, uids: list[list[int]]) -> None:
    (host / "subuid").write_text(lines.format(me=os.getuid()) + "\n", encoding="utf-8")
    assert facts_of(host)["uids"] == [[os.getuid(), os.getuid()], *uids]


def test_an_account_within_the_range_is_left_out(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host / "subuid").write_text("alice:200000:10\n", encoding="utf-8")
    me = os.getuid()
    accounts(monkeypatch, account("alice", me, host / "home/alice"), account("bob", 200005, host / "home/bob"))
    assert facts_of(host)["uids"] == [[me, me], [200000, 200004], [200006, 200009]]


def test_symbolic_links_to_the_home_are_resolved(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (host / "link").symlink_to(host / "home/alice")
    accounts(monkeypatch, account("alice", os.getuid(), host / "link"))
    assert facts_of(host)["homes"] == [str(host / "home/alice")]


@pytest.mark.parametrize(("uid", "kind", "found"), [(0, "fuse", True), (1, "fuse.sshfs", False), (0, "ext4", False)])
def test_a_home_below_a_fuse_mount_of_the_user_is_not_accessed(
    host: Path, monkeypatch: pytest.MonkeyPatch, uid: int, kind: str, found: bool
) -> None:
    home = host / "home/alice"
    monkeypatch.setattr(script, "_owner", lambda path: None)  # root has no access
    (host / "PROC/self").mkdir(parents=True)
    line = f"2 1 0:53 / {home} rw shared:1 - {kind} x rw,user_id={os.getuid() + uid},group_id=1\n"
    (host / "PROC/self/mountinfo").write_text(line, encoding="utf-8")
    assert facts_of(host)["homes"] == ([str(home)] if found else [])


def test_a_home_of_another_owner_is_left_out(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts(monkeypatch, account("alice", os.getuid() + 5, host / "home/alice"))
    assert facts_of(host)["homes"] == []


@pytest.mark.parametrize("members", [["bob"], ["alice", "bob"]])
def test_a_group_with_other_members_stays(host: Path, monkeypatch: pytest.MonkeyPatch, members: list[str]) -> None:
    accounts(monkeypatch, account("alice", os.getuid(), host / "home/alice"), members={"alice": members})
    assert facts_of(host)["group"] is False


@pytest.mark.parametrize(
    ("other", "home", "problem"),
    [
        (("bob", 0, "home/bob"), "archive", "bob has the same uid {uid}; give it another uid"),
        (("bob", 1, "home/alice"), "archive", SHARED_HOME),
        (("bob", 1, "home/alice/bob"), "remove", SHARED_HOME),
        (("bob", 1, "home/alice/bob"), "keep", None),
        (("bob", 1, "home/alice2"), "archive", None),
    ],
)
def test_an_account_that_shares_its_uid_or_home_must_stay(
    host: Path, monkeypatch: pytest.MonkeyPatch, other: tuple[str, int, str], home: str, problem: str | None
) -> None:
    me, own = os.getuid(), host / "home/alice"
    accounts(monkeypatch, account("alice", me, own), account(other[0], me + other[1], host / other[2]))
    assert facts_of(host, home=home)["problems"] == ([problem.format(uid=me, home=own)] if problem else [])


def test_system_accounts_and_the_own_account_must_stay(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "FIRST_UID", os.getuid() + 1)
    assert facts_of(host)["problems"] == [
        f"alice is a system account (uid {os.getuid()} is below {os.getuid() + 1}); off-boarding refuses those"
    ]
    monkeypatch.setattr(script, "FIRST_UID", 0)
    monkeypatch.setenv("SUDO_UID", str(os.getuid()))
    assert facts_of(host)["problems"] == ["alice is the account that runs this; log in as another user"]


# authorized-keys


def write(home: Path, keys: list[str], mode: str = "write") -> bool:
    """Runs the script for an account with this home; returns whether the file differed."""
    getent = home.parent / "getent"
    getent.write_text(f"#!/bin/sh\necho 'alice:x:1:1::{home}:/bin/sh'\n", encoding="utf-8")
    getent.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", ROLE / "files" / "authorized-keys", "alice", mode],
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
    """The text of authorized_keys, its mode and the mode of its folder."""
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


def test_other_keys_are_removed(home: Path) -> None:
    write(home, KEYS)
    assert write(home, KEYS[1:])
    assert keys_of(home)[0] == KEYS[1] + "\n"


@pytest.mark.parametrize(("path", "mode"), [(".ssh", 0o755), (".ssh/authorized_keys", 0o644)])
def test_modes_are_corrected(home: Path, path: str, mode: int) -> None:
    write(home, KEYS)
    (home / path).chmod(mode)
    assert write(home, KEYS, "check")
    write(home, KEYS)
    assert keys_of(home)[1:] == (0o600, 0o700)


@pytest.mark.parametrize("path", [".ssh", ".ssh/authorized_keys", ".ssh/authorized_keys.new"])
def test_nothing_is_written_through_a_symbolic_link(home: Path, path: str) -> None:
    elsewhere = home.parent / "elsewhere"
    elsewhere.mkdir() if path == ".ssh" else elsewhere.write_text("", encoding="utf-8")
    (home / path).parent.mkdir(exist_ok=True)
    (home / path).symlink_to(elsewhere)
    assert write(home, KEYS)
    assert (list(elsewhere.iterdir()) if path == ".ssh" else elsewhere.read_text(encoding="utf-8")) in ([], "")
    assert keys_of(home)[0] == "".join(key + "\n" for key in KEYS)
