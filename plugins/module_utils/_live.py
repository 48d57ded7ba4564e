# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talks to the running nginx on its control socket: a published entry serves at once, without a reload."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Mapping, Sequence


class NotLive(RuntimeError):
    """No nginx with the gateway's configuration listens, or it has no room: a reload brings the change."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _ask(control: str, method: str, paths: Iterable[str], body: str = "") -> list[str]:
    """The answers to one request for each path, over one connection."""
    answers = []
    connection = _Connection(control)
    try:
        for path in paths:
            connection.request(method, path, body.encode() or None)
            answer = connection.getresponse()
            answers.append(answer.read().decode())
            if answer.status != 200:
                raise NotLive(f"{control} answers {answer.status}: {answers[-1].strip()}")
    except (OSError, http.client.HTTPException) as error:
        raise NotLive(f"nothing answers on {control} ({error})") from None
    finally:
        connection.close()
    return answers


def publish(control: str, entries: Mapping[str, str]) -> None:
    """Makes the entries (key → value, "" for one that is gone) what nginx serves from now on."""
    _ask(control, "PUT", ["/"], "".join(f"{key}\t{value}\n" for key, value in entries.items()))


def served(control: str, keys: Sequence[str]) -> dict[str, str]:
    """Key → what nginx serves for it now; "" for nothing."""
    return dict(zip(keys, _ask(control, "GET", [f"/?{key}" for key in keys]), strict=True))
