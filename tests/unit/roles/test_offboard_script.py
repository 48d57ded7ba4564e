# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role accounts: offboard.py ends processes, archives homes and reports problems. molecule/accounts tests whole hosts."""

from __future__ import annotations

import importlib.util
import os
import pwd
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

FILE = COLLECTION / "roles" / "accounts" / "files" / "offboard.py"
_spec = importlib.util.spec_from_file_location("offboard", FILE)
assert _spec
assert _spec.loader
offboard: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(offboard)


def test_a_command_has_a_time_limit() -> None:
    start = time.monotonic()
    assert offboard.run(["sh", "-c", "trap '' TERM; sleep 100"], 0.3) == "sh: did not finish within 0.3 s"
    assert time.monotonic() - start < 60


def test_a_command_says_why_it_failed_in_plain_characters() -> None:
    assert offboard.run(["sh", "-c", r"printf 'one\ntwo \033[2J\n' >&2; exit 3"]) == r"sh: exit code 3: two \x1b[2J"
    assert offboard.run(["sh", "-c", "exit 1"], good=(0, 1)) == ""


def test_an_account_within_subordinate_uids_is_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(uid: int) -> pwd.struct_passwd:
        if uid != 100007:
            raise KeyError(uid)
        return pwd.struct_passwd(("bob", "x", uid, uid, "", "/", "/bin/sh"))

    monkeypatch.setattr(offboard.pwd, "getpwuid", known)
    uids = [[1501, 1501], [100000, 100009]]
    assert [
        uid for uid in (1500, 1501, 1502, 99999, 100000, 100007, 100009, 100010) if offboard.is_among(uid, uids)
    ] == [
        1501,
        100000,
        100009,
    ]


def test_processes_are_found_by_any_of_their_uids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offboard, "PROC", str(tmp_path))
    for pid, name, state, uid in (
        (1, "init", "S", "0\t0\t0\t0"),
        (2, "a\\nb", "S", "1501\t0\t0\t0"),
        (3, "dead", "Z", "1501\t1501\t1501\t1501"),
        (4, "helper", "R", "0\t1501\t0\t0"),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "status").write_text(
            f"Name:\t{name}\nState:\t{state} (x)\nUid:\t{uid}\n", encoding="utf-8"
        )
    (tmp_path / "self").mkdir()
    assert offboard.running([[1501, 1501]]) == {2: (1501, r"a\nb"), 4: (1501, "helper")}


def test_mounts_have_their_names_with_spaces_and_newlines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offboard, "PROC", str(tmp_path))
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mountinfo").write_text(
        "1 0 8:1 / / rw shared:1 - ext4 /dev/a rw\n"
        r"2 1 0:53 / /home/alice/a\040b\012c rw - fuse.sshfs x rw,user_id=1501,group_id=1" + "\n",
        encoding="utf-8",
    )
    assert offboard.mounts() == [
        ("8:1", "/", "ext4", "rw"),
        ("0:53", "/home/alice/a b\nc", "fuse.sshfs", "rw,user_id=1501,group_id=1"),
    ]


def test_a_fuse_mount_of_the_users_alone_is_aborted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        offboard.Mount("0:53", "/a", "fuse.sshfs", "rw,user_id=1501,group_id=1"),
        offboard.Mount("0:54", "/b", "fuse.sshfs", "rw,user_id=15011,group_id=1"),
        offboard.Mount("0:55", "/c", "ext4", "rw,user_id=1501"),
    ]
    monkeypatch.setattr(offboard, "mounts", lambda: found)
    monkeypatch.setattr(offboard, "FUSE_CONNECTIONS", str(tmp_path))
    for number in (53, 54, 55):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "abort").touch()
    offboard.abort_fuse([[1501, 1501]])
    assert [(tmp_path / str(number) / "abort").read_text() for number in (53, 54, 55)] == ["1", "", ""]


def test_a_child_that_the_user_stops_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offboard, "running", lambda uids: {2**31 - 1: (1001, "x")})
    monkeypatch.setattr(offboard.os, "setgroups", lambda groups: None)
    # the child has the user's uid, and the user stops it at once
    monkeypatch.setattr(offboard.os, "setresuid", lambda *uids: os.kill(os.getpid(), signal.SIGSTOP))
    started = time.monotonic()
    assert offboard.kill([[1001, 1001]], started + 600)
    assert time.monotonic() - started < 60


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a sparse file."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis").write_text("thesis", encoding="utf-8")
    with (home / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    return home


def test_an_archive_gets_its_name_when_it_is_complete(home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archives/alice.tar.gz"
    assert list(offboard.write_archive([str(home)], str(archive), 60)) == []
    with tarfile.open(archive) as opened:
        assert str(home / "thesis").lstrip("/") in opened.getnames()
    assert (archive.stat().st_mode & 0o777, archive.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert archive.stat().st_size < 1 << 20


@pytest.mark.parametrize("limit", ["time", "space"])
def test_an_incomplete_archive_is_removed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    (home / "noise").write_bytes(os.urandom(1 << 20))
    if limit == "space":
        monkeypatch.setattr(offboard, "ARCHIVE_SHARE", 1e-9)
    archive = tmp_path / "archives/alice.tar.gz"
    facts = {"homes": [str(home)], "uids": []}
    (problem,) = offboard.take_home(facts, "archive", str(archive), "60" if limit == "space" else "0")
    assert problem.startswith(f"{home} is not archived in {archive.parent}, so it stays: prlimit: ")
    assert "accounts_archive_seconds, or set home_when_absent to remove or keep" in problem
    assert (home / "thesis").exists()
    assert list(archive.parent.iterdir()) == []


def test_problems_are_lines_on_standard_error_and_the_exit_status(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", FILE, "home", "remove", "x", "60"],
        input=f'{{"homes": ["{tmp_path}/gone", "/proc/version"], "uids": []}}',
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("/proc/version is not removed: rm: exit code 1: ")
