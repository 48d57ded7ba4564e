# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages about the use of links: everybody's lines come to their own page, once, and no more is kept than there is room for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.logs import access_log, usage
from ansible_collections.vizgate.gateway.plugins.module_utils._core.logs.usage import Pages


def line(user: str, path: str, link: str = "train") -> str:
    """One of the access log."""
    found = {"time": "2026-11-28T02:26:39+01:00", "address": "10.0.0.7", "user": user, "link": link, "login": user}
    return json.dumps({**found, "method": "GET", "path": path, "status": 200, "bytes": 12, "seconds": 0.1}) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The access log."""
    path = tmp_path / "vizgate.jsonl"
    path.touch()
    return path


@pytest.fixture
def pages(tmp_path: Path, log: Path) -> Pages:
    """Pages that a program makes of what it is given, as it is."""
    program = tmp_path / "goaccess"
    program.write_text('#!/bin/sh\nfor last; do :; done\ncp "$1" "$last"\n', encoding="utf-8")
    program.chmod(0o755)
    return Pages(str(tmp_path / "usage"), str(log), str(program))


def paths(pages: Pages, user: str) -> list[str]:
    """The paths that a user's page tells of."""
    text = Path(pages.folder, "pages", user + ".html").read_text(encoding="utf-8")
    return [json.loads(row)["path"] for row in text.splitlines()]


def test_everybody_has_their_own_lines(pages: Pages, log: Path) -> None:
    log.write_text(line("alice", "/alice/train/1") + line("bob", "/bob/x/2") + line("alice", "/alice/train/3"))
    assert pages.refresh() == []
    assert (paths(pages, "alice"), paths(pages, "bob")) == (["/alice/train/1", "/alice/train/3"], ["/bob/x/2"])


def test_lines_count_once_also_over_a_rotation(pages: Pages, log: Path) -> None:
    log.write_text(line("alice", "/1"))
    pages.refresh()
    with log.open("a") as file:
        file.write(line("alice", "/2"))
    log.rename(log.with_name(log.name + ".1"))
    log.write_text(line("alice", "/3"))
    pages.refresh()
    pages.refresh()
    assert paths(pages, "alice") == ["/1", "/2", "/3"]


@pytest.mark.parametrize(
    "text", [line("zzz", "/zzz/", link=""), line("../x", "/"), "no json\n", "[]\n", line("alice", "/")[:40] + "\n"]
)
def test_lines_that_are_nobodys(pages: Pages, log: Path, text: str) -> None:
    log.write_text(text)
    assert pages.refresh() == []
    assert list(Path(pages.folder, "lines").iterdir()) == []


def test_a_user_who_is_asked_very_often_hides_nobody_elses_lines(
    pages: Pages, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "EXAMINED_BYTES", 2000)
    monkeypatch.setattr(usage, "BATCH_BYTES", 1000)
    log.write_text(line("bob", "/first") + "".join(line("alice", f"/{number}") for number in range(100)))
    assert pages.refresh() == []
    assert (paths(pages, "bob"), len(paths(pages, "alice"))) == (["/first"], 100)


def test_no_more_is_kept_than_there_is_room_for(pages: Pages, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "SPOOL_BYTES", 2000)
    monkeypatch.setattr(usage, "BATCH_LINES", 7)
    log.write_text("".join(line("alice", f"/{number}") for number in range(100)))
    pages.refresh()
    assert Path(pages.folder, "lines", "alice.jsonl").stat().st_size <= 2000
    assert paths(pages, "alice")[-1] == "/99"


def test_what_goaccess_says_is_told(pages: Pages, log: Path) -> None:
    Path(pages.goaccess).write_text("#!/bin/sh\necho no such format >&2; exit 1\n", encoding="utf-8")
    log.write_text(line("alice", "/1"))
    assert pages.refresh() == ["page of alice: goaccess: no such format"]


@pytest.mark.skipif(not shutil.which("goaccess"), reason="needs goaccess")
def test_goaccess_itself(tmp_path: Path, log: Path) -> None:
    log.write_text(line("alice", "/alice/train/<script>alert(1)</script>"))
    pages = Pages(str(tmp_path / "usage"), str(log))
    assert pages.refresh() == []
    text = Path(pages.folder, "pages", "alice.html").read_text(encoding="utf-8")
    assert '"train"' in text
    assert "<script>alert" not in text
