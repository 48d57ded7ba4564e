# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that would keep the doctor busy, or write on the terminal."""

from __future__ import annotations

import socketserver
import threading
import time

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose import browser
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.doctor import diagnose
from ansible_collections.vizgate.gateway.tests.unit.core.diagnose.tools import answer, file, page, running, says


@pytest.mark.parametrize("nonsense", ["<a ", "<a/", "<", "<link href='x' "])
def test_a_page_that_takes_a_parser_for_ever(nonsense: str) -> None:
    text = "<script src=/x.js></script>" + (nonsense * 2**20)[: 2**20 - 100]
    with running({"/": page(text)}) as tool:
        before = time.process_time()
        text = says(answer(tool.port))[0][1]
        assert time.process_time() - before < 8
    assert text.startswith("the page loads, but looks for /x.js outside of the link")


def links(addresses: int, base: str = "") -> str:
    return f"<base href={base}>" + "".join(f"<link rel=stylesheet href=s{number}>" for number in range(addresses))


def test_a_page_whose_addresses_are_too_long_is_not_pondered() -> None:
    with running({"/": page(links(600, "a/" * 200_000))}) as tool:
        before = time.process_time()
        assert [severity for severity, _, _ in says(answer(tool.port))] == ["ok"]
        assert time.process_time() - before < 5
        assert [path for path, _ in tool.requests] == ["/"]
    with running({"/": page(f'<script src="/{"x" * 7000}"></script>')}) as tool:
        assert says(answer(tool.port))[0][1].startswith(f"the page loads, but looks for /{'x' * 198}… outside of")


def test_a_page_of_very_many_addresses_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "SECONDS", 1.0)
    with running({"/": page(links(28_000, "/alice/run/" + "a/" * 3500))}) as tool:
        before = time.process_time()
        says(answer(tool.port))
        assert time.process_time() - before < 4


def test_only_the_first_parts_of_a_page_are_asked_for() -> None:
    scripts = "".join(f"<script src=https://cdn.example/{number}.js></script>" for number in range(9))
    scripts += "".join(f"<script src=s{number}.js></script>" for number in range(9))
    with running({"/": page(scripts), **{f"/s{number}.js": file() for number in range(6)}}) as tool:
        assert [severity for severity, _, _ in says(answer(tool.port))] == ["ok"]
        assert [path for path, _ in tool.requests] == ["/", *(f"/s{number}.js" for number in range(6))]


def test_a_page_cannot_write_on_the_terminal() -> None:
    with running({"/": page('<script src="/\x1b[31mred\n.js"></script>')}) as tool:
        findings = diagnose(answer(tool.port), "run")
    assert r"/\x1b[31mred\n.js" in findings[0]["finding"]
    assert all(finding["finding"].isprintable() and finding["fix"].isprintable() for finding in findings)


def test_a_tool_that_drips_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "SECONDS", 3.0)
    over = threading.Event()

    class Slow(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked = self.request.recv(65536).split()[1]
            if asked == b"/":
                scripts = "".join(f"<script src=s{number}.js></script>" for number in range(50))
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + scripts.encode())
            else:
                self.request.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    self.request.sendall(b"X: y\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        before = time.monotonic()
        ((severity, text, _),) = says(answer(server.server_address[1]))
        taken = time.monotonic() - before
        over.set()
        server.shutdown()
    assert (severity, text) == ("error", "the page loads, but s0.js does not")
    assert 2.9 < taken < 40, "six files that drip take 10 s each"
