"""Completion in the shells themselves: link names, logins, kinds, options; and silence where nothing is known."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable

import pexpect
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login, UserData
from conftest import ENVIRONMENT, Vizgate
from rig import Rig

Shell = Callable[[Vizgate, str], list[str]]


def bash(vizgate: Vizgate, line: str) -> list[str]:
    """What the function for bash proposes."""
    words = line.split(" ")
    script = (
        f". {vizgate.gate.root}/usr/local/share/bash-completion/completions/vizgate; complete -p vizgate;"
        f" COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _vizgate_completion vizgate;"
        ' [[ -z $COMPREPLY ]] || printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return run(vizgate, "bash", "--norc", "-c", script)[1:]


def fish(vizgate: Vizgate, line: str) -> list[str]:
    """What fish proposes; behind a tabulator stands the help."""
    script = f"source {vizgate.gate.root}/etc/fish/completions/vizgate.fish; complete -C {shlex.quote(line)}"
    return [found.partition("\t")[0] for found in run(vizgate, "fish", "--no-config", "-c", script)]


def zsh(vizgate: Vizgate, line: str) -> list[str]:
    """What zsh makes of the line when the tabulator key is pressed: the last word, if it is another."""
    child = pexpect.spawn("zsh", ["-f", "-i"], env=environment(vizgate), encoding="utf-8", timeout=60)
    try:
        child.sendline(
            f"PS1='> '; fpath=({vizgate.gate.root}/usr/local/share/zsh/site-functions $fpath);"
            " autoload -U compinit; compinit -D -u; echo rea''dy"
        )
        child.expect("ready\r\n")
        # control-A: to the beginning of the line, which becomes the argument of an echo
        child.send(f"{line}\t\x01echo '<' \x05 '>'\r")
        child.expect(r"\r\n< (.*?) >\r\n")
        word = str(child.match[1]).rpartition(" ")[2]
        return [] if line.endswith(word) else [word]
    finally:
        child.close(force=True)


def environment(vizgate: Vizgate) -> dict[str, str]:
    return {**ENVIRONMENT, "HOME": str(vizgate.gate.folder), "PATH": f"{vizgate.path.parent}:{ENVIRONMENT['PATH']}"}


def run(vizgate: Vizgate, *command: str) -> list[str]:
    done = subprocess.run(
        command,
        env=environment(vizgate),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


DECLARED = UserData(
    (Link("other", 9000), Link("train", 9001, description="Loss: a, b")), (Login("guest@lab", password="x"),)
)
SHELLS = pytest.mark.parametrize("shell", [bash, fish, zsh])


@SHELLS
@pytest.mark.parametrize(
    ("line", "proposed"),
    [
        ("vizgate --user alice open tr", ["train"]),
        ("vizgate --user alice edit tr", ["train"]),
        ("vizgate --user alice status other tr", ["train"]),
        ("vizgate --user alice login remove gu", ["guest@lab"]),
        ("vizgate add x --kind tens", ["tensorboard"]),
        ("vizgate kinds stre", ["streamlit"]),
        ("vizgate remove-", ["remove-everything"]),
        ("vizgate add x --desc", ["--description"]),
        ("vizgate --user nobody open tr", []),
    ],
)
def test_names(vizgate: Vizgate, gate: Rig, shell: Shell, line: str, proposed: list[str]) -> None:
    gate.core.declare("tests", lambda _: {"alice": DECLARED})
    assert shell(vizgate, line) == proposed


@pytest.mark.parametrize("shell", [bash, fish])
def test_all_that_fit(vizgate: Vizgate, gate: Rig, shell: Shell) -> None:
    gate.core.declare("tests", lambda _: {"alice": DECLARED})
    assert sorted(shell(vizgate, "vizgate --user alice open ")) == ["other", "train"]
    assert {"list", "add", "login", "status", "doctor"} <= set(shell(vizgate, "vizgate "))


@SHELLS
def test_without_a_gateway_it_is_silent(vizgate: Vizgate, gate: Rig, shell: Shell) -> None:
    policy = gate.root / "etc/vizgate/policy.json"
    policy.rename(policy.with_suffix(".away"))
    try:
        assert shell(vizgate, "vizgate --user alice open tr") == []
    finally:
        policy.with_suffix(".away").rename(policy)
