# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What step fetch brings from real repositories: tags, branches and commits, submodules, and files that Git LFS keeps."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.scripts import FETCH


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The owner's home."""
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def git(home: Path) -> Callable[..., str]:
    """Runs git for the owner."""
    who = {f"GIT_{role}_{what}": "tests@example.test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def git(folder: Path, *words: str) -> str:
        command = ["git", "-c", "protocol.file.allow=always", *words]
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], **who}
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout

    return git


@pytest.fixture
def repository(tmp_path: Path, git: Callable[..., str]) -> Callable[..., Path]:
    """Makes a repository with one file in it."""

    def repository(name: str) -> Path:
        folder = tmp_path / "git" / name
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet", "--initial-branch", "main")
        (folder / "file").write_text(name, encoding="utf-8")
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", "one")
        return folder

    return repository


@pytest.fixture
def fetch(tmp_path: Path, home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the step, as release 1."""

    def fetch(repo: Path, version: str = "main", subdirectory: str = "") -> subprocess.CompletedProcess[str]:
        words = [str(tmp_path / "app"), "1", str(repo), version, subdirectory]
        environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
        return subprocess.run(
            ["/bin/sh", "-euc", FETCH, "fetch", *words], env=environment, capture_output=True, text=True, check=False
        )

    return fetch


def test_tag_branch_and_commit(
    repository: Callable[..., Path], git: Callable[..., str], fetch: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:  # fmt: skip
    repo, file = repository("app"), tmp_path / "app/releases/1/src/file"
    git(repo, "tag", "v1")
    first = git(repo, "rev-parse", "HEAD").strip()
    (repo / "file").write_text("two", encoding="utf-8")
    git(repo, "commit", "--quiet", "--all", "--message", "two")
    for version, text in (("v1", "app"), ("main", "two"), (first, "app"), (first[:10], "app")):
        done = fetch(repo, version)
        assert (done.returncode, done.stderr, file.read_text(encoding="utf-8")) == (0, "", text)
    assert done.stdout == f"commit {first}\n"
    assert not (tmp_path / "app/releases/1/src/.git").exists()
    assert "version 'v2' is no tag, branch or commit of" in fetch(repo, "v2").stderr
    assert "there is no subdirectory 'server' in it" in fetch(repo, "main", "server").stderr


def test_submodules_come_along(
    repository: Callable[..., Path], git: Callable[..., str], fetch: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:  # fmt: skip
    inner, middle, repo = repository("inner"), repository("middle"), repository("app")
    git(middle, "submodule", "--quiet", "add", str(inner), "deep")
    git(middle, "commit", "--quiet", "--message", "two")
    # an address that is told from the repository's own
    git(repo, "submodule", "--quiet", "add", "../middle", "part")
    git(repo, "commit", "--quiet", "--message", "two")
    done = fetch(repo)
    assert (done.returncode, done.stderr) == (0, "")
    source = tmp_path / "app/releases/1/src"
    assert (source / "part/file").read_text(encoding="utf-8") == "middle"
    assert (source / "part/deep/file").read_text(encoding="utf-8") == "inner"
    assert not list(source.rglob(".git"))


def test_large_files_come_along(
    repository: Callable[..., Path], git: Callable[..., str], fetch: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:  # fmt: skip
    repo = repository("app")
    git(repo, "lfs", "install", "--local")
    git(repo, "lfs", "track", "*.bin")
    (repo / "large.bin").write_bytes(b"large" * 1000)
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "--message", "two")
    assert git(repo, "show", "HEAD:large.bin").startswith("version https://git-lfs")
    done = fetch(repo)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "app/releases/1/src/large.bin").read_bytes() == b"large" * 1000
