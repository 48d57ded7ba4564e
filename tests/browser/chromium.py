"""A real browser for the tests: Debian's chromium, and a record of what each page does on the network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, WebSocket, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
# A name that is not this machine's own: some tools answer 403 to such a Host, and only then.
HOST = "gate.example.org"
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP *.{HOST} 127.0.0.1",
    # as over HTTPS: where a request comes from is told to nobody else
    f"--unsafely-treat-insecure-origin-as-secure=*.{HOST.partition('.')[2]}",
]


class Visit:
    """A page opened with a login (or none), its websockets with the frames that came in, and what went wrong."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sockets: list[WebSocket] = []
        self.frames: dict[str, int] = {}
        self.answers: list[Response] = []
        self.failures: list[str] = []
        page.on("websocket", self._opened)
        page.on("response", self._answered)
        page.on("requestfailed", self._failed)
        page.on("console", self._said)

    def _opened(self, socket: WebSocket) -> None:
        self.sockets.append(socket)
        self.frames.setdefault(socket.url, 0)
        socket.on("framereceived", lambda _: self._received(socket.url))
        socket.on("socketerror", lambda error: self.failures.append(f"websocket {socket.url}: {error}"))

    def _received(self, url: str) -> None:
        self.frames[url] += 1

    def _answered(self, response: Response) -> None:
        self.answers.append(response)
        if response.status >= 400:
            self.failures.append(f"{response.status} {response.url}")

    def _failed(self, request: Request) -> None:
        # A page that moves on gives up what it was loading.
        if request.failure and "ERR_ABORTED" not in request.failure:
            self.failures.append(f"{request.failure} {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        # what headers forbid fails without a word on the network
        if message.type == "error" and re.match("Refused to|.*violates the|.*because its MIME type", message.text):
            self.failures.append(message.text)

    def live_frames(self, path: str) -> int:
        """How many frames came in through the open websockets at `path`."""
        urls = {socket.url for socket in self.sockets if not socket.is_closed()}
        return sum(count for url, count in self.frames.items() if url in urls and url.partition("?")[0].endswith(path))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail("there is no browser: apt-get install chromium libatomic1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """`visit(name, password)` opens a page of a browser that knows this login, `visit()` of one that knows none."""
    visits = []

    def open_page(name: str = "", password: str = "") -> Visit:
        login = {"username": name, "password": password}
        context = chromium.new_context(
            http_credentials=login if name else None,  # type: ignore[arg-type]
            viewport={"width": 1280, "height": 800},
        )
        visits.append(Visit(context.new_page()))
        return visits[-1]

    yield open_page
    for opened in visits:
        # pytest shows this below a test that failed.
        print(opened.page.url, *opened.failures, sep="\n  ")
        opened.page.context.close()
