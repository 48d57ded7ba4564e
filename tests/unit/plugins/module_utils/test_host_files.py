# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of code on the host: one switch from all of the old to all of the new, wherever an installation is killed."""

from __future__ import annotations

import compileall
import contextlib
import io
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils import _host_files as host_files
from ansible_collections.vizgate.gateway.tests.unit.support import Killed

FLAT = {"core/one.py": "VERSION = 0\n", "bin/start": "0\n", "bin/foreign": "stays\n", "core/__pycache__/one.pyc": "0"}
"""An earlier layout: the same files directly below the folder, and one of somebody else's."""


def release(version: int, *more: str) -> dict[str, host_files.Text]:
    """The files of a release: two modules, which have the same version, and a program."""
    module, program = (f"VERSION = {version}\n", 0o644), (f"{version}\n", 0o755)
    return {**dict.fromkeys(["core/one.py", "core/two.py", *more], module), "bin/start": program}


def install(path: Path, files: Mapping[str, host_files.Text], check: bool = False) -> list[str]:
    """What module files does; returns the changed paths, relative."""

    def compile_folder(folder: str) -> bool:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert compileall.compile_dir(folder)
        return "Compiling" in out.getvalue()

    changed = host_files.install_release(str(path), files, compile_folder, check).paths
    programs = [os.path.basename(name) for name in files if name.startswith("bin/")]
    changed += host_files.link_programs(str(path), "bin", programs, check)
    changed += host_files.remove(str(path / "core"), check)
    return [os.path.relpath(name, path) for name in changed]


def versions(path: Path) -> set[str]:
    """The versions of what a program has that starts now."""
    return {(path / "current" / name).read_text().split()[-1] for name in ("core/one.py", "core/two.py", "bin/start")}


def seen(path: Path) -> list[str]:
    """All files and links below a folder, bytecode left out, releases by their number."""
    releases = sorted(os.listdir(path / "releases"), key=lambda name: (path / "releases" / name).stat().st_ctime_ns)
    found = []
    for file in path.rglob("*"):
        name = str(file.relative_to(path))
        for number, digest in enumerate(releases):
            name = name.replace(digest, str(number))
        if (file.is_file() or file.is_symlink()) and "__pycache__" not in name:
            found.append(name)
    return sorted(found)


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A folder of the earlier layout."""
    for name, text in FLAT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_earlier_layout_gives_way(flat: Path) -> None:
    umask = os.umask(0o077)
    try:
        install(flat, release(1))
    finally:
        os.umask(umask)
    assert seen(flat) == [
        "bin/foreign",
        "bin/start",
        "current",
        "releases/0/bin/start",
        "releases/0/core/one.py",
        "releases/0/core/two.py",
    ]
    assert os.readlink(flat / "bin/start") == "../current/bin/start"
    assert (flat / "bin/start").read_text() == "1\n"
    assert (flat / "bin/start").stat().st_mode & 0o777 == 0o755
    assert (flat / "current/core").stat().st_mode & 0o777 == 0o755
    assert len(list((flat / "current/core/__pycache__").iterdir())) == 2, "it is compiled"


def test_a_release_that_is_in_use_does_not_change(tmp_path: Path) -> None:
    install(tmp_path, release(1))
    before = os.readlink(tmp_path / "current")
    assert install(tmp_path, release(1)) == []
    (tmp_path / "current/core/one.py").write_text("by hand")
    (tmp_path / "current/core/stray.py").write_text("")
    (tmp_path / "bin/start").unlink()
    changed = install(tmp_path, release(1))
    # bytecode is new if the file is of another second
    assert [path for path in changed if path != before] == [
        "current/core/one.py",
        f"{before}/core/stray.py",
        "bin/start",
    ]
    assert (os.readlink(tmp_path / "current"), versions(tmp_path)) == (before, {"1"})
    assert install(tmp_path, release(1)) == []


def test_the_release_before_stays_for_programs_that_run(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        install(tmp_path, release(version))
    assert versions(tmp_path) == {"3"}
    assert (tmp_path / "previous/core/one.py").read_text() == "VERSION = 2\n"
    assert len(os.listdir(tmp_path / "releases")) == 2
    install(tmp_path, release(2))  # back again
    assert versions(tmp_path) == {"2"}
    assert (tmp_path / "previous/core/one.py").read_text() == "VERSION = 3\n"


def test_files_are_on_the_disk_before_the_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power failure would leave names without content, and the link would lead to them."""
    install(tmp_path, release(1))
    flushed: list[tuple[set[str], int]] = []
    monkeypatch.setattr(
        host_files.os, "sync", lambda: flushed.append((versions(tmp_path), len(os.listdir(tmp_path / "releases"))))
    )
    install(tmp_path, release(2))
    assert flushed == [({"1"}, 2)]
    install(tmp_path, release(2))
    assert len(flushed) == 1


def test_another_mode_is_another_release(tmp_path: Path) -> None:
    install(tmp_path, release(1))
    files = release(1)
    install(tmp_path, {**files, "core/one.py": (files["core/one.py"][0], 0o600)})
    assert (tmp_path / "current/core/one.py").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "previous/core/one.py").stat().st_mode & 0o777 == 0o644


def test_programs_come_and_go(tmp_path: Path) -> None:
    install(tmp_path, release(1, "bin/gone"))
    assert (tmp_path / "bin/gone").exists()
    (tmp_path / "bin/other").symlink_to("nowhere")
    install(tmp_path, release(2, "bin/new"))
    assert sorted(os.listdir(tmp_path / "bin")) == ["new", "other", "start"]


def test_check_mode_says_the_same_and_touches_nothing(flat: Path) -> None:
    def tree() -> list[tuple[str, float]]:
        return sorted((str(path), path.lstat().st_mtime) for path in flat.rglob("*"))

    before = tree()
    said = install(flat, release(1), check=True)
    assert tree() == before
    done = install(flat, release(1))
    # the name of a folder that is compiled is known only then
    assert said == [path for path in done if not path.startswith("releases/")]
    before = tree()
    assert install(flat, release(1), check=True) == []
    assert install(flat, release(2), check=True)[-2:] == ["previous", "current"]
    assert tree() == before


class Steps:
    """Stands for a module: the call number `at` of those that change files is not carried out, and kills the process."""

    CALLS = frozenset(("chmod", "fchmod", "mkdir", "open", "replace", "rmdir", "rmtree", "symlink", "unlink"))
    at, count = 0, 0

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._module, name)
        if name not in self.CALLS:
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            Steps.count += 1
            if Steps.count == Steps.at:
                raise Killed
            return real(*arguments, **options)

        return call


@pytest.mark.parametrize("before", [None, 1])
def test_killed_at_every_step_a_program_finds_one_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int | None
) -> None:
    """From the earlier layout, and from another release; the next installation finishes what was left."""
    ends = []
    for at in itertools.count(1):
        path = tmp_path / str(at)
        for name, text in FLAT.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
        if before:
            install(path, release(before, "bin/gone"))
        with monkeypatch.context() as patch:
            patch.setattr(Steps, "at", at)
            patch.setattr(Steps, "count", 0)
            patch.setattr(host_files, "os", Steps(os))
            patch.setattr(host_files, "shutil", Steps(host_files.shutil))
            killed = False
            try:
                install(path, release(2))
            except Killed:
                killed = True
        if (path / "current").exists():
            found = versions(path)
        else:
            assert not before
            assert {name: (path / name).read_text() for name in FLAT} == FLAT, "the earlier layout is whole"
            found = {"0"}
        assert found in ({str(before or 0)}, {"2"})
        assert (path / "bin/start").read_text().strip() in {"0", *found}
        ends += found
        install(path, release(2))
        assert (install(path, release(2)), versions(path)) == ([], {"2"})
        left = [name for name in seen(path) if not name.startswith("releases/")]
        assert left == ["bin/foreign", "bin/start", "current", *(["previous"] if before else [])]
        assert not list(path.rglob("*.new"))
        if not killed:
            break
    assert len(ends) > 15
    assert ends == sorted(ends), "once switched, it stays switched"


def test_what_cannot_be_compiled_is_not_used(tmp_path: Path) -> None:
    install(tmp_path, release(1))

    def fails(_folder: str) -> bool:
        raise RuntimeError("no such Python")

    with pytest.raises(RuntimeError):
        host_files.install_release(str(tmp_path), release(2), fails, check=False)
    assert versions(tmp_path) == {"1"}
