"""Three tools in Firefox and WebKit, as far as a password goes there; and what all three engines ask for outside of a link."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import Backend, Gateway, running
from chromium import Visit
from firefox import Firefox, firefox
from webkit import WebKit, eventually

KINDS = ("dash", "nicegui", "shiny")
"""Quick to start; Dash asks by HTTP, Shiny by a websocket, and NiceGUI by HTTP where there is no websocket."""
CLICK = """
    const tell = arguments[0], end = Date.now() + 20000;
    let button;
    const look = () => {
        if (!button) {
            button = [...document.querySelectorAll("button")].find(one => one.innerText.trim().toLowerCase() === "count");
            button?.click();
        }
        const text = document.body.innerText;
        if (text.includes("clicks: 1") || Date.now() > end) tell(text);
        else setTimeout(look, 100);
    };
    look();
"""
SOCKET = """
    const socket = new WebSocket(arguments[0]), tell = arguments[1];
    socket.onopen = () => tell("open");
    socket.onerror = () => tell("refused");
"""
TEXT = "arguments[0](document.body.innerText)"


@pytest.fixture(scope="module")
def gecko(gateway: Gateway) -> Iterator[Firefox]:
    """Firefox with the gateway's login."""
    with firefox(gateway.user, gateway.password) as browser:
        yield browser


def url(backend: Backend, scheme: str = "http", login: str = "") -> str:
    """The link's address by the machine's own, as WebKit takes no other names for it."""
    return f"{scheme}://{login}127.0.0.1:{backend.gateway.port}{backend.gateway.prefix(backend.kind)}/"


def sign_in(browser: WebKit, backend: Backend) -> None:
    """WebKit remembers a password from an address; a page with one in its own address could ask for nothing."""
    browser.goto(url(backend, login=f"{backend.gateway.user}:{backend.gateway.password}@"))


@pytest.mark.parametrize("kind", KINDS)
def test_firefox(kind: str, gateway: Gateway, tools: Path, gecko: Firefox, tmp_path: Path) -> None:
    """All of it: Firefox sends the password with websockets as well."""
    with running(kind, gateway, tools, tmp_path) as backend:
        gecko.goto(url(backend))
        assert "clicks: 1" in gecko.evaluate(CLICK)


@pytest.mark.parametrize("kind", KINDS)
def test_webkit(kind: str, gateway: Gateway, tools: Path, webkit: WebKit, tmp_path: Path) -> None:
    """WebKit never sends a password with a websocket. So of a tool that knows nothing else, the page loads, and no more; the log
    says why, for the doctor. With a sign-in service, websockets open: tests/browser/test_webkit.py."""
    with running(kind, gateway, tools, tmp_path) as backend:
        sign_in(webkit, backend)
        webkit.goto(url(backend))
        if kind == "shiny":
            assert "count" in webkit.evaluate(TEXT)
            assert webkit.evaluate(SOCKET, url(backend, "ws") + "websocket/") == "refused"
            expected = ("/alice/shiny/websocket/", 401, "no password", "alice/shiny")
            eventually(lambda: expected in noted(gateway))
        else:
            assert "clicks: 1" in webkit.evaluate(CLICK)


def noted(gateway: Gateway) -> list[tuple[Any, ...]]:
    """What the log says of requests that got no link."""
    lines = (gateway.root / "var/log/nginx/vizgate.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [(line["path"], line["status"], line["problem"], line["concerns"]) for line in found if line.get("concerns")]


@pytest.mark.parametrize("engine", ["chromium", "firefox", "webkit"])
def test_what_a_page_asks_for_outside_of_its_link_concerns_the_link(
    engine: str,
    gateway: Gateway,
    tools: Path,
    visit: Callable[..., Visit],
    gecko: Firefox,
    webkit: WebKit,
    tmp_path: Path,
) -> None:
    """As far as real browsers say whose page has asked: no password goes there, but the page's address does."""
    with running("http", gateway, tools, tmp_path) as backend:
        (backend.folder / "outside.html").write_text(f'<script src="/static/{engine}.js"></script>the page')
        if engine == "chromium":
            visit(gateway.user, gateway.password).page.goto(backend.url + "outside.html")
        elif engine == "firefox":
            gecko.goto(url(backend) + "outside.html")
        else:
            sign_in(webkit, backend)
            webkit.goto(url(backend) + "outside.html")
        expected = (f"/static/{engine}.js", 403, "outside", "alice/http")
        eventually(lambda: expected in noted(gateway))
