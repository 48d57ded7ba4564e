# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File transactions: all of a set of files change, or none, wherever the process is killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

FEW = 64
"""Up to so many files are flushed one by one; beyond, one flush of everything is quicker."""

NEW, OLD = ".new", ".old"
"""How staged texts end: those of a change, and those that put back what was before one whose journal still stands."""


def _flush(paths: Iterable[str]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flush_all(files: Iterable[str], entries: Iterable[str]) -> None:
    """Brings files' texts, and the coming and going of folders' entries, to the disk."""
    files, folders = list(files), {os.path.dirname(path) for path in entries}
    if len(files) + len(folders) > FEW:
        os.sync()
    else:
        _flush(files)
        _flush(folder for folder in folders if os.path.isdir(folder))


def _stage(path: str, text: str, ending: str = NEW) -> None:
    """Writes the coming text beside a file, readable by the group that the folder belongs to."""
    folder = os.path.dirname(path)
    try:
        group = os.stat(folder).st_gid
    except FileNotFoundError:
        os.makedirs(folder, mode=0o700)
        group = os.stat(folder).st_gid
    descriptor = os.open(path + ending, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
    with open(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        # whatever the umask of whoever changes something: nginx's processes read by their group
        status = os.fstat(descriptor)
        if status.st_mode & 0o7777 != 0o640:
            os.fchmod(descriptor, 0o640)
        if status.st_gid != group:
            os.fchown(descriptor, -1, group)


def read_text(path: str) -> str | None:
    """A file's text, line ends as they are; None where there is no file."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def listed(folder: str) -> list[str]:
    """The sorted names in a folder; none if there is no such folder."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def write(path: str, text: str) -> None:
    """Replaces one file atomically and durably."""
    _stage(path, text)
    _flush([path + NEW])
    os.rename(path + NEW, path)
    _flush([os.path.dirname(path)])


def stage(files: Mapping[str, str | None], ending: str = NEW) -> None:
    """Writes the coming texts beside their files; nothing has changed yet. An error takes them all back."""
    staged = []
    try:
        for path, text in files.items():
            if text is not None:
                staged.append(path + ending)
                _stage(path, text, ending)
        _flush_all(staged, staged)
    except OSError:
        unstage(files, ending)
        raise


def unstage(files: Iterable[str], ending: str = NEW) -> None:
    """Takes staged texts back."""
    for path in files:
        _remove(path + ending)


def commit(journal: str, files: Mapping[str, str | None], notes: Any, ending: str = NEW) -> None:
    """Decides for the staged texts: from here on they will be in place, if need be by `redo` after a crash.

    `notes` is plain data that `redo` gives back; the journal stays until `close`. An error before the decision takes
    the staged texts back.
    """
    order = {path: text is not None for path, text in files.items()}
    try:
        _stage(journal, json.dumps({"files": order, "notes": notes, "ending": ending}))
        _flush([journal + NEW])
        os.rename(journal + NEW, journal)
    except OSError:
        unstage(files, ending)
        unstage([journal])
        raise
    try:
        _flush([os.path.dirname(journal)])
        _carry_out(order, ending)
    except OSError:
        # decided is decided; whoever comes next would do it
        _carry_out(order, ending)


def redo(journal: str) -> Any:
    """Finishes a transaction that was decided but cut short. Returns its notes, or None where there was none."""
    try:
        with open(journal, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return None
    _carry_out(found["files"], found["ending"])
    return found["notes"]


def close(journal: str) -> None:
    """Ends a transaction that is complete."""
    _remove(journal)


def _carry_out(order: Mapping[str, bool], ending: str) -> None:
    for path, stays in order.items():
        if stays:
            try:
                os.rename(path + ending, path)
            except FileNotFoundError:
                pass  # done before the crash
        else:
            _remove(path)
    # the texts were flushed when they were staged
    _flush_all([], order)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
