# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action files, run by Ansible: folders and patterns of the controller become files of the host, in one run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION


def files(folder: Path, sources: list[dict[str, str]], *options: str) -> dict[str, Any]:
    """What a task with action files returns, under a umask that leaves others nothing."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "adhoc", "localhost", "-i", "localhost,", "-c", "local", *options),
            *("-e", f"ansible_python_interpreter={sys.executable}"),
            *("-m", "vizgate.gateway.files", "-a", json.dumps({"sources": sources})),
        ],
        cwd=COLLECTION,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(COLLECTION / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_REMOTE_TMP": str(folder / "tmp"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        umask=0o077,
    )
    start = re.search(r"^localhost \| [A-Z!]+ => ", done.stdout, re.MULTILINE)
    assert start, done.stdout + done.stderr
    found: dict[str, Any] = json.JSONDecoder().raw_decode(done.stdout, start.end())[0]
    found["output"] = done.stdout[: start.start()]
    return found


@pytest.fixture
def sources(tmp_path: Path) -> list[dict[str, str]]:
    """A folder with a folder in it, and one of two kinds of files."""
    tree, lib = tmp_path / "tree", tmp_path / "lib"
    (tree / "etc").mkdir(parents=True)
    lib.mkdir()
    (tree / "start").write_text("#!/bin/sh\r\n", newline="")
    (tree / "etc" / "ü.conf").write_text("größe {{ 1 }} = 1\n", encoding="utf-8")
    (lib / "_one.py").write_text("")
    (lib / "other.txt").write_text("stays")
    there = str(tmp_path / "there")
    return [
        {"src": str(tree), "dest": there, "mode": "0755"},
        {"src": f"{lib}/_*.py", "dest": f"{there}/a/b", "mode": "0644"},
    ]


def seen(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Path → content and mode of all below a folder."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mode & 0o7777)
        for path in folder.rglob("*")
    }


def test_folders_and_patterns_arrive_as_they_are(tmp_path: Path, sources: list[dict[str, str]]) -> None:
    there = tmp_path / "there"
    found = files(tmp_path, sources, "--check", "--diff")
    assert (found["changed"], there.exists()) == (True, False)
    assert "+größe {{ 1 }} = 1" in found["output"]
    found = files(tmp_path, sources)
    assert found["files"] == [f"{there}/etc/ü.conf", f"{there}/start", f"{there}/a/b/_one.py"]
    expected = {
        "etc": (b"", 0o755),
        "etc/ü.conf": ("größe {{ 1 }} = 1\n".encode(), 0o755),
        "start": (b"#!/bin/sh\r\n", 0o755),
        "a": (b"", 0o755),
        "a/b": (b"", 0o755),
        "a/b/_one.py": (b"", 0o644),
    }
    assert seen(there) == expected
    assert files(tmp_path, sources)["changed"] is False
    # what somebody has changed is put right, and what is theirs stays
    (there / "start").write_text("x")
    (there / "a/b/_one.py").chmod(0o600)
    (there / "theirs").write_text("y")
    assert files(tmp_path, sources)["files"] == [f"{there}/start", f"{there}/a/b/_one.py"]
    (there / "theirs").unlink()
    assert seen(there) == expected


def test_a_source_without_files_is_an_error_that_names_it(tmp_path: Path, sources: list[dict[str, str]]) -> None:
    sources[1]["src"] = f"{tmp_path}/nowhere/*.py"
    found = files(tmp_path, sources)
    assert found["msg"] == f"files: a source cannot be read: there is nothing at {tmp_path}/nowhere/*.py"
    assert not (tmp_path / "there").exists()
