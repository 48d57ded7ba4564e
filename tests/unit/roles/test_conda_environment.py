# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role apps: conda environment files, what is refused, and the error messages."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

_loader = importlib.machinery.SourceFileLoader(
    "conda_environment", str(COLLECTION / "roles" / "apps" / "files" / "conda-environment")
)
_spec = importlib.util.spec_from_loader("conda_environment", _loader)
assert _spec
program: Any = importlib.util.module_from_spec(_spec)
_loader.exec_module(program)


def test_a_file_as_conda_exports_it() -> None:
    text = """\
name: hello
channels:
  - bioconda
  - defaults
  - nodefaults
dependencies:
  - python=3.12
  - conda-forge::numpy>=2
  - pip
  - pip:
      - flask==3.1
      - -r more.txt
prefix: /home/alice/miniconda3/envs/hello
"""
    assert program.parse(text) == program.Environment(
        channels=["bioconda", "https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"],
        dependencies=["python=3.12", "conda-forge::numpy>=2", "pip"],
        pip=["flask==3.1", "-r more.txt"],
        ignored=[],
    )


@pytest.mark.parametrize("channels", ["", "channels:\n", "channels: []\n"])
def test_default_channel_is_conda_forge(channels: str) -> None:
    assert program.parse(f"{channels}dependencies: [python]").channels == ["conda-forge"]


def test_unknown_keys_are_listed() -> None:
    assert program.parse("dependencies: [python]\nplatforms: [linux-64]\nchannel: x").ignored == [
        "channel",
        "platforms",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is not a mapping with channels and dependencies"),
        ("- python", "the file is not a mapping with channels and dependencies"),
        ("a: b\nc: [", "line 2: not YAML: "),
        ("a: \x01", "not YAML: "),
        ("name: a", "dependencies: empty; add at least python"),
        ("dependencies:", "dependencies: empty; add at least python"),
        ("dependencies: [{pip: [flask]}]", "dependencies: empty; add at least python"),
        ("dependencies: python", "dependencies: 'python' is not a list"),
        ("dependencies: [3.12]", "dependencies: 3.12 is not a string; quote it"),
        ("dependencies: ['']", "dependencies: '' is not a string; quote it"),
        (
            "dependencies: [{npm: [a]}]",
            "dependencies: {'npm': ['a']} is neither a package nor a mapping like pip: [flask]",
        ),
        ("dependencies: [python, {pip: flask}]", "pip: 'flask' is not a list"),
        ("dependencies: [python, {pip: [1]}]", "pip: 1 is not a string; quote it"),
        ("channels: conda-forge\ndependencies: [python]", "channels: 'conda-forge' is not a list"),
        (
            "dependencies: [python]\nvariables: {A: b}",
            "variables: not supported; declare them in the users file, below environment of the app",
        ),
    ],
)
def test_invalid_files_are_refused(text: str, problem: str) -> None:
    with pytest.raises(program.Refused) as refused:
        program.parse(text)
    assert str(refused.value).startswith(problem)


def test_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(program.Refused, match=r"No such file or directory in .*; the app's key conda must name a file"):
        program.read("environment.yml")
    (tmp_path / "environment.yml").write_bytes(b"a: \xff")
    with pytest.raises(program.Refused, match="the file is not in UTF-8"):
        program.read("environment.yml")


def test_progress_is_printed_at_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    progress = program.Progress()
    progress.on_transaction_start(45)
    for number in range(45):
        progress.on_transaction_operation_complete(number)
    assert capsys.readouterr().out.splitlines() == [
        f"installed {number} of 45 conda packages" for number in (20, 40, 45)
    ]
