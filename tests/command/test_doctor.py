"""vizgate doctor: what visitors' browsers have met at the real gateway, also what never reached the link."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from backends import Backend, Handler, Request
from conftest import Vizgate
from rig import ALICE, BOB, Rig, eventually

SAME_SITE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
UPGRADE = {"Connection": "upgrade", "Upgrade": "websocket"}
WEBKIT = {**UPGRADE, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "websocket", "Sec-Fetch-Dest": "websocket"}


@pytest.fixture
def tool(vizgate: Vizgate, backend: Backend) -> Iterator[Vizgate]:
    """The command, with the link `run` of alice's, and a tool that answers `/long` with a head of 40,000 bytes."""

    def long(handler: Handler, _: Request) -> None:
        handler.send_response(200)
        handler.send_header("Set-Cookie", "session=" + "x" * 40_000)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    backend.answers["long"] = long
    log = vizgate.gate.root / "var/log/nginx/vizgate.jsonl"
    vizgate.gate.declare("alice", [Link("run", backend.port), Link("other", backend.port)])
    vizgate.gate.write_logs()  # those of earlier tests
    log.write_text("")
    yield vizgate
    backend.answers.clear()


def log_of(gate: Rig, count: int) -> list[dict[str, Any]]:
    """The access log's lines, when so many are there, the oldest first as far as one worker has written them."""
    log = gate.root / "var/log/nginx/vizgate.jsonl"
    eventually(lambda: len(log.read_text().splitlines()) >= count)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == count
    return lines


def page_of(gate: Rig, path: str = "/alice/run/page?token=hidden") -> dict[str, str]:
    """What a browser says of the page that asks."""
    return {"Referer": f"http://127.0.0.1:{gate.port}{path}"}


def findings(vizgate: Vizgate, name: str = "run") -> list[str]:
    """What the doctor finds besides that the link works, sorted."""
    found = json.loads(vizgate("doctor", name, "--json").out)
    return sorted(
        text for one in found if one["severity"] != "ok" for text in re.split("; (?=in the last)", one["finding"])
    )


def outside(path: str, times: str = "1 time") -> str:
    text = f"in the last hour pages of the link looked for {path}, outside of the link, {times}"
    return f"{text}: tell the tool its base path /alice/run"


def test_a_head_that_visitors_did_not_get(tool: Vizgate) -> None:
    """The doctor itself asks for the front page alone."""
    assert tool.gate.get("/alice/run/long", ALICE).status == 502
    (line,) = log_of(tool.gate, 1)
    assert (line["problem"], line["status"]) == ("oversized", 502)
    assert findings(tool) == [
        "in the last hour visitors got 502, as the head of the answer has more than 32,768 bytes, for /alice/run/long 1 time"
    ]


def test_a_front_page_whose_head_is_too_long(tool: Vizgate, backend: Backend) -> None:
    backend.answers[""] = backend.answers["long"]
    assert tool.gate.get("/alice/run/", ALICE).status == 502
    (finding,) = findings(tool)
    assert "40,008 of them in Set-Cookie: the gateway passes on 32,768, and visitors get 502" in finding


def test_what_a_page_looks_for_outside_of_its_link(tool: Vizgate) -> None:
    """A browser sends no password there, so it is the address that has passed a login which counts."""
    gate, source = tool.gate, tool.gate.address()
    assert gate.get("/alice/run/page", ALICE, source=source).status == 200
    for _ in range(2):
        headers = {**page_of(gate), **SAME_SITE}
        assert gate.get("/static/app.js?token=hidden", headers=headers, source=source).status == 403
    # without Sec-Fetch-*, as where the page is not encrypted, another site may have led there, and written what follows
    assert gate.get("/api/runs", headers=page_of(gate), source=source).status == 403
    assert gate.get("/alice/assets/1.css", ALICE, headers=page_of(gate), source=source).status == 404
    assert gate.get("/favicon.ico", headers=page_of(gate), source=source).status == 403
    concerned = sorted((line["user"], line["link"], line.get("concerns", "")) for line in log_of(gate, 6))
    # pages about use count by user and link, so what is not below a link stays nobody's
    assert concerned == [*[("", "", "alice/run")] * 4, ("alice", "", "alice/run"), ("alice", "run", "")]
    assert findings(tool) == sorted(
        [outside("/static/app.js", "2 times"), outside("/api/…"), outside("/alice/assets/1.css")]
    )
    assert "hidden" not in tool("doctor", "run").out
    assert findings(tool, "other") == []
    # nor are they among the requests to one's own pages
    own = sorted(json.loads(line)["path"] for line in tool.ok("log", "--json").splitlines())
    assert own == ["/alice/assets/1.css", "/alice/run/page"]


def test_nobody_else_writes_into_it(tool: Vizgate) -> None:
    """By a page's address that is made up: only who has passed a login of alice's, from there, by a login that still is."""
    gate = tool.gate
    bob, stranger = gate.address(), gate.address()
    assert gate.get("/alice/run/", ("alice", "wrong"), source=stranger).status == 401
    gate.get("/bob/fixed/", BOB, source=bob)
    for source in (bob, stranger):
        for user in ("alice", "bob", "nobody"):
            headers = {**page_of(gate, f"/{user}/run/"), **SAME_SITE}
            assert gate.get("/static/app.js", headers=headers, source=source).status == 403
    lines = [line for line in log_of(gate, 8) if line["path"] == "/static/app.js"]
    assert sorted((line["address"], line["concerns"]) for line in lines if line["concerns"]) == [(bob, "bob/run")]
    assert len(lines) == 6
    assert findings(tool) == []


def test_who_is_no_visitor_any_more_writes_nothing(tool: Vizgate) -> None:
    gate, source = tool.gate, tool.gate.address()
    tool.ok("login", "add", "guest", "--password-stdin", typed="for a day\n")
    assert gate.get("/alice/run/", ("guest", "for a day"), source=source).status == 200
    tool.ok("login", "remove", "guest")
    gate.get("/static/app.js", headers={**page_of(gate), **SAME_SITE}, source=source)
    assert [line.get("concerns", "") for line in log_of(gate, 2)] == ["", ""]


@pytest.mark.parametrize(
    ("path", "login", "headers"),
    [
        # a visit: whether it opens depends on what is there, and on who is in
        ("/bob/fixed/", None, {"Upgrade-Insecure-Requests": "1"}),
        (
            "/bob/fixed/",
            BOB,
            {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        ),
        (
            "/bob/none/",
            BOB,
            {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        ),
        # another site has led there, by an address of its own making
        ("/bob/fixed/token-of-another-site", None, {**SAME_SITE, "Sec-Fetch-Site": "cross-site"}),
        ("/bob/fixed/token-of-another-site", None, {**SAME_SITE, "Sec-Fetch-Site": "same-site"}),
    ],
)
def test_of_others_pages_it_says_nothing(
    tool: Vizgate, path: str, login: tuple[str, str] | None, headers: dict[str, str]
) -> None:
    gate, source = tool.gate, tool.gate.address()
    gate.get("/alice/run/", ALICE, source=source)
    assert gate.get(path, login, headers={**page_of(gate), **headers}, source=source).status in (401, 403, 404, 502)
    assert [line.get("concerns", "") for line in log_of(gate, 2)] == ["", ""]
    assert findings(tool) == []


def test_known_and_unknown_names_look_alike_in_it(tool: Vizgate) -> None:
    """What is refused unseen is refused alike, so the owner of a page learns no name of a user or link from it."""
    gate, source = tool.gate, tool.gate.address()
    gate.get("/alice/run/", ALICE, source=source)
    for path in ("/bob/fixed/x", "/bob/none/x", "/none/fixed/x"):
        gate.get(path, headers={**page_of(gate), **SAME_SITE}, source=source)
    log_of(gate, 4)
    assert findings(tool) == sorted(outside(path) for path in ("/bob/fixed/x", "/bob/none/x", "/none/fixed/x"))


def test_a_websocket_that_gets_no_login(tool: Vizgate) -> None:
    """WebKit, which Safari has, sends no password with a websocket; other browsers ask again with it."""
    gate, source = tool.gate, tool.gate.address()
    gate.get("/alice/run/", ALICE, source=source)
    for path in ("/alice/run/ws", "/alice/run"):
        assert gate.get(path, headers=WEBKIT, source=source).status == 401
        assert gate.get(path, headers=UPGRADE, source=source).status == 401
        assert gate.get(path, headers=WEBKIT, source=gate.address()).status == 401
    log_of(gate, 7)
    text = "in the last hour browsers that send no password with a websocket, as Safari, got 401 for"
    assert findings(tool) == [f"{text} /alice/run 1 time", f"{text} /alice/run/ws 1 time"]


@pytest.mark.parametrize("status", [302, 400, 403, 426, 500, 503])
def test_a_websocket_that_the_tool_refuses(tool: Vizgate, status: int) -> None:
    tool.gate.get(f"/alice/run/ws?status={status}", ALICE, headers=UPGRADE)
    log_of(tool.gate, 1)
    assert findings(tool) == [f"in the last hour visitors got {status} instead of a websocket for /alice/run/ws 1 time"]
