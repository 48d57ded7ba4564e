#!/usr/bin/python3
"""Asks for everything that a gateway serves, again and again, until SIGTERM.

When each has been answered once, it tells systemd so, and begins to count. At its end it prints the counts, and what was wrong.
"""

from __future__ import annotations

import base64
import collections
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
import time

GATEWAY = ("127.0.0.1", 1234)

over = threading.Event()
seen, wrong = collections.Counter(), []


def authorization(login, spaces=1):
    return {"Authorization": "Basic" + " " * spaces + base64.b64encode(f"{login}:{login}-secret".encode()).decode()}


def get(path, headers):
    """Status and text of the answer on a new connection."""
    connection = http.client.HTTPConnection(*GATEWAY, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    found = response.status, response.read().decode()
    connection.close()
    return found


def page(path, login, text):
    def ask():
        status, body = get(path, authorization(login))
        assert (status, text in body) == (200, True), (status, body[:200])

    return ask


def stranger():
    status, _body = get("/alice/training/", {})
    assert status == 401, status


spaces = itertools.count(2)


def sign_in():
    """A login that the gateway does not know yet, as it is spelled otherwise: its password is checked."""
    status, body = get("/alice/training/", authorization("crowd", next(spaces)))
    assert status == 200, (status, body[:200])


def refused():
    """A port of a range that is not carol's."""
    try:
        socket.create_connection(("127.0.0.1", 20900), timeout=20).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("connected")


def vizgate(*words):
    done = subprocess.run(["vizgate", *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def listing():
    assert "plots" in [link["name"] for link in json.loads(vizgate("list", "--json"))]


def change():
    vizgate("add", "new", "--port", "20000")
    added = get("/carol/new/", authorization("carol"))
    vizgate("remove", "new", "--yes")
    removed = get("/carol/new/", authorization("carol"))
    assert (added[0], removed[0]) == (200, 404), (added, removed)


class WebSocket:
    """A connection that stays open; see backend.py."""

    def __init__(self):
        self.connection = socket.create_connection(GATEWAY, timeout=20)
        lines = {"Host": "x", "Connection": "Upgrade", "Upgrade": "websocket", **authorization("alice")}
        head = "GET /alice/training/ws HTTP/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in lines.items())
        self.connection.sendall(f"{head}\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += self.connection.recv(1)
        assert b" 101 " in answer, answer

    def __call__(self):
        self.connection.sendall(b"x")
        assert self.connection.recv(1) == b"x", "closed"


def repeat(kind, ask, pause):
    while not over.wait(pause):
        try:
            ask()
            seen[kind] += 1
        except Exception as error:  # of any kind: the test prints it
            wrong.append(f"{time.strftime('%T')} {kind}: {error!r}")


kinds = {
    "link": (page("/alice/training/", "alice", '"port": 9087'), 0.05),
    "own link": (page("/carol/plots/", "carol", '"port": 20000'), 0.05),
    "app": (page("/bob/page/", "bob", "tiny of"), 0.05),
    "websocket": (WebSocket(), 0.05),
    "listing": (listing, 0.05),
    "change": (change, 0.05),
    "stranger": (stranger, 0.1),
    "refused": (refused, 0.1),
    "sign-in": (sign_in, 0.05),
}
for ask, _pause in kinds.values():
    ask()
signal.signal(signal.SIGTERM, lambda *_signal: over.set())
threads = [threading.Thread(target=repeat, args=(kind, *how)) for kind, how in kinds.items()]
for thread in threads:
    thread.start()
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.connect(os.environ["NOTIFY_SOCKET"])
    manager.send(b"READY=1")
for thread in threads:
    thread.join()
print(json.dumps({"seen": seen, "wrong": wrong}))
