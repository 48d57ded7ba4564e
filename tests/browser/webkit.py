"""WebKit, Safari's engine: Debian's WebKitGTK on a display of its own, steered by WebDriver."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from rig import eventually, free_port

DRIVER = Path("/usr/bin/WebKitWebDriver")
SECONDS = 60


class WebKit:
    """One window."""

    def __init__(self, port: int) -> None:
        self._session = f"http://127.0.0.1:{port}/session"
        browser = next(Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser"))
        options = {"webkitgtk:browserOptions": {"binary": str(browser), "args": ["--automation"]}}
        made = self._send("POST", "", {"capabilities": {"alwaysMatch": options}})
        self._session += f"/{made['sessionId']}"

    def _send(self, method: str, path: str, data: dict[str, Any] | None = None) -> Any:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(
            f"{self._session}{path}", body, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)["value"]

    def goto(self, url: str) -> None:
        """Opens a page and waits until it has loaded."""
        self._send("POST", "/url", {"url": url})

    def evaluate(self, script: str, *values: str) -> Any:
        """Runs JavaScript; its last argument is the function to call with the result."""
        return self._send("POST", "/execute/async", {"script": script, "args": list(values)})

    def close(self) -> None:
        self._send("DELETE", "")


@pytest.fixture(scope="session")
def webkit() -> Iterator[WebKit]:
    if not DRIVER.exists():
        pytest.fail("there is no WebKit: apt-get install webkit2gtk-driver xvfb")
    port = free_port()
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as log:
        # it looks for no session of the desktop, and its processes have no sandbox, which would need user namespaces
        environment = {
            **os.environ,
            "HOME": home,
            "XDG_RUNTIME_DIR": home,
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
        }
        command = ["xvfb-run", "--auto-servernum", str(DRIVER), f"--port={port}"]
        with subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True) as driver:
            try:
                eventually(lambda: _listens(port), SECONDS)
                browser = WebKit(port)
                yield browser
                browser.close()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(driver.pid, 15)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
