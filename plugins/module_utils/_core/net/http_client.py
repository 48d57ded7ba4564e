# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request to a link's target, within limits of time and size, and what went wrong with it."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..model.policy import SYSTEM_CA
from ..model.targets import HTTPS, parse_address
from ..text import printable
from .bounded import Place, Stream

if TYPE_CHECKING:
    import ssl


SECONDS = 2.0
HEAD_BYTES = 65536
PASSED_HEAD_BYTES = 32768
"""The gateway passes on no longer head of an answer (`__gateway_head_kilobytes` of the role)."""
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})\b")
REFUSED = "connection refused"
_PROBLEMS = {
    errno.ECONNREFUSED: REFUSED,
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.ENOENT: "no such socket",
}
TLS = "it speaks TLS"
PLAIN = "it does not use TLS"
UNTRUSTED = "its certificate is not trusted"
CLOSED = "it closes the connection without an answer"
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNEXPECTED_MESSAGE",
)
"""What OpenSSL says of an answer that is none of TLS's."""
ENDS = (CLOSED, _PROBLEMS[errno.ECONNRESET])
"""Connections that end early, as those of a server may that knows no HEAD, or that speaks TLS."""
NO_END = f"its headers have more than {HEAD_BYTES:,} bytes"
LATE = "no answer within"


def _late(seconds: float) -> str:
    return f"{LATE} {seconds:.2g} s"


class Security(NamedTuple):
    """How TLS is spoken with a target: its certificate has to be good for `name` by the authorities in file `ca`, or if that is
    "" by none."""

    name: str
    ca: str = ""


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came back from one HTTP request; status 0 is no HTTP answer, and `problem` says why."""

    status: int = 0
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """By names in small letters; a header that came more than once has as many lines."""
    body: bytes = b""
    head_bytes: int = 0
    """Of the status line and all headers, with their ends."""
    milliseconds: float | None = None
    connected: bool = False
    problem: str = ""


def security_of(link: Mapping[str, Any], site: Mapping[str, Any]) -> Security | None:
    """How the gateway speaks TLS with a link's target; None where it speaks plain HTTP."""
    if link.get("scheme") != HTTPS:
        return None
    return Security(str(link["host"]), str(site.get("backend_ca") or SYSTEM_CA) if link.get("verify", True) else "")


def split_url(url: str) -> tuple[str, str]:
    """Scheme and `host:port` of the gateway's address, as a browser sends them."""
    scheme, found, rest = url.partition("://")
    return (scheme, rest.partition("/")[0]) if found else ("http", rest or url or "localhost")


def gateway_headers(site_url: str, base: str) -> dict[str, str]:
    """What the gateway sends along with a browser's request for a link whose address begins with `base`."""
    scheme, host = split_url(site_url)
    prefix = base.rstrip("/")
    return {
        "Host": host,
        "Accept": "text/html,*/*",
        # every browser sends one, and there are tools that fail without
        "Accept-Encoding": "identity",
        "X-Real-IP": "127.0.0.1",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": scheme,
        "X-Forwarded-Host": host,
        **({"X-Forwarded-Prefix": prefix} if prefix else {}),
    }


# seven parameters, because a request has as many parts; all after the third are named and have defaults
def ask(
    place: Place,
    path: str,
    headers: Mapping[str, str],
    *,
    body_bytes: int = 0,
    seconds: float = SECONDS,
    security: Security | None = None,
    method: str = "GET",
) -> Reply:
    """Sends one request and reads the head of the answer, and of its body as much as asked for, within `seconds`; by TLS, if its
    `security` is given."""
    started = time.monotonic()
    try:
        stream = Stream(place, seconds)
    except OSError as error:
        return Reply(problem=_words(error, seconds))
    with contextlib.closing(stream):
        try:
            if security:
                stream.secure(_context(security.ca), _said(security.name))
        except OSError as error:
            return Reply(connected=True, problem=_tls_words(error, seconds))
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Connection": "close", **headers}.items())
        try:
            stream.send(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
            stream.read(lambda got: bool(_HEAD_END.search(got)) or len(got) > HEAD_BYTES or not _may_be_http(got))
            problem = _head_problem(stream.got)
        except OSError as error:
            problem = _words(error, seconds)
        if problem:
            return Reply(connected=True, problem=problem)
        head, body = _HEAD_END.split(stream.got, 1)
        status, fields, start = int(head[9:12]), _fields(head), len(stream.got) - len(body)
        try:
            if status == 101:
                # a websocket's goodbye, and the other side's: visdom never forgets one that just goes away
                stream.send(b"\x88\x80\0\0\0\0")
                stream.read(lambda got: len(got) > HEAD_BYTES)
            elif body_bytes:
                stream.read(lambda got: _whole(fields, got, start, body_bytes))
        except OSError:
            pass  # what has come has come
    body = stream.got[start:][:body_bytes]
    if _chunked(fields):
        body = _unchunked(body)
    return Reply(status, fields, body, start, ((stream.first or started) - started) * 1000, True)


def _may_be_http(got: bytes | bytearray) -> bool:
    return got[:5] == b"HTTP/"[: len(got)]


def _head_problem(got: bytes) -> str:
    """Why what was received is no head of an HTTP answer, or ""."""
    if got.startswith(b"\x15\x03"):
        return TLS
    if not got:
        return CLOSED
    if not _STATUS.match(got):
        said = got.split(b"\n")[0].strip()[:40].decode("latin-1")
        return f"its answer is not HTTP: '{printable(said)}'"
    if _HEAD_END.search(got):
        return ""
    return NO_END if len(got) > HEAD_BYTES else CLOSED


def _context(ca: str) -> ssl.SSLContext:
    """A client of TLS that trusts the authorities in a file, or everybody. Raises OSError where there is no such file."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _said(name: str) -> str | None:
    """What TLS says to the other side that it is asked for: like nginx, no address."""
    return None if not name or parse_address(name) else name


def _tls_words(error: OSError, seconds: float) -> str:
    """Why TLS has not begun."""
    import ssl

    if isinstance(error, FileNotFoundError):
        return "the gateway's file of CA certificates is missing"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{UNTRUSTED}: {printable(error.verify_message)}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        return PLAIN if error.reason in _NO_TLS else f"TLS fails: {reason or 'the connection ends'}"
    return _words(error, seconds)


def _words(error: OSError, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return _late(seconds)
    return _PROBLEMS.get(error.errno or 0) or (error.strerror or "no connection").lower()


def _fields(head: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in head.decode("latin-1").split("\n")[1:]:
        name, value = line.partition(":")[::2]
        name = name.strip().lower()
        fields[name] = f"{fields[name]}\n{value.strip()}" if name in fields else value.strip()
    return fields


def _whole(fields: Mapping[str, str], got: bytes | bytearray, start: int, limit: int) -> bool:
    """Whether the body that begins at `start` is complete, or as long as anybody wants it."""
    size = fields.get("content-length", "")
    if size.isdecimal():
        # int refuses thousands of digits
        limit = min(limit, int(size[:18]))
    elif _chunked(fields) and got.endswith(b"\r\n0\r\n\r\n"):
        return True
    return len(got) - start >= limit


def _chunked(fields: Mapping[str, str]) -> bool:
    return fields.get("transfer-encoding", "").lower() == "chunked"


def _unchunked(raw: bytes) -> bytes:
    parts, stream = [], io.BytesIO(raw)
    for size in stream:
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            break
        if length <= 0:
            break
        parts.append(stream.read(min(length, len(raw))))
        stream.seek(2, os.SEEK_CUR)
    return b"".join(parts)


def speaks_tls(place: Place, seconds: float = SECONDS) -> bool:
    """Whether TLS is spoken there; certificates are not looked at."""
    import ssl

    try:
        stream = Stream(place, seconds)
        with contextlib.closing(stream):
            stream.secure(_context(""), None)
    except ssl.SSLError as error:
        # who refuses this client in TLS's own words speaks it
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
    return True
