# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens: whose sockets are found, and by which process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.net.listener_table import (
    Listener,
    listener_at,
    listeners,
)
from ansible_collections.vizgate.gateway.tests.unit.core.net.servers import ME, OK, listening, saying
from ansible_collections.vizgate.gateway.tests.unit.support import free_port

NOBODY = 65534


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "0.0.0.0", "::"])
def test_a_listener_is_named_with_its_process(address: str) -> None:
    with listening(saying(OK), address) as port:
        found = [one for one in listeners() if one.port == port]
    command = Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    assert [(one.address, one.uid, one.user, one.pid, one.path) for one in found] == [
        (address, os.getuid(), ME, os.getpid(), "")
    ]
    assert found[0].command == command[:300]


def test_a_wrapped_ipv4_address_is_the_ipv4_address() -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("::ffff:127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert [one.address for one in listeners() if one.port == port] == ["127.0.0.1"]


def test_who_is_connected_does_not_listen() -> None:
    port = free_port()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", port))
        assert [one for one in listeners() if one.port == port] == []


def test_a_unix_socket_is_named_with_its_process(root: str) -> None:
    path = root + "/tool.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert [one for one in listeners() if one.path == path] == []
        server.listen()
        found = [one for one in listeners() if one.path == path]
    assert [(one.port, one.user, one.pid) for one in found] == [(0, ME, os.getpid())]


def test_the_name_of_a_socket_is_no_line_of_the_kernels(root: str) -> None:
    path = root + "/tool.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with listening(saying(OK)) as port, socket.socket(socket.AF_UNIX) as decoy:
        blamed = next(one.inode for one in listeners() if one.port == port)
        name = f"{root}/\n0: 0 0 00010000 1 1 {blamed} {path}"
        os.makedirs(os.path.dirname(name))
        decoy.bind(name)
        decoy.listen()
        assert name[len(root) + 2 :] in Path("/proc/net/unix").read_text().splitlines()
        found = {one.path: one.pid for one in listeners() if one.path.startswith(root)}
    assert found == {name: os.getpid()}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_socket_counts_if_its_file_is_its_owners_or_roots_gift(root: str) -> None:
    path = root + "/tool.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        os.chown(path, NOBODY, -1)
        found = listener_at(path, listeners())
        assert found
        assert (found.uid, found.pid, found.inode) == (0, os.getpid(), os.fstat(server.fileno()).st_ino)
        known = [Listener(path=path, uid=NOBODY)]
        assert listener_at(path, known) == known[0]
        os.chown(path, 0, -1)
        assert listener_at(path, known) is None
        os.unlink(path)
        assert listener_at(path, listeners()) is None


def test_a_command_line_cannot_write_on_the_terminal() -> None:
    port = free_port()
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, "\x1b[31mred\nline", "x" * 500])
    try:
        while not (found := [one for one in listeners() if one.port == port]):
            assert process.poll() is None
            time.sleep(0.02)
        assert found[0].command.isprintable()
        assert "\\x1b[31mred\\nline" in found[0].command
        assert len(found[0].command) == 300
    finally:
        process.kill()
        process.wait()


def _as_nobody(work: Callable[[], str]) -> str:
    """What `work` returns in a process of the user nobody."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.write(writing, work().encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_user_sees_whose_port_it_is_but_not_the_process() -> None:
    with listening(saying(OK)) as port:
        seen = _as_nobody(lambda: repr([(one.user, one.pid, one.command) for one in listeners() if one.port == port]))
    assert seen == "[('root', 0, '')]"


@pytest.mark.parametrize(
    ("host", "addresses", "expected"),
    [
        ("127.0.0.1", ["127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", ["0.0.0.0"], "0.0.0.0"),
        ("127.0.0.1", ["::"], "::"),
        ("127.0.0.1", ["::", "0.0.0.0", "127.0.0.1"], "127.0.0.1"),
        ("127.0.0.1", ["127.0.0.2", "::1"], ""),
        ("::1", ["0.0.0.0"], ""),
        ("::1", ["::"], "::"),
    ],
)
def test_who_gets_the_connections(host: str, addresses: list[str], expected: str) -> None:
    known = [Listener(address, 8097) for address in addresses] + [Listener(host, 1), Listener(path="/x")]
    found = listener_at((host, 8097), known)
    assert (found.address if found else "") == expected


def test_the_user_of_a_number_without_name() -> None:
    assert [Listener(uid=uid).user for uid in (0, -1, 3_999_999)] == ["root", "", "3999999"]
