# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says about what visitors' browsers have seen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.doctor import diagnose
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.http_client import PASSED_HEAD_BYTES
from ansible_collections.vizgate.gateway.tests.unit.core.diagnose.tools import (
    HOST,
    answer,
    curl,
    go,
    line,
    page,
    running,
    saying,
    triples,
    with_hosts,
    with_own_host,
)


def test_what_visitors_got_is_told() -> None:
    page_of = {"referer": f"http://{HOST}/alice/run/plots"}
    requests = [
        line("/alice/run/data.json", **page_of),
        line("/alice/run/data.json", **page_of),
        line("/alice/run/login", 502),
    ]
    with running({"/": page()}) as tool:
        ((severity, text, fix),) = triples(diagnose(answer(tool.port), "run", {"lines": requests}))
    assert (severity, fix) == ("warning", "vizgate log run")
    assert text == (
        f"in the last hour visitors got 404 for /alice/run/data.json, which http://{HOST}/alice/run/plots asked for, 2 times;"
        " in the last hour visitors got 502 for /alice/run/login 1 time"
    )


@pytest.mark.parametrize("status", [302, 400, 401, 403, 426, 500, 502, 504, 200])
def test_a_websocket_that_was_not_opened_is_a_finding(status: int) -> None:
    """Browsers follow no redirect for one, and take no page for one."""
    with running({"/": page()}) as tool:
        requests = [line("/alice/run/ws", status, upgrade="websocket")]
        found = triples(diagnose(answer(tool.port), "run", {"lines": requests}))
    text = f"in the last hour visitors got {status} instead of a websocket for /alice/run/ws 1 time"
    assert found == [("warning", text, "vizgate log run")]


HEADERS = "make the tool's response headers shorter; the longest are usually Set-Cookie or Content-Security-Policy"


def test_heads_that_visitors_did_not_get_are_a_finding() -> None:
    requests = [line("/alice/run/login", 502, problem="oversized")]
    with running({"/": page()}) as tool:
        found = triples(diagnose(answer(tool.port), "run", {"lines": requests}))
    text = "in the last hour visitors got 502, as the head of the answer has more than 32,768 bytes, for /alice/run/login 1 time"
    assert found == [("warning", text, f"{HEADERS}; vizgate log run")]


@pytest.mark.parametrize("path", ["/", "/in"])
def test_a_head_that_is_too_long(path: str) -> None:
    """Also where it is the one of a redirect."""
    long = page(Content_Security_Policy="x" * 40_000)
    pages = {"/": long} if path == "/" else {"/": go("/in"), "/in": long}
    with running(pages) as tool:
        found = triples(diagnose(answer(tool.port), "run"))
    ((severity, text, fix),) = found
    assert (severity, fix) == ("error", curl(tool.port, path))
    expected = rf"the head of its answer to {path} has 40,[12]\d\d bytes, 40,000 of them in Content-Security-Policy: "
    assert re.match(expected, text)
    assert text.endswith(f": the gateway passes on 32,768, and visitors get 502; {HEADERS}")


def test_a_head_that_is_longer_than_is_looked_at() -> None:
    with running({"/": page(Set_Cookie="x" * 300_000)}) as tool:
        ((severity, text, fix),) = triples(diagnose(answer(tool.port), "run"))
    assert (severity, fix) == ("error", curl(tool.port, "/"))
    assert "the head of its answer to / has more than 65,536 bytes: the gateway passes on 32,768" in text


def test_a_head_without_an_end() -> None:
    """Of a tool that answers so whatever it is asked for."""
    with saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000) as port:
        ((severity, text, fix),) = triples(diagnose(answer(port), "run"))
    assert (severity, fix) == ("error", curl(port, "/"))
    assert "its headers have more than 65,536 bytes: the gateway passes on 32,768, and visitors get 502" in text


def test_the_gateway_passes_on_as_much_as_the_doctor_says() -> None:
    text = Path("roles/gateway/vars/main.yml").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(r"^__gateway_head_kilobytes: (\d+)$", text, re.MULTILINE)
    assert int(kilobytes) * 1024 == PASSED_HEAD_BYTES


def test_what_pages_looked_for_outside_of_the_link_is_a_finding() -> None:
    concerning = [
        line("/api/runs", problem="outside"),
        line("/api/runs", problem="outside"),
        line("/favicon.ico", problem="outside"),
        line("/api/old", problem="outside", seconds=7200),
    ]
    text = (
        "in the last hour pages of the link looked for /api/runs, outside of the link, 2 times: tell the tool its base path"
        " /alice/run"
    )
    with running({"/": page()}) as tool:
        found = triples(diagnose(answer(tool.port), "run", {"lines": [], "concerning": concerning}))
    assert found == [("warning", text, "start your tool with base path /alice/run")]


def test_websockets_without_a_password_are_a_finding() -> None:
    concerning = [line("/alice/run/ws", 401, problem="no password")]
    with running({"/": page()}) as tool:
        ((severity, text, fix),) = triples(diagnose(answer(tool.port), "run", {"lines": [], "concerning": concerning}))
    assert (severity, "as Safari, got 401 for /alice/run/ws 1 time" in text) == ("warning", True)
    assert fix == "use another browser, or ask the administrator for a sign-in service (gateway_auth: forward)"


@pytest.mark.parametrize(
    "request_",
    [
        line("/alice/run/", 200),
        line("/alice/run/data.json", seconds=7200),
        line("/alice/run/favicon.ico"),
        line("/alice/run/main.js.map"),
        # it was not running
        line("/alice/run/", 502, connect_seconds="-"),
        line("/alice/run/ws", 504, connect_seconds="-", upgrade="websocket"),
        line("/alice/run/ws", 101, upgrade="websocket"),
        # the visitor went away
        line("/alice/run/ws", 499, upgrade="websocket"),
    ],
    ids=lambda request: f"{request['path']} {request['status']}",
)
def test_what_is_no_news_is_not_told(request_: dict[str, Any]) -> None:
    with running({"/": page()}) as tool:
        assert [found["severity"] for found in diagnose(answer(tool.port), "run", {"lines": [request_]})] == ["ok"]


def test_what_pages_looked_for_before_the_link_had_a_host_is_no_finding() -> None:
    log = {"lines": [], "concerning": [line("/static/app.js", problem="outside")]}
    with running({"/": page()}) as tool:
        assert [severity for severity, _, _ in triples(diagnose(with_own_host(tool.port), "run", log))] == ["ok"]
        assert [severity for severity, _, _ in triples(diagnose(with_hosts(tool.port), "run", log))] == ["warning"]
