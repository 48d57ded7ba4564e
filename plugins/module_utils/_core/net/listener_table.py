# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What listens on this machine, and whose process it is, from the kernel's tables."""

from __future__ import annotations

import dataclasses
import os
import pwd
import socket
import struct
import sys
from collections.abc import Collection, Iterable, Sequence

from ..text import printable
from .bounded import Place

COMMAND_CHARACTERS = 300
_SECONDS = 2.0


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
            kernel.settimeout(_SECONDS)
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
    addresses = (host, "::") if ":" in host else (host, "0.0.0.0", "::")  # noqa: S104  # compared, not bound
    same_port = {listener.address: listener for listener in known if listener.port == port and not listener.path}
    return next((same_port[address] for address in addresses if address in same_port), None)
