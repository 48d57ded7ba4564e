# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The access log as a user sees it: their own lines, all of them, and nobody else's, however it is asked for."""

from __future__ import annotations

import datetime
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.logs import access_log
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry import audit
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice.dispatch import answer
from ansible_collections.vizgate.gateway.tests.unit.support import data
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("control")


def line(user: str, path: str = "/", link: str = "run", time: str = "2026-11-25T15:00:00+00:00", **last: str) -> str:
    """A line of the log, with the fields in nginx's order; `path` is what a stranger wrote."""
    start = {"time": time, "address": "192.0.2.1", "user": user, "link": link, "login": user}
    return json.dumps({**start, "path": path, **last}, separators=(",", ":")) + "\n"


@pytest.fixture
def log(gateway: Gateway) -> Path:
    """The gateway's log, empty."""
    path = Path(gateway.paths.access_log)
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def ask(gateway: Gateway, user: str = "alice", **keys: Any) -> dict[str, Any]:
    """The answer to a request for lines of the log."""
    return answer(gateway, user, {"do": "log", "lines": 10_000, "link": "", "cursor": "", **keys})


def paths(found: dict[str, Any]) -> list[str]:
    """What was asked for, according to an answer."""
    return [line["path"] for line in found["lines"]]


def append(log: Path, *lines: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write("".join(lines))


FORGERIES = [
    '","user":"alice","link":"run"',
    ',"user":"alice","link":"run",',
    '\\",\\"user\\":\\"alice\\",',
    '"}\n{"time":"2026-11-25T15:00:00+00:00","user":"alice","link":"run","path":"/"}',
    '\\n{"user":"alice"}',
]


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("field", ["path", "link"])
def test_nobody_writes_into_anothers_log(gateway: Gateway, log: Path, forgery: str, field: str) -> None:
    append(log, line("bob", **{field: forgery}), line("alice", "/own"))
    assert paths(ask(gateway)) == ["/own"]
    # neither does it help to begin in the middle of a line
    inode = log.stat().st_ino
    for offset in range(log.stat().st_size):
        assert paths(ask(gateway, cursor=f"{inode}:{offset}")) in (["/own"], [])


def test_only_a_users_own_lines_newest_last(gateway: Gateway, log: Path) -> None:
    append(log, *(line(user, f"/{user}/{n}") for n in range(50) for user in ("alice", "bob", "alice2", "")))
    found = ask(gateway, lines=3)
    assert paths(found) == ["/alice/47", "/alice/48", "/alice/49"]
    assert found["complete"] is True
    assert paths(ask(gateway, "bob", lines=1)) == ["/bob/49"]
    assert paths(ask(gateway, "carol")) == []


def test_of_one_link(gateway: Gateway, log: Path) -> None:
    append(log, line("alice", "1", "run"), line("alice", "2", "runs"), line("alice", "3", ""), line("bob", "4", "run"))
    assert paths(ask(gateway, link="run")) == ["1"]
    (problem,) = ask(gateway, link='run","x":"')["problems"]
    assert "the name is not of the form" in problem


def test_requests_that_concern_a_link_are_apart_and_say_no_more_than_its_pages_know(
    gateway: Gateway, log: Path
) -> None:
    def outside(path: str, concerns: str, user: str = "") -> str:
        return line(user, path, "", problem="outside", concerns=concerns)

    append(
        log,
        outside("/static/1", "alice/run"),
        outside("/static/2", "alice/runs"),
        outside("/static/3", "bob/run"),
        outside("/alice/static/4", "alice/run", "alice"),
        line("alice", "own", "run"),
    )
    found = ask(gateway, link="run")
    assert paths(found) == ["own"]
    assert [one["path"] for one in found["concerning"]] == ["/static/1", "/alice/static/4"]
    assert {tuple(one) for one in found["concerning"]} == {("time", "method", "path", "problem")}
    assert ask(gateway)["concerning"] == []


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/static/a/b", "/static/…"), ("/static/", "/static/"), ("/static", "/static"), ("/", "/"), ("", "/")],
)
def test_of_an_address_that_another_site_may_have_written_the_first_part_is_shown(
    gateway: Gateway, log: Path, path: str, shown: str
) -> None:
    append(log, line("", path, "", problem="outside unmarked", concerns="alice/run"))
    assert [one["path"] for one in ask(gateway, link="run")["concerning"]] == [shown]


def test_of_what_concerns_a_link_there_is_a_bounded_number(gateway: Gateway, log: Path) -> None:
    append(log, *(line("", f"/{n}", "", problem="outside", concerns="alice/run") for n in range(300)))
    append(log, line("alice", "own", "run"))
    found = ask(gateway, link="run")
    assert [one["path"] for one in found["concerning"]] == [f"/{n}" for n in range(200, 300)]
    assert paths(found) == ["own"]


@pytest.mark.parametrize(
    "forgery", ['","concerns":"alice/run"}', '"concerns":"alice/run"', '\\","concerns":"alice/run"}']
)
def test_nobody_forges_what_concerns_a_link(gateway: Gateway, log: Path, forgery: str) -> None:
    append(log, line("bob", forgery, "run"))
    assert ask(gateway, link="run")["concerning"] == []


def test_what_was_rotated_yesterday_is_there(gateway: Gateway, log: Path) -> None:
    append(log, line("alice", "old"))
    cursor = ask(gateway)["cursor"]
    append(log, line("alice", "older than the rotation"))
    log.rename(f"{log}.1")
    assert paths(ask(gateway)) == ["old", "older than the rotation"]
    log.touch()
    append(log, line("alice", "new"))
    assert paths(ask(gateway)) == ["old", "older than the rotation", "new"]
    assert paths(ask(gateway, lines=1)) == ["new"]
    found = ask(gateway, cursor=cursor)
    assert paths(found) == ["older than the rotation", "new"]
    assert paths(ask(gateway, cursor=found["cursor"])) == []


def test_without_a_log_there_are_no_lines(gateway: Gateway) -> None:
    assert ask(gateway) == {"lines": [], "concerning": [], "cursor": "", "complete": True}
    assert ask(gateway, cursor="1:2") == {"lines": [], "concerning": [], "cursor": "", "complete": True}


def test_a_log_that_is_a_link_is_not_followed(gateway: Gateway, log: Path) -> None:
    elsewhere = log.with_name("elsewhere")
    elsewhere.write_text(line("alice"), encoding="utf-8")
    log.unlink()
    log.symlink_to(elsewhere)
    assert "unavailable" in ask(gateway)


@pytest.mark.parametrize("cursor", ["x", "1", "1:", ":1", "-1:1", "1:1:1", "0x1:1", "1:-5", "9" * 30 + ":1", "१:२"])
def test_a_cursor_that_is_none_begins_anew(gateway: Gateway, log: Path, cursor: str) -> None:
    append(log, line("alice", "a"))
    assert paths(ask(gateway, cursor=cursor)) == ["a"]
    assert paths(ask(gateway, cursor=f"{log.stat().st_ino}:{10**19}")) == ["a"], "the file was shortened"


@pytest.mark.parametrize("keys", [{"cursor": 5}, {"lines": "5"}, {"link": None}, {"more": 1}])
def test_a_request_of_another_shape_is_refused(gateway: Gateway, log: Path, keys: dict[str, Any]) -> None:
    assert list(ask(gateway, **keys)) == ["problems"]


def test_work_is_bounded_and_says_so(gateway: Gateway, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "EXAMINED_BYTES", 5000)
    monkeypatch.setattr(access_log, "BLOCK", 1000)
    append(log, line("alice", "early"), *(line("bob") for _ in range(100)), line("alice", "late"))
    found = ask(gateway)
    assert (paths(found), found["complete"]) == (["late"], False)
    found = ask(gateway, cursor=f"{log.stat().st_ino}:0")
    assert (paths(found), found["complete"]) == (["late"], False)
    monkeypatch.setattr(access_log, "ANSWER_BYTES", 300)
    append(log, *(line("alice", f"{n}") for n in range(20)))
    found = ask(gateway)
    assert 2 <= len(found["lines"]) <= 4
    assert paths(found)[-1] == "19"


def test_what_is_not_read_is_not_charged_for(gateway: Gateway, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def pread(file: int, count: int, offset: int) -> bytes:
        read.append(count)
        return real(file, count, offset)

    real = os.pread
    with log.open("ab") as file:
        file.truncate(3 << 30)  # a hole, as large as a log may get
    append(log, "\n", *(line("alice", f"{n}") for n in range(20)))
    monkeypatch.setattr(os, "pread", pread)
    assert len(ask(gateway, lines=10)["lines"]) == 10
    assert sum(read) <= access_log.BLOCK
    read.clear()
    assert len(ask(gateway, lines=30)["lines"]) == 20
    assert sum(read) <= 65 << 20


def test_damaged_lines_hide_no_others(gateway: Gateway, log: Path) -> None:
    append(log, line("alice", "a"), line("alice", "b")[:-5] + "\n", "\n", "{}\n", line("alice", "c"))
    with log.open("ab") as file:
        file.write(line("alice", "BYTES").encode().replace(b"BYTES", b"\xff\xfe\x9b"))
    assert paths(ask(gateway)) == ["a", "c", "\ufffd\ufffd\ufffd"]


def test_somebody_who_gets_a_name_later_sees_nothing_of_before(gateway: Gateway, log: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    before, after = (
        (now + datetime.timedelta(hours=hours)).astimezone(datetime.timezone(datetime.timedelta(hours=zone)))
        for hours, zone in ((-1, 5), (1, -5))
    )
    append(log, line("alice", "hers", time=before.isoformat(timespec="seconds")))
    gateway.declare("inventory", lambda registry: {"alice": data({"name": "run", "port": 9000})})
    assert paths(ask(gateway)) == ["hers"]
    gateway.withdraw("alice")
    append(log, line("alice", "his", time=after.isoformat(timespec="seconds")))
    assert paths(ask(gateway)) == ["his"]
    assert paths(ask(gateway, cursor=f"{log.stat().st_ino}:0")) == ["his"]


@given(
    st.lists(st.tuples(st.sampled_from(["alice", "bob", "a"]), st.text(max_size=60)), max_size=40),
    st.lists(st.integers(0, 40), max_size=5),
    st.integers(1, 400),
    st.integers(1, 7),
)
def test_however_it_is_read_it_is_every_line_once(
    entries: list[tuple[str, str]], stops: list[int], block: int, limit: int
) -> None:
    """Forwards from any cursor that was handed out, in blocks of any size that a line fits into; and backwards."""
    expected = [path for user, path in entries if user == "alice"]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        log = Path(folder, "log")
        log.touch()
        texts = [line(user, path) for user, path in entries]
        patch.setattr(access_log, "BLOCK", block + max((len(text) for text in texts), default=0))
        cursor, found = f"{log.stat().st_ino}:0", []
        for start, stop in zip([0, *sorted(stops)], [*sorted(stops), len(texts)], strict=True):
            append(log, *texts[start:stop])
            for _ in range(len(texts) + 1):
                lines = access_log.Lines("alice", "", 0, limit)
                with access_log.opened(str(log)) as parts:
                    cursor, complete = access_log.forwards(parts, cursor, lines)
                assert complete
                found += [entry["path"] for entry in lines.found]
        assert found == expected
        lines = access_log.Lines("alice", "", 0, limit)
        with access_log.opened(str(log)) as parts:
            assert access_log.backwards(parts, lines)
        assert [entry["path"] for entry in reversed(lines.found)] == expected[-limit:]


@given(st.datetimes(datetime.datetime(1970, 1, 2), datetime.datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_times_are_read_as_they_are_meant(time: datetime.datetime, minutes: int) -> None:
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    time = time.replace(microsecond=0, tzinfo=zone)
    assert access_log.seconds(time.isoformat()) == time.timestamp()
    assert access_log.seconds("2026-11-25T15:00:00Z") == 1795618800
    assert access_log.seconds("yesterday") == access_log.seconds(None) == 0


def test_the_history_of_nobody_was_never_closed(gateway: Gateway) -> None:
    assert gateway.registry.closed("alice") == ""
    gateway.declare("inventory", lambda registry: {"alice": UserData(), "bob": data({"name": "run", "port": 9000})})
    gateway.withdraw("bob")
    assert (gateway.registry.closed("alice"), gateway.registry.closed("bob")[:2]) == ("", "20")
    assert audit.CLOSE in Path(gateway.paths.audit()).read_text(encoding="utf-8")
