# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files, symbolic links and releases of code on the host, for module files.

A release is a folder `releases/<digest>` whose files are never replaced by those of another release. The link `current`
leads to the one in use, and `previous` to the one before, whose processes may still run and import from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

Text = tuple[str, int]
"""The content of a file, and its mode."""


class Changes(NamedTuple):
    """Paths that were, or in check mode would be, changed; and the differences, as Ansible shows them."""

    paths: list[str]
    diff: list[dict[str, str]]


def read(path: str) -> Text | None:
    """A file's content and mode; None if there is no file."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read(), os.fstat(file.fileno()).st_mode & 0o7777
    except (FileNotFoundError, NotADirectoryError):
        return None


def difference(path: str, before: Text | None, after: Text) -> dict[str, str]:
    """The difference between two contents of a file, as Ansible shows it."""
    text, mode = before or ("", 0)
    return {
        "before_header": f"{path} (mode {mode:04o})",
        "after_header": f"{path} (mode {after[1]:04o})",
        "before": text,
        "after": after[0],
    }


def make_folders(path: str) -> None:
    """Makes a folder and its parents, readable by all users whatever the umask is."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        os.mkdir(folder)
        os.chmod(folder, 0o755)  # noqa: S103  # everybody reads what is in it


def write(path: str, text: str, mode: int, refusal: Callable[[str], str] = lambda path: "") -> str:
    """Replaces a file in one step: programs and nginx may be reading it.

    `refusal` says what is wrong with the new file, which has another path still; then the old file stays. Returns that.
    """
    make_folders(os.path.dirname(path))
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        os.fchmod(descriptor, mode)
    wrong = refusal(path + ".new")
    if wrong:
        os.unlink(path + ".new")
    else:
        os.replace(path + ".new", path)
    return wrong


def restore(path: str, before: Text | None) -> None:
    """Gives a file its former content and mode, or removes it if there was none."""
    if before is None:
        os.unlink(path)
    else:
        write(path, *before)


def prune(dest: str, wanted: Collection[str], check: bool) -> list[str]:
    """Removes the files below `dest` that are not in `wanted`, their bytecode, and empty folders; returns their paths."""
    removed = []
    for folder, _folders, names in os.walk(os.path.normpath(dest), topdown=False):
        for name in names:
            path = source = os.path.join(folder, name)
            if os.path.basename(folder) == "__pycache__":
                source = os.path.join(os.path.dirname(folder), name.split(".")[0] + ".py")
            if source not in wanted:
                removed.append(path)
                if not check:
                    os.unlink(path)
        if not check and not os.listdir(folder):
            os.rmdir(folder)
    return removed


def link(path: str, target: str, check: bool) -> list[str]:
    """Makes `path` a symbolic link to `target` in one step, in place of a file or link; returns the paths it changed."""
    if _target(path) == target:
        return []
    if not check:
        make_folders(os.path.dirname(path))
        if os.path.lexists(path + ".new"):
            os.unlink(path + ".new")
        os.symlink(target, path + ".new")
        os.replace(path + ".new", path)
    return [path]


def install_release(
    path: str, files: Mapping[str, Text], compile_folder: Callable[[str], bool], check: bool
) -> Changes:
    """Puts files, by their path in the release, into a release below `path`, compiles it, and switches to it.

    `compile_folder` says whether it compiled anything. Differences are those from the release in use.
    """
    new, old, current = f"releases/{_digest(files)}", _target(f"{path}/current"), f"{path}/current"
    changes = Changes([], [])
    for name, text in sorted(files.items()):
        before = read(f"{current}/{name}")
        if before != text:
            changes.paths.append(f"{current}/{name}")
            changes.diff.append(difference(f"{current}/{name}", before, text))
        if not check and read(f"{path}/{new}/{name}") != text:
            write(f"{path}/{new}/{name}", *text)
    wanted = {os.path.normpath(f"{path}/{new}/{name}") for name in files}
    changes.paths.extend(prune(f"{path}/{new}", wanted, check))
    # before the switch, as root's helper never writes bytecode itself
    if not check and compile_folder(f"{path}/{new}"):
        changes.paths.append(f"{path}/{new}")
    if not check and old != new:
        # or a power failure could leave a link to files without content
        os.sync()
    if old not in (None, new):
        changes.paths.extend(link(f"{path}/previous", str(old), check))
    changes.paths.extend(link(current, new, check))
    changes.paths.extend(_remove_releases(path, check))
    return changes


def link_programs(path: str, folder: str, names: Collection[str], check: bool) -> list[str]:
    """Makes `folder` below `path` have a link to each of these programs of the release in use; returns changed paths.

    Links to programs that the release has no more are removed; other files stay.
    """
    changed = [
        changed
        for name in sorted(names)
        for changed in link(f"{path}/{folder}/{name}", f"../current/{folder}/{name}", check)
    ]
    if not os.path.isdir(f"{path}/{folder}"):
        return changed
    for name in sorted(set(os.listdir(f"{path}/{folder}")) - set(names)):
        if _target(f"{path}/{folder}/{name}") == f"../current/{folder}/{name}":
            changed += remove(f"{path}/{folder}/{name}", check)
    return changed


def remove(path: str, check: bool) -> list[str]:
    """Removes a file, link or folder; returns its path, or nothing if it was not there."""
    if not os.path.lexists(path):
        return []
    if not check:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    return [path]


def _target(path: str) -> str | None:
    """Where a symbolic link leads; None if it is none."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def _digest(files: Mapping[str, Text]) -> str:
    """The name of the release with these files."""
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()[:16]


def _remove_releases(path: str, check: bool) -> list[str]:
    """Removes all releases but the one in use and the one before."""
    kept = {_target(f"{path}/current"), _target(f"{path}/previous")}
    if check or not os.path.isdir(f"{path}/releases"):
        return []
    return [
        gone
        for name in sorted(os.listdir(f"{path}/releases"))
        if f"releases/{name}" not in kept
        for gone in remove(f"{path}/releases/{name}", check)
    ]
