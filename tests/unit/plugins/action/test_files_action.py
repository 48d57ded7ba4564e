# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Action files, run by Ansible: folders and patterns of the controller become files of the host, in one run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.action import files as action
from ansible_collections.vizgate.gateway.tests.unit.adhoc import run_module


def files(folder: Path, arguments: Mapping[str, object], *options: str) -> dict[str, Any]:
    """What a task with action files returns, under a umask that leaves others nothing; and as `output` what it prints."""
    found, output = run_module(folder, "files", arguments, *options, umask=0o077)
    return {**found, "output": output}


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
    found = files(tmp_path, {"sources": sources}, "--check", "--diff")
    assert (found["changed"], there.exists()) == (True, False)
    assert "+größe {{ 1 }} = 1" in found["output"]
    found = files(tmp_path, {"sources": sources})
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
    assert files(tmp_path, {"sources": sources})["changed"] is False
    # what somebody has changed is put right, and what is theirs stays
    (there / "start").write_text("x")
    (there / "a/b/_one.py").chmod(0o600)
    (there / "theirs").write_text("y")
    assert files(tmp_path, {"sources": sources})["files"] == [f"{there}/start", f"{there}/a/b/_one.py"]
    (there / "theirs").unlink()
    assert seen(there) == expected


def test_a_file_arrives_after_the_folders_beside_it(tmp_path: Path) -> None:
    """nginx starts with vizgate.lua; an upgrade that ends half-way must not leave it without the modules that it loads."""
    for name in ("vizgate.lua", "vizgate/auth.lua", "vizgate/deep/er.lua"):
        (tmp_path / "lua" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lua" / name).write_text("")
    found = action._read({"src": str(tmp_path / "lua"), "dest": "/lib", "mode": "0644"})
    assert [file["path"] for file in found] == ["/lib/vizgate/deep/er.lua", "/lib/vizgate/auth.lua", "/lib/vizgate.lua"]


def test_a_source_without_files_is_an_error_that_names_it(tmp_path: Path, sources: list[dict[str, str]]) -> None:
    sources[1]["src"] = f"{tmp_path}/nowhere/*.py"
    found = files(tmp_path, {"sources": sources})
    assert found["msg"] == f"files: a source cannot be read: there is nothing at {tmp_path}/nowhere/*.py"
    assert not (tmp_path / "there").exists()


def test_folders_get_their_rights_and_texts_arrive(tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "old").mkdir(parents=True)
    (there / "old").chmod(0o755)
    arguments: dict[str, object] = {
        "folders": [{"path": f"{there}/old", "mode": "0700"}, {"path": f"{there}/new/deep", "owner": None}],
        "texts": [
            {"path": f"{there}/new/deep/a.conf", "text": "größe = 1\n"},
            {"path": f"{there}/b", "text": "", "mode": "0600"},
        ],
    }
    everything = [f"{there}/old", f"{there}/new/deep", f"{there}/new/deep/a.conf", f"{there}/b"]
    assert files(tmp_path, arguments, "--check")["files"] == everything
    assert [path.name for path in there.rglob("*")] == ["old"]
    assert files(tmp_path, arguments)["files"] == everything
    expected = {
        "old": (b"", 0o700),
        "new": (b"", 0o755),
        "new/deep": (b"", 0o755),
        "new/deep/a.conf": ("größe = 1\n".encode(), 0o644),
        "b": (b"", 0o600),
    }
    assert seen(there) == expected
    assert files(tmp_path, arguments)["changed"] is False
    (there / "new").chmod(0o700)  # which nobody has asked for
    (there / "old").chmod(0o755)
    assert files(tmp_path, arguments)["files"] == [f"{there}/old"]


def test_a_kept_file_keeps_its_content_and_no_text_is_shown(tmp_path: Path) -> None:
    key = tmp_path / "key"
    arguments = {"texts": [{"path": str(key), "text": "first secret", "mode": "0600", "keep": True}]}
    found = files(tmp_path, arguments, "--diff", "-vvv")
    assert (found["files"], key.read_text()) == ([str(key)], "first secret")
    arguments["texts"][0]["text"] = "second secret"
    key.chmod(0o644)
    inode = key.stat().st_ino
    again = files(tmp_path, arguments, "--diff", "-vvv")
    assert (again["files"], key.read_text(), key.stat().st_mode & 0o777) == ([str(key)], "first secret", 0o600)
    assert key.stat().st_ino == inode, "who has it open would go on with the old one"
    assert "secret" not in json.dumps([found, again])
    assert found["invocation"]["module_args"]["packed"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert files(tmp_path, arguments)["changed"] is False


def test_a_text_that_its_command_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    text = {"path": str(path), "text": "right\n", "validate": "grep --line-number right %s"}
    assert files(tmp_path, {"texts": [text]})["files"] == [str(path)]
    wrong = {**text, "text": "wrong\n"}
    assert files(tmp_path, {"texts": [wrong]}, "--check")["files"] == [str(path)]
    found = files(tmp_path, {"texts": [wrong]})
    assert (
        found["msg"]
        == f"files: the new {path} is refused, and the old one stays: grep --line-number right {path}.new ends with 1"
    )
    loud = {**wrong, "validate": "ls %s/nothing"}
    assert f"cannot access '{path}.new/nothing'" in files(tmp_path, {"texts": [loud]})["msg"]
    assert (path.read_text(), [found.name for found in tmp_path.glob("rules*")]) == ("right\n", ["rules"])


def test_files_that_the_host_refuses_become_what_they_were(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    arguments: dict[str, object] = {
        "texts": [{"path": str(old), "text": "right\n", "mode": "0600"}],
        "verify": f"grep right {old}",
    }
    assert files(tmp_path, arguments)["changed"] is True
    arguments["texts"] = [{"path": str(path), "text": "wrong\n"} for path in (old, new)]
    assert files(tmp_path, arguments, "--check")["files"] == [str(old), str(new)]
    found = files(tmp_path, arguments)
    assert (
        found["msg"] == f"files: grep right {old} fails, so all files stay as they were: grep right {old} ends with 1"
    )
    assert (old.read_text(), old.stat().st_mode & 0o777, new.exists()) == ("right\n", 0o600, False)
    old.write_text("wrong\n")
    arguments["texts"] = []
    assert "so all files stay" in files(tmp_path, arguments)["msg"], "unchanged files are checked as well"


def test_a_kept_file_is_not_read_and_stays_if_the_host_refuses_others(tmp_path: Path) -> None:
    """It may be a log of any size. A pipe blocks its reader."""
    pipe, new = tmp_path / "pipe", tmp_path / "new"
    os.mkfifo(pipe, 0o600)
    texts = [{"path": str(pipe), "text": "", "mode": "0640", "keep": True}, {"path": str(new), "text": "x"}]
    assert "so all files stay" in files(tmp_path, {"texts": texts, "verify": "false"})["msg"]
    assert (pipe.is_fifo(), new.exists()) == (True, False)
    assert files(tmp_path, {"texts": texts})["files"] == [str(new)]


def test_options_that_lack_something_touch_nothing(tmp_path: Path) -> None:
    folder, text = {"path": f"{tmp_path}/new"}, {"path": f"{tmp_path}/a"}
    found = files(tmp_path, {"folders": [folder], "texts": [text]})
    assert "missing required arguments: text found in texts" in found["msg"]
    assert not (tmp_path / "new").exists()
    found = files(tmp_path, {"folders": [folder], "texts": [{**text, "text": {"a": 1}}]})
    assert f"the text of {tmp_path}/a must be a string, but is of type " in found["msg"]
    assert not (tmp_path / "new").exists()
    found = files(tmp_path, {"folders": [folder], "texts": [{**text, "text": "", "owner": "no-such-user"}]})
    assert "no-such-user" in found["msg"]


def test_what_is_in_no_source_goes_where_that_is_said(tmp_path: Path, sources: list[dict[str, Any]]) -> None:
    there = tmp_path / "there"
    assert files(tmp_path, {"sources": sources})["changed"]
    (tmp_path / "tree/etc/__pycache__").mkdir()
    (tmp_path / "tree/etc/__pycache__/x.cpython-311.pyc").write_bytes(b"\x80")  # which is no text
    expected = seen(there)
    stray = ["a/old.py", "a/b/__pycache__/_gone.cpython-311.pyc", "deep/er/file"]
    compiled = "a/b/__pycache__/_one.cpython-311.pyc"
    for name in [*stray, compiled]:
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_text("")
    assert files(tmp_path, {"sources": sources})["changed"] is False
    for source in sources:
        source["prune"] = True
    paths = sorted(str(there / name) for name in stray)
    assert sorted(files(tmp_path, {"sources": sources}, "--check")["files"]) == paths
    assert all((there / name).exists() for name in stray)
    assert sorted(files(tmp_path, {"sources": sources})["files"]) == paths
    assert set(seen(there)) == {*expected, compiled, "a/b/__pycache__"}
    assert files(tmp_path, {"sources": sources})["changed"] is False


def test_a_release_is_put_in_use_in_one_step(tmp_path: Path) -> None:
    code, there = tmp_path / "code", tmp_path / "there"
    for name, text in {"lab/__init__.py": "ONE = 1\n", "lab/größe.py": "x = 'ü'\n", "bin/start": "#!/bin/sh\n"}.items():
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(text, encoding="utf-8")
    sources = [
        {"src": str(code / "lab"), "dest": "lab", "mode": "0644"},
        {"src": str(code / "bin"), "dest": "bin", "mode": "0755"},
    ]
    release = {"path": str(there), "python": sys.executable, "programs": "bin", "sources": sources}
    arguments: dict[str, object] = {"release": release, "absent": [f"{there}/old", f"{there}/never"]}
    (there / "old").mkdir(parents=True)
    expected = ["bin/start", "lab/__init__.py", "lab/größe.py"]
    paths = [f"{there}/current/{name}" for name in expected] + [
        f"{there}/current",
        f"{there}/bin/start",
        f"{there}/old",
    ]
    assert files(tmp_path, arguments, "--check")["files"] == paths
    assert [path.name for path in there.iterdir()] == ["old"]
    done = files(tmp_path, arguments)["files"]
    assert [path for path in done if "/releases/" not in path] == paths
    assert (there / "bin/start").read_text() == "#!/bin/sh\n"
    compiled = list((there / "current/lab/__pycache__").iterdir())
    assert (len(compiled), {path.stat().st_mode & 0o777 for path in compiled}) == (2, {0o644}), "whatever the umask is"
    assert files(tmp_path, arguments)["changed"] is False

    # the diff is what changes for those who use it, not all of the new release
    (code / "lab/__init__.py").write_text("ONE = 2\n")
    found = files(tmp_path, arguments, "--check", "--diff")
    assert found["files"] == [f"{there}/current/lab/__init__.py", f"{there}/previous", f"{there}/current"]
    assert "+ONE = 2" in found["output"]
    assert "größe" not in found["output"]
    missing = {key: value for key, value in release.items() if key != "python"}
    assert "missing required arguments: python found in release" in files(tmp_path, {"release": missing})["msg"]
