#!/usr/bin/python3
"""Keeps a websocket of bob open and exchanges data; fails if there is no response."""

from __future__ import annotations

import base64
import socket
import sys
import time

credential = base64.b64encode(b"bob:bob-secret").decode()
with socket.create_connection(("127.0.0.1", 1234), 10) as client, client.makefile("rb") as answer:
    client.sendall(
        f"GET /bob/training/socket HTTP/1.1\r\nHost: gate\r\nAuthorization: Basic {credential}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode()
    )
    if b" 101 " not in answer.readline():
        sys.exit("no websocket")
    while answer.readline().strip():
        pass
    while True:
        client.sendall(b"ping\n")
        if answer.readline() != b"ping\n":
            sys.exit("the websocket was closed")
        time.sleep(0.05)
