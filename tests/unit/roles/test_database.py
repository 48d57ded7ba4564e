# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role database: database names cannot escape their folder, and dumps have limits."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import system_accounts
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

_loader = importlib.machinery.SourceFileLoader(
    "vizgate_database", str(COLLECTION / "roles" / "database" / "files" / "vizgate-database")
)
_spec = importlib.util.spec_from_loader("vizgate_database", _loader)
assert _spec
program: Any = importlib.util.module_from_spec(_spec)
_loader.exec_module(program)

NAMES = [
    "../../x",
    "..",
    ".",
    "a b",
    "-foo",
    "a\nb",
    "a/b",
    "%2F",
    "host=evil.example dbname=x",
    "A",
    "\udcff",
    "é",
    "'",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    folder = program.folder_name(name)
    assert os.path.basename(folder) == folder
    assert set(folder) <= program.PLAIN | set("%ABCDEF")
    assert folder not in ("", ".", "..")


def test_names_share_no_folder() -> None:
    assert len({program.folder_name(name) for name in [*NAMES, "alice_survey", "a", "-foo_"]}) == len(NAMES) + 3
    assert program.folder_name("alice_survey-2") == "alice_survey-2"
    assert len(program.folder_name("é" * 31)) < 255


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("alice_survey", "dbname='alice_survey'"),
        ("host=evil.example dbname=x", "dbname='host=evil.example dbname=x'"),
        ("a' host='evil", r"dbname='a\' host=\'evil'"),
        ("a\\", r"dbname='a\\'"),
        ("postgresql://evil.example/x", "dbname='postgresql://evil.example/x'"),
    ],
)
def test_a_name_is_no_connection_string(name: str, quoted: str) -> None:
    assert program.conninfo(name) == quoted


def test_system_accounts_own_no_users_database() -> None:
    assert [program.account(name) for name in ("root", "daemon", "nobody", "no-such", "a\0b")] == [None] * 5


@pytest.mark.parametrize("uid", [0, 999, 1000, 59999, 60000, 61183, 61184, 65519, 65520, 65534, 1_234_567_890])
def test_system_accounts_are_those_of_the_gateway(uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.struct_passwd(("alice", "x", uid, uid, "", "/home/alice", "/bin/sh"))
    monkeypatch.setattr(program.pwd, "getpwnam", lambda name: entry)
    assert program.account("alice") == (None if system_accounts.is_system(uid) else entry)


def test_system_accounts_in_the_roles_variables_are_those_of_the_gateway() -> None:
    path = COLLECTION / "roles" / "database" / "vars" / "main.yml"
    variables = yaml.safe_load(path.read_text(encoding="utf-8"))
    first, last = variables["__database_dynamic_uids"]
    assert range(first, last + 1) == system_accounts.DYNAMIC_UIDS
    assert variables["__database_first_uid"] == system_accounts.FIRST_UID
    assert variables["__database_nobody"] == system_accounts.NOBODY
    assert variables["__database_pinned"] == program.PINNED


def client(script: str, limits: Any, into: Path) -> int:
    """Copies the output of a shell script."""
    me = pwd.getpwuid(os.getuid())
    with open(into, "wb") as file, program.running(me, ["sh", "-c", script], "", program.subprocess.DEVNULL) as process:
        size: int = program.copy_output(process, file, limits)
    return size


def test_the_output_of_a_client_is_copied(tmp_path: Path) -> None:
    assert client("printf 'abc'; env >&2", program.Limits(60, 3), tmp_path / "out") == 3
    assert (tmp_path / "out").read_text(encoding="utf-8") == "abc"


def test_a_client_does_not_get_roots_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "evil.example")
    client("env", program.Limits(60, 1000), tmp_path / "out")
    lines = (tmp_path / "out").read_text(encoding="utf-8").splitlines()
    assert {line.split("=")[0] for line in lines} <= {
        "PATH",
        "LC_ALL",
        "HOME",
        "PGOPTIONS",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    }


@pytest.mark.parametrize(
    ("script", "seconds", "why"),
    [
        ("sleep 60", 0.4, "time limit of 0 s"),
        ("exec >&- 2>&-; sleep 60", 0.4, "time limit of 0 s"),
        ("sleep 60 & exit 0", 0.4, "time limit of 0 s"),
        ("while :; do echo x; done", 60, "size limit of"),
        ("while :; do echo x >&2; done", 0.4, "time limit of 0 s"),
        ("printf 'no\\033[2J\\n' >&2; exit 3", 60, r"^no \[2J$"),
        ("exit 3", 60, "exit code 3"),
    ],
)
def test_a_client_that_hangs_or_fills_the_disk_is_ended(tmp_path: Path, script: str, seconds: float, why: str) -> None:
    with pytest.raises(program.Failed, match=why):
        client(script, program.Limits(seconds, 10_000), tmp_path / "out")
    assert (tmp_path / "out").stat().st_size <= 10_000
