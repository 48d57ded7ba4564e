# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File transactions: failing, or being killed, at every single step leaves all files as before or all as after."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core import fs
from ansible_collections.vizgate.gateway.tests.unit.support import Faulty, Killed, tree

BEFORE = {"a/changed": b"old", "d/removed": b"old", "a/untouched": b"old", "b/changed": b"old \xc3\xbc"}
CHANGES = {"a/changed": "new", "d/removed": None, "b/changed": "new ü", "b/added": "new", "c/added": "new"}
AFTER = {"a/changed": b"new", "a/untouched": b"old", "b/added": b"new", "b/changed": b"new \xc3\xbc", "c/added": b"new"}


def prepare(folder: Path) -> tuple[str, dict[str, str | None]]:
    """A folder as before; returns the journal's path, and the changes by full path."""
    for name, content in BEFORE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(folder / "journal"), {str(folder / name): text for name, text in CHANGES.items()}


def transact(journal: str, files: dict[str, str | None]) -> None:
    """A whole transaction."""
    fs.stage(files)
    fs.commit(journal, files, {"note": "ü"})
    fs.close(journal)


def without_journal(folder: Path) -> dict[str, bytes]:
    """All files but the journal."""
    return {name: content for name, content in tree(str(folder)).items() if name != "journal"}


def test_a_whole_transaction(tmp_path: Path) -> None:
    transact(*prepare(tmp_path))
    assert tree(str(tmp_path)) == AFTER


def test_staging_changes_nothing_that_anybody_reads(tmp_path: Path) -> None:
    _journal, files = prepare(tmp_path)
    fs.stage(files)
    found = tree(str(tmp_path))
    assert {name: content for name, content in found.items() if not name.endswith(".new")} == BEFORE
    assert found["a/changed.new"] == b"new"
    fs.unstage(files)
    assert tree(str(tmp_path)) == BEFORE


def test_the_notes_come_back_until_the_end(tmp_path: Path) -> None:
    journal, files = prepare(tmp_path)
    fs.stage(files)
    fs.commit(journal, files, {"note": "ü"})
    assert fs.redo(journal) == {"note": "ü"}
    assert fs.redo(journal) == {"note": "ü"}
    fs.close(journal)
    assert fs.redo(journal) is None
    assert tree(str(tmp_path)) == AFTER
    fs.close(journal)


def test_killed_at_every_step_all_is_as_before_or_as_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decided = []
    for at in itertools.count(1):
        folder = tmp_path / str(at)
        journal, files = prepare(folder)
        with monkeypatch.context() as patch:
            faulty = Faulty(patch, fs, at, Killed())
            try:
                transact(journal, files)
            except Killed:
                pass
        if not faulty.happened:
            break
        notes = fs.redo(journal)
        if notes is None:
            # staged texts may lie about, but nobody reads them
            found = {name: content for name, content in without_journal(folder).items() if not name.endswith(".new")}
            decided.append(found == AFTER)
            assert found in (BEFORE, AFTER)
        else:
            assert notes == {"note": "ü"}
            assert without_journal(folder) == AFTER
            decided.append(True)
    assert len(decided) > 20
    assert decided == sorted(decided), "once it is decided, it stays decided"
    assert {False, True} == set(decided)


def test_killed_while_finishing_it_can_be_finished_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in itertools.count(1):
        folder = tmp_path / str(at)
        journal, files = prepare(folder)
        fs.stage(files)
        with monkeypatch.context() as patch:
            patch.setattr(fs, "_carry_out", lambda order, ending: None)
            fs.commit(journal, files, [])
        with monkeypatch.context() as patch:
            faulty = Faulty(patch, fs, at, Killed())
            try:
                fs.redo(journal)
            except Killed:
                pass
        if not faulty.happened:
            break
        assert fs.redo(journal) == []
        assert without_journal(folder) == AFTER


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_failing_at_every_step_all_is_as_before_or_can_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    outcomes = []
    for at in itertools.count(1):
        folder = tmp_path / str(at)
        journal, files = prepare(folder)
        with monkeypatch.context() as patch:
            faulty = Faulty(patch, fs, at, OSError(code, os.strerror(code)))
            with contextlib.suppress(OSError):
                transact(journal, files)
        if not faulty.happened:
            break
        if os.path.exists(journal):
            fs.redo(journal)
            fs.close(journal)
            assert tree(str(folder)) == AFTER
            outcomes.append("after")
        else:
            # not even a staged text is left
            assert tree(str(folder)) in (BEFORE, AFTER)
            outcomes.append("before" if tree(str(folder)) == BEFORE else "after")
    assert len(outcomes) > 20
    assert outcomes == sorted(outcomes, reverse=True)


def test_a_text_is_on_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the system calls, which only a power cut would tell otherwise."""
    journal, files = prepare(tmp_path)
    calls: list[tuple[str, str]] = []
    names: dict[int, str] = {}

    class Watch:
        """`os`, with the calls that matter written down."""

        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

        def open(self, path: str, *rest: int) -> int:
            descriptor = os.open(path, *rest)
            names[descriptor] = path
            return descriptor

        def fsync(self, descriptor: int) -> None:
            calls.append(("flush", names[descriptor]))
            os.fsync(descriptor)

        def rename(self, old: str, new: str) -> None:
            calls.append(("rename", new))
            os.rename(old, new)

        def unlink(self, path: str) -> None:
            calls.append(("remove", path))
            os.unlink(path)

    monkeypatch.setattr(fs, "os", Watch())
    transact(journal, files)
    decision = calls.index(("rename", journal))
    end = calls.index(("remove", journal))
    kept = [path for path, text in files.items() if text is not None]
    for path in kept:
        assert calls.index(("flush", path + ".new")) < decision < calls.index(("rename", path)) < end
    assert calls.index(("flush", journal + ".new")) < decision
    after = calls[decision:end]
    first = min(after.index(("rename", path)) for path in kept)
    assert ("flush", os.path.dirname(journal)) in after[:first], "the decision itself has to be durable first"
    for path in files:
        last = max(step for step, call in enumerate(after) if call[1] == path)
        assert ("flush", os.path.dirname(path)) in after[last:], f"{path} may come back after a power cut"


def test_many_files_are_flushed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(fs.os, "sync", lambda: synced.append(True))
    fs.stage({str(tmp_path / str(number)): "x" for number in range(fs.FEW + 1)})
    assert synced == [True]


def test_one_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    for at in itertools.count(1):
        path.write_text("old", encoding="utf-8")
        with monkeypatch.context() as patch:
            faulty = Faulty(patch, fs, at, Killed())
            try:
                fs.write(str(path), "new")
            except Killed:
                pass
        assert path.read_text(encoding="utf-8") in ("old", "new")
        if not faulty.happened:
            break
    assert path.read_text(encoding="utf-8") == "new"


def test_files_are_for_their_owner_and_the_folders_group(tmp_path: Path) -> None:
    group = 12345 if os.getuid() == 0 else os.getgid()
    os.chown(tmp_path, -1, group)
    fs.write(str(tmp_path / "file"), "x")
    found = os.stat(tmp_path / "file")
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert found.st_gid == group


def test_new_folders_are_their_owners_alone(tmp_path: Path) -> None:
    fs.write(str(tmp_path / "folder" / "file"), "x")
    assert stat.S_IMODE(os.stat(tmp_path / "folder").st_mode) == 0o700


def test_a_symbolic_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("theirs", encoding="utf-8")
    (tmp_path / "file.new").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        fs.write(str(tmp_path / "file"), "x")
    assert (tmp_path / "other").read_text(encoding="utf-8") == "theirs"


@pytest.mark.parametrize("text", ["", "a\r\nb\rc\n", "\0\u2028ü\n"])
def test_a_text_is_written_as_it_is(tmp_path: Path, text: str) -> None:
    fs.write(str(tmp_path / "file"), text)
    assert (tmp_path / "file").read_bytes() == text.encode()
