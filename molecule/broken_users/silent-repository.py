#!/usr/bin/python3
"""Accepts connections on a port and never responds."""

from __future__ import annotations

import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
connections = []
while True:
    connections.append(listener.accept())
