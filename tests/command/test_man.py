"""What is generated, or written twice, is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

import man  # noqa: E402  # a program of this repository, not of an installed package


def test_the_manual_page_is_that_of_the_commands() -> None:
    assert man.PAGE.read_text(encoding="utf-8") == man.page(), "run: python tests/man.py"


def test_the_version_is_the_collections() -> None:
    assert yaml.safe_load((REPOSITORY / "galaxy.yml").read_text())["version"] == man.VERSION


def commands(group: click.Group, above: str = "vizgate") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        found[f"{above} {name}"] = command
        if isinstance(command, click.Group):
            found.update(commands(command, f"{above} {name}"))
    return found


@pytest.mark.parametrize("name", commands(man.cli))
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = commands(man.cli)[name]
    assert command.help
    assert isinstance(command, click.Group) or f"{name}" in command.help.partition("Example:")[2], command.help
    assert len(command.help.splitlines()[0]) <= 56, "the list of commands would cut it"


def test_the_guide_names_every_command_and_exit_code() -> None:
    guide = (REPOSITORY / "docs/guide/self-service.md").read_text(encoding="utf-8")
    missing = [name for name, command in commands(man.cli).items() if f"`{name}" not in guide]
    assert missing == []
    for code, meaning in man.EXIT_CODES.items():
        assert f"| {code} | {meaning} |\n" in guide


def test_the_page_is_troff_without_a_complaint() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", man.PAGE], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
