"""Makes one change of the gateway below ROOT and is killed right before its STEP-th step there; exits 0 where it has fewer.

A step is whatever can be seen from outside: a file opened for writing, renamed or removed, a socket connected.
`killed.py ROOT STEP PORT` changes two users, `killed.py ROOT STEP USER REQUEST` answers a user's request and prints the answer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice.dispatch import answer


def change(root: str, port: str) -> Callable[[], object]:
    """Points link `t` of two users at another port, and replaces a login."""
    data, problems = parse_user(
        {
            "links": [{"name": "t", "port": int(port)}],
            "logins": [{"name": "guest", "password_hash": os.environ["PASSWORD_HASH"]}],
        }
    )
    assert not problems
    return lambda: Gateway(Paths(root)).declare("tests", lambda _: {"alice": data, "bob": data})


def request(root: str, user: str, text: str) -> Callable[[], object]:
    """Does what a user asks for."""
    return lambda: print(json.dumps(answer(Gateway(Paths(root), actor=user), user, json.loads(text))))


def main(root: str, step: int, *arguments: str) -> None:
    """Does it, up to the step."""
    left = step
    work = change(root, *arguments) if len(arguments) == 1 else request(root, *arguments)

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

    sys.addaudithook(watch)
    work()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
