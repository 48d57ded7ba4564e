"""vizgate log: one's own lines, of one link or all, as they come, and safe to look at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from backends import Backend
from conftest import Vizgate
from rig import ALICE, BOB, eventually


@pytest.fixture
def busy(vizgate: Vizgate, backend: Backend) -> Vizgate:
    """The command, with a link of alice's for which the log has no lines yet."""
    log = vizgate.gate.root / "var/log/nginx/vizgate.jsonl"
    vizgate.gate.declare("alice", [Link("run", backend.port), Link("other", backend.port)])
    vizgate.gate.write_logs()  # those of earlier tests
    log.write_text("")  # nginx appends, and goes on from the new end
    return vizgate


def lines(vizgate: Vizgate, *words: str, user: str = "alice") -> list[dict[str, Any]]:
    """What `vizgate log --json` prints."""
    return [json.loads(line) for line in vizgate.ok("log", "--json", *words, user=user).splitlines()]


def test_own_lines_and_nobody_elses(busy: Vizgate) -> None:
    gate = busy.gate
    assert busy.ok("log") == "the log has no requests\n"
    assert busy.ok("log", "--json") == ""
    worker = gate.connect(gate.address())
    for path, login in (
        ("/alice/run/a", ALICE),
        ("/bob/fixed/", BOB),
        ("/alice/other/b", ALICE),
        ("/alice/run/c", BOB),
    ):
        gate.get(path + "?token=hidden", login, over=worker)
    worker.close()
    eventually(lambda: len(lines(busy)) == 3 and len(lines(busy, user="bob")) == 1)
    assert [line["path"] for line in lines(busy)] == ["/alice/run/a", "/alice/other/b", "/alice/run/c"]
    assert [line["path"] for line in lines(busy, "--lines", "1")] == ["/alice/run/c"]
    assert [line["path"] for line in lines(busy, "run")] == ["/alice/run/a"]
    assert {line["user"] for line in lines(busy, user="bob")} == {"bob"}
    assert lines(busy, user="carol") == []
    first, _, last = busy.ok("log").splitlines()
    assert first.split("  ")[2:5] == ["alice", "200", "GET /alice/run/a"]
    assert first.endswith(f" s  127.0.0.1:{gate.core.info('alice')['users']['alice']['links'][0]['port']}")
    assert last.split("  ")[2:5] == ["-", "401", "GET /alice/run/c"]


def test_what_a_stranger_wrote_is_no_command_to_the_terminal(busy: Vizgate) -> None:
    busy.gate.raw(b"/alice/run/\xc2\x9b2J\xe2\x80\xae\xff")
    eventually(lambda: lines(busy))
    (line,) = busy.ok("log").splitlines()
    assert "\\x9b2J\\u202e" in line
    assert line.isprintable()
    assert busy.ok("log", "--json").isascii()


def test_lines_are_shown_as_they_come(busy: Vizgate) -> None:
    gate = busy.gate
    gate.get("/alice/run/before", ALICE)
    terminal = busy.terminal("log", "-f")
    terminal.expect("/alice/run/before")
    for number in range(3):
        gate.get("/bob/fixed/", BOB)
        gate.get(f"/alice/run/{number}", ALICE)
        terminal.expect(f"/alice/run/{number}")
    terminal.child.sendcontrol("c")
    assert terminal.end() == 0
    assert "bob" not in terminal.said
    assert terminal.said.count("/alice/run/before") == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--lines", "0"], 2, "Invalid value for '--lines'"),
        (["--lines", "10001"], 2, "Invalid value for '--lines'"),
        (["../bob"], 1, "link '../bob': the name is not of the form"),
    ],
)
def test_what_it_does_not_take(busy: Vizgate, words: list[str], code: int, said: str) -> None:
    done = busy("log", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
