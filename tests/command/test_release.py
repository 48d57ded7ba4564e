"""The installed code: one release in use, nothing of the earlier layout, and programs that keep to theirs in an upgrade."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils import _host_files as host_files
from conftest import Vizgate
from rig import Rig

OTHER = 'import sys\ndef main():\n    print("another release")\n    sys.exit(0)\n'


@pytest.fixture
def lib(gate: Rig) -> Path:
    return gate.root / "usr/local/lib/vizgate"


@pytest.fixture
def files(lib: Path) -> Iterator[dict[str, host_files.Text]]:
    """The files of the release in use, which is in use again afterwards."""
    current, found = lib / "current", {}
    for path in current.resolve().rglob("*"):
        text = host_files.read(str(path)) if path.is_file() and path.parent.name != "__pycache__" else None
        if text:
            found[str(path.relative_to(current.resolve()))] = text
    yield found
    install(lib, found)


def install(lib: Path, files: dict[str, host_files.Text]) -> None:
    host_files.install_release(str(lib), files, lambda _folder: False, check=False)


def test_the_code_is_in_one_release(lib: Path) -> None:
    assert sorted(os.listdir(lib)) == ["bin", "current", "lua", "pages", "releases"]
    assert os.listdir(lib / "releases") == [(lib / "current").resolve().name]
    programs = {path.name: os.readlink(path) for path in (lib / "bin").iterdir() if path.is_symlink()}
    assert programs == {path.name: f"../current/bin/{path.name}" for path in (lib / "current/bin").iterdir()}
    assert list((lib / "current/vizgate").rglob("__pycache__")), "it is compiled"


def test_a_command_that_runs_during_an_upgrade_keeps_to_its_release(
    vizgate: Vizgate, gate: Rig, lib: Path, files: dict[str, host_files.Text]
) -> None:
    """The core is imported after its first question, and by then every module of another release is broken."""
    running = vizgate.terminal()
    running.expect("Action")
    broken = {name: ("raise RuntimeError('mixed')\n", text[1]) for name, text in files.items() if name.endswith(".py")}
    install(lib, {**files, **broken, "vizgate_cli/__init__.py": ("", 0o644), "vizgate_cli/start.py": (OTHER, 0o644)})
    assert vizgate("list").out == "another release\n"
    running.child.sendline("2")
    running.answer("Link name", "late")
    running.answer("Server", "")
    running.answer("Port", "9000")
    running.answer("One-line description", "")
    running.answer("Is that right?", "y")
    running.answer("Action", "0")
    assert running.end() == 0
    assert [link.name for link in gate.core.registry.everything()["alice"]["self"].links] == ["late"]


@pytest.mark.parametrize(
    ("program", "code"),
    [("vizgate-resolve", 0), ("vizgate-certificate", 2), ("vizgate-ports", 2), ("vizgate-reload", 2)],
)
def test_programs_start_by_their_stable_path(lib: Path, program: str, code: int) -> None:
    """Without arguments: that is all that the first needs, and wrong usage of the others."""
    arguments = ["--no-such-option"] if program in ("vizgate-ports", "vizgate-reload") else []
    done = subprocess.run([lib / "bin" / program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
