# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at what a link leads to, from the gateway's host: does it listen, whose is it, does it answer, how fast?

    known = listeners()                              # one look at the kernel's tables serves any number of links
    seen = probe(link, answer["site"], known)        # thread-safe; 2 s at most, and 2 more where DNS is slow
                                                     # a HEAD, as there are pages that start a kernel for each GET
    seen.listening, seen.answers, seen.status, seen.milliseconds, seen.user, seen.pid, seen.command, seen.problem

`link` is an entry of the answer to `show`: `url`, `origin` where it has one, `prefix`, and `host` and `port` or `socket`, and `scheme`
and `verify`, are looked at; of the site, its `url` and `backend_ca`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import pwd
import re
import socket
import struct
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..model.kinds import KEEP
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
COMMAND_CHARACTERS = 300

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
PLAIN = "it speaks no TLS"
UNTRUSTED = "its certificate is not trusted"
CLOSED = "it closes the connection without an answer"
NO_ADDRESS = "the host has no address"
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNEXPECTED_MESSAGE",
)
"""What OpenSSL says of an answer that is none of TLS's."""
NO_END = f"its headers have more than {HEAD_BYTES:,} bytes"
ENDS = (CLOSED, _PROBLEMS[errno.ECONNRESET])
NO_HEAD = (405, 501)
"""Answers of a server that knows GET, but not HEAD."""


LATE = "no answer within"


def _late(seconds: float) -> str:
    return f"{LATE} {seconds:.2g} s"


class Security(NamedTuple):
    """How TLS is spoken with a target: its certificate has to be good for `name` by the authorities in file `ca`, or if that is
    "" by none."""

    name: str
    ca: str = ""


@dataclasses.dataclass(frozen=True)
class Listener:
    """A socket of this machine that waits for connections: `address` and `port`, or `path`."""

    address: str = ""
    port: int = 0
    path: str = ""
    uid: int = -1
    """-1 where the kernel does not tell."""
    pid: int = 0
    """0 where the kernel does not tell, as with other users' processes."""
    command: str = ""
    """The command line of the process, or ""."""
    inode: int = 0

    @property
    def user(self) -> str:
        """The account's name, or its number, or ""."""
        try:
            return pwd.getpwuid(self.uid).pw_name if self.uid >= 0 else ""
        except KeyError:
            return str(self.uid)


@dataclasses.dataclass(frozen=True)
class Probe:
    """What was seen of a link's target."""

    listening: bool | None
    """None for another machine that accepts no connection: something may listen there all the same."""
    answers: bool = False
    """Whether it speaks HTTP."""
    status: int = 0
    """The HTTP status of its front page; 0 also where it answers, but tells that to a GET alone."""
    milliseconds: float | None = None
    """From the start of the connection to the first byte of the answer."""
    uid: int = -1
    user: str = ""
    """Whose process listens, on this machine."""
    pid: int = 0
    command: str = ""
    problem: str = ""
    """Why it does not answer, in a few words."""


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


def listeners(commands: bool = True) -> tuple[Listener, ...]:
    """Everything that listens on this machine, with `commands` also the processes; those of other users only root can
    name."""
    found = (*_tcp("/proc/net/tcp"), *_tcp("/proc/net/tcp6"), *_unix())
    return _named(found) if commands else found


def listeners_on(ports: Collection[int]) -> tuple[Listener, ...]:
    """Those on some TCP ports, with their processes. Of all other programs no command line is read."""
    return _named([listener for listener in listeners(commands=False) if listener.port in ports])


def _named(found: Collection[Listener]) -> tuple[Listener, ...]:
    me = os.geteuid()
    processes = _processes({listener.inode for listener in found if me in (0, listener.uid)})
    named = []
    for listener in found:
        pid = processes.get(listener.inode, 0)
        named.append(dataclasses.replace(listener, pid=pid, command=_command(pid)) if pid else listener)
    return tuple(named)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()[1:]
    except OSError:
        return []  # a kernel without IPv6


def _tcp(table: str) -> Iterable[Listener]:
    for line in _lines(table):
        _number, local, _remote, state, _queues, _timer, _retransmits, uid, _timeout, inode, *_rest = line.split()
        if state == "0A":
            packed, port = local.partition(":")[::2]
            yield Listener(_address(packed), int(port, 16), uid=int(uid), inode=int(inode))


def _address(packed: str) -> str:
    """The kernel writes addresses as hexadecimal words of 32 bits in its own byte order."""
    words = [bytes.fromhex(packed[start : start + 8]) for start in range(0, len(packed), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    if raw.startswith(b"\0" * 10 + b"\xff\xff"):
        raw = raw[12:]
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


# sock_diag(7), and the headers linux/netlink.h, linux/sock_diag.h and linux/unix_diag.h
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _DUMP = 4, 20, 0x301
_LISTENING = 1 << 10
_NAME, _UID, _SHOW_NAME_AND_UID = 0, 7, 0x41
_HEADER, _REQUEST = struct.Struct("=IHHII"), struct.Struct("=BBHIIIQ")
_SOCKET, _ATTRIBUTE = struct.Struct("=BBBBIQ"), struct.Struct("=HH")


def _unix() -> Iterable[Listener]:
    """By sock_diag, as in /proc/net/unix a name with a line break can look like another socket's line."""
    for answer in _diagnosed():
        *_addresses, inode, _cookie = _SOCKET.unpack_from(answer)
        attributes = dict(_attributes(answer[_SOCKET.size :]))
        path = os.fsdecode(attributes.get(_NAME, b"").partition(b"\0")[0])
        if path.startswith("/") and _UID in attributes:
            yield Listener(path=path, uid=int.from_bytes(attributes[_UID], sys.byteorder), inode=inode)


def _diagnosed() -> Iterable[bytes]:
    """What the kernel tells of each unix socket that listens; nothing where it does not know the question."""
    question = _REQUEST.pack(socket.AF_UNIX, 0, 0, _LISTENING, 0, _SHOW_NAME_AND_UID, 0)
    header = _HEADER.pack(_HEADER.size + len(question), _SOCK_DIAG_BY_FAMILY, _DUMP, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(SECONDS)
            kernel.send(header + question)
            while True:
                data = kernel.recv(65536)
                while data:
                    size, kind, *_numbers = _HEADER.unpack_from(data)
                    if kind != _SOCK_DIAG_BY_FAMILY:
                        return  # the end, or an error
                    yield data[_HEADER.size : size]
                    data = data[_aligned(size) :]
    except OSError:
        return


def _attributes(data: bytes) -> Iterable[tuple[int, bytes]]:
    while data:
        size, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : size]
        data = data[_aligned(size) :]


def _aligned(size: int) -> int:
    return (size + 3) & ~3


def _processes(inodes: set[int]) -> dict[int, int]:
    """Inode of a socket → the process that has it open, the oldest where they are several."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, int] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        if len(found) == len(wanted):
            break
        folder = f"/proc/{pid}/fd"
        try:
            for name in os.listdir(folder):
                inode = wanted.get(os.readlink(f"{folder}/{name}"))
                if inode is not None:
                    found.setdefault(inode, pid)
        except OSError:
            continue  # somebody else's, or gone
    return found


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            text = file.read(4 * COMMAND_CHARACTERS).rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
    # a process can call itself anything, also what a terminal obeys
    return printable(text)[:COMMAND_CHARACTERS]


def listener_at(place: Place, known: Sequence[Listener]) -> Listener | None:
    """Who of those that listen gets the connections to a place of this machine."""
    if isinstance(place, str):
        try:
            owner = os.stat(place).st_uid
        except OSError:
            return None
        # in a mount namespace of one's own, a socket can have any name; root gives the files of its own away
        return next((listener for listener in known if listener.path == place and listener.uid in (0, owner)), None)
    host, port = place
    addresses = (host, "::") if ":" in host else (host, "0.0.0.0", "::")  # noqa: S104
    same_port = {listener.address: listener for listener in known if listener.port == port and not listener.path}
    return next((same_port[address] for address in addresses if address in same_port), None)


def place_of(link: Mapping[str, Any]) -> Place | None:
    """What a link leads to; None for a host name that has no address, or none that a link may lead to."""
    if link.get("socket"):
        return str(link["socket"])
    from .resolve import is_name, resolve

    host = str(link["host"])
    if is_name(host):
        host = resolve([host], {}, SECONDS).get(host, "")
    return (host, int(link["port"])) if host else None


def security_of(link: Mapping[str, Any], site: Mapping[str, Any]) -> Security | None:
    """How the gateway speaks TLS with a link's target; None where it speaks plain HTTP."""
    if link.get("scheme") != HTTPS:
        return None
    return Security(str(link["host"]), str(site.get("backend_ca") or SYSTEM_CA) if link.get("verify", True) else "")


def is_here(place: Place) -> bool:
    """Whether a place is on this machine."""
    if isinstance(place, str):
        return True
    host = place[0]
    try:
        # sends nothing; the kernel talks to its own addresses from the same ones, and to loopback from loopback
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as route:
            route.connect((host, 9))
            return host == route.getsockname()[0] or host == "::1" or host.startswith("127.")
    except OSError:
        return False


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


def probe(
    link: Mapping[str, Any],
    site: Mapping[str, Any],
    known: Sequence[Listener] | None = None,
    seconds: float = SECONDS,
) -> Probe:
    """Asks a link's target for the head of its front page, as the gateway of the `site` would, and waits `seconds` for it.

    `known` is what `listeners` has found, or is found now.
    """
    place = place_of(link)
    if place is None:
        return Probe(listening=None, problem=NO_ADDRESS)
    base = str(link["url"])
    started = time.monotonic()
    security = security_of(link, site)
    headers = gateway_headers(str(link.get("origin", site["url"])), base)
    path = base if link["prefix"] == KEEP else "/"
    reply = ask(place, path, headers, seconds=seconds, security=security, method="HEAD")
    left = max(0.2, started + seconds - time.monotonic())
    if reply.problem in ENDS or (reply.status >= 400 and reply.status not in NO_HEAD):
        reply = ask(place, path, headers, seconds=left, security=security)
    problem = reply.problem
    if (
        reply.connected
        and not security
        and (reply.status == 400 or problem in ENDS)
        and speaks_tls(place, max(0.2, started + seconds - time.monotonic()))
    ):
        problem = TLS
    listener = listener_at(place, listeners() if known is None else known) if is_here(place) else None
    if listener and not reply.connected and listener.address != place[0] and listener.address == "::":
        listener = None  # it takes IPv6 only
    return Probe(
        listening=True if listener or reply.connected else False if is_here(place) else None,
        answers=not problem,
        status=0 if problem or reply.status in NO_HEAD else reply.status,
        milliseconds=None if problem else reply.milliseconds,
        uid=listener.uid if listener else -1,
        user=listener.user if listener else "",
        pid=listener.pid if listener else 0,
        command=listener.command if listener else "",
        problem=problem,
    )


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
        return f"it speaks no HTTP, but says '{printable(said)}'"
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
        return "the gateway's file of authorities is missing"
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
