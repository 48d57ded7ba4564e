"""Makes one change of the gateway below ROOT and is killed right before its STEP-th step there; exits 0 where it has fewer.

A step is whatever can be seen from outside: a file opened for writing, renamed or removed, a socket connected.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from ansible_collections.vizgate.gateway.plugins.module_utils._apply import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._model import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._paths import Paths


def main(root: str, step: int, port: int) -> None:
    """Points link `t` of two users at another port, and replaces a login."""
    left = step

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "open":
            counts = isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        else:
            counts = event in ("os.rename", "os.remove", "os.rmdir", "socket.connect")
        if counts and root in str(arguments):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    data, problems = parse_user(
        {
            "links": [{"name": "t", "port": port}],
            "logins": [{"name": "guest", "password_hash": os.environ["PASSWORD_HASH"]}],
        }
    )
    assert not problems
    sys.addaudithook(watch)
    Gateway(Paths(root)).declare("tests", lambda _: {"alice": data, "bob": data})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
