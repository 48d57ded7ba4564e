# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talks to the running nginx on its control socket: a published entry serves at once, without a reload."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence

from ..errors import NotLive
from ..net.bounded import Stream

SECONDS, ANSWER_BYTES = 20, 2**28

_ANSWER = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) .*\r\nContent-Length: ([0-9]+)\r\n(?:.*\r\n)?\r\n", re.DOTALL)


def _ask(control: str, method: str, lines: Iterable[str]) -> list[str]:
    """The lines of nginx's answer to lines; not by http.client, whose import would take longer than the whole change."""
    body = "".join(line + "\n" for line in lines).encode()
    try:
        with contextlib.closing(Stream(control, SECONDS)) as stream:
            stream.send(f"{method} / HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            stream.read(lambda got: len(got) > ANSWER_BYTES)
            received = stream.got
    except OSError as error:
        raise NotLive(f"nothing answers on {control} ({error})") from None
    answer = _ANSWER.match(received.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    text = received.partition(b"\r\n\r\n")[2]
    if not answer or int(answer[2]) != len(text):
        raise NotLive(f"nothing answers on {control} ({len(received)} bytes that are no whole answer)")
    if answer[1] != b"200":
        raise NotLive(f"{control} answers {answer[1].decode()}: {text.decode(errors='replace').strip()}")
    return text.decode().splitlines()


def publish(control: str, entries: Mapping[str, str]) -> None:
    """Makes the entries (key → value, "" for one that is gone) what nginx serves from now on."""
    _ask(control, "PUT", (f"{key}\t{value}" for key, value in entries.items()))


def served(control: str, keys: Sequence[str]) -> dict[str, str]:
    """Key → what nginx serves for it now; "" for nothing."""
    return dict(zip(keys, _ask(control, "POST", keys), strict=True))


def passwords(control: str) -> list[tuple[str, str, bytes]]:
    """User, login and password of those who have signed in with an old hash since the last call, which are forgotten by it."""
    found = (line.split("\t") for line in _ask(control, "GET", ()))
    return [(user, login, base64.b64decode(password)) for user, login, password in found]


def tidy(control: str) -> None:
    """Lets nginx forget what was published minutes ago and stands in the include files, if memory gets short."""
    _ask(control, "DELETE", ())
