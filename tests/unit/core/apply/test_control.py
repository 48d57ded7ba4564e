# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: what goes over it, and that every way of not being answered is said as such."""

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.control import publish, served
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import NotLive
from ansible_collections.vizgate.gateway.tests.unit.support import Control


def test_entries_are_published_as_lines(control: Control) -> None:
    publish(str(control.server_address), {"alice/a": "keep 127.0.0.1:80", "alice/b": ""})
    assert control.bodies == ["alice/a\tkeep 127.0.0.1:80\nalice/b\t\n"]


def test_nothing_to_publish_is_published_too(control: Control) -> None:
    publish(str(control.server_address), {})
    assert control.bodies == [""]


def test_what_was_published_is_served(control: Control) -> None:
    path = str(control.server_address)
    publish(path, {"alice/": "0123", "alice/a.b_c-d": "keep [::1]:80", "alice/gone": ""})
    keys = ["alice/a.b_c-d", "alice/", "alice/gone", "alice/never", ""]
    assert served(path, keys) == {
        "alice/a.b_c-d": "keep [::1]:80",
        "alice/": "0123",
        "alice/gone": "",
        "alice/never": "",
        "": "",
    }


@pytest.mark.parametrize("status", [404, 500, 507])
def test_an_answer_that_is_not_yes_is_no(control: Control, status: int) -> None:
    control.status = status
    path = str(control.server_address)
    with pytest.raises(NotLive, match=f"{path} answers {status}: 1"):
        publish(path, {"alice/a": "keep 127.0.0.1:80"})
    if status != 507:
        with pytest.raises(NotLive, match=f"{path} answers {status}"):
            served(path, ["alice/a"])


def test_nobody_listens(root: str) -> None:
    with pytest.raises(NotLive, match=r"nothing answers on .*/sock \(\[Errno 2\] No such file or directory\)"):
        publish(root + "/sock", {})


def test_a_socket_that_was_left_behind(root: str) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(root + "/sock")
    listener.close()
    with pytest.raises(NotLive, match=r"nothing answers on .*/sock \(\[Errno 111\] Connection refused\)"):
        publish(root + "/sock", {})


@pytest.mark.parametrize("answer", [b"", b"no HTTP at all\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"])
def test_something_else_listens(root: str, answer: bytes) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(root + "/sock")
    listener.listen()

    def work() -> None:
        connection, _address = listener.accept()
        connection.recv(1000)
        connection.sendall(answer)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(NotLive, match="nothing answers on"):
        publish(root + "/sock", {})
    thread.join()
    listener.close()
