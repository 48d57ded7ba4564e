"""Firefox: Debian's, steered by WebDriver BiDi, which it speaks itself."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets.sync.client
from webkit import SECONDS, eventually, free_port

FIREFOX = Path("/usr/bin/firefox-esr")


class Firefox:
    """One window, signed in wherever it is asked for a password."""

    def __init__(self, connection: websockets.sync.client.ClientConnection, name: str, password: str) -> None:
        self._connection, self._number = connection, 0
        self._login = {"type": "password", "username": name, "password": password}
        self._send("session.new", capabilities={})
        self._send("session.subscribe", events=["network.authRequired"])
        self._send("network.addIntercept", phases=["authRequired"])
        self._window = self._send("browsingContext.getTree")["contexts"][0]["context"]

    def _command(self, method: str, **parameters: Any) -> int:
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        return self._number

    def _send(self, method: str, **parameters: Any) -> Any:
        number = self._command(method, **parameters)
        while True:
            said = json.loads(self._connection.recv(timeout=SECONDS))
            if said.get("method") == "network.authRequired":
                request = said["params"]["request"]["request"]
                self._command(
                    "network.continueWithAuth", request=request, action="provideCredentials", credentials=self._login
                )
            elif said.get("id") == number:
                assert said["type"] == "success", said
                return said["result"]

    def goto(self, url: str) -> None:
        """Opens a page and waits until it has loaded."""
        self._send("browsingContext.navigate", context=self._window, url=url, wait="complete")

    def evaluate(self, script: str, *values: str) -> Any:
        """Runs JavaScript; its last argument is the function to call with the result, which is a text."""
        function = f"(...values) => new Promise(tell => (function () {{ {script} }})(...values, tell))"
        found = self._send(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": value} for value in values],
            awaitPromise=True,
            target={"context": self._window},
        )
        return found["result"]["value"]


@contextlib.contextmanager
def firefox(name: str, password: str) -> Iterator[Firefox]:
    """A browser that knows one login."""
    if not FIREFOX.exists():
        pytest.fail("there is no Firefox: apt-get install firefox-esr")
    port = free_port()
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as log:
        command = [FIREFOX, "--headless", "--no-remote", "--profile", home, f"--remote-debugging-port={port}"]
        with subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HOME": home}) as process:
            try:
                eventually(lambda: _listens(port), SECONDS)
                url = f"ws://127.0.0.1:{port}/session"
                with websockets.sync.client.connect(url, max_size=None, proxy=None) as connection:
                    yield Firefox(connection, name, password)
            finally:
                process.terminate()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
