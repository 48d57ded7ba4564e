# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apps need of their host: answers by a socket, as nginx would get them, and logs that lead nowhere."""

from __future__ import annotations

import http.server
import os
import pwd
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps import host
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.host import NGINX, Host
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import CommandFailed

as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def is_account(name: str) -> bool:
    """Whether there is one of that name."""
    return any(account.pw_name == name for account in pwd.getpwall())


class Answer(http.server.BaseHTTPRequestHandler):
    """Says where it was asked for, by its status."""

    def do_GET(self) -> None:
        self.send_response(200 if (self.path, self.headers["Host"]) == ("/alice/x/h", "gate") else 404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def path(root: str) -> Iterator[str]:
    """A socket on which something answers."""
    os.chmod(root, 0o711)
    server = socketserver.ThreadingUnixStreamServer(os.path.join(root, "s"), Answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield str(server.server_address)
    server.shutdown()
    server.server_close()


def test_answer_by_a_socket(path: str) -> None:
    os.chmod(path, 0o777)
    assert Host.ask(path, "/alice/x/h", {"Host": "gate"}) == 200
    assert Host.ask(path, "/other", {"Host": "gate"}) == 404


@as_root
@pytest.mark.skipif(not is_account(NGINX), reason="needs nginx's account")
def test_socket_that_nginx_cannot_open_gives_no_answer(path: str) -> None:
    os.chmod(path, 0o700)
    groups = os.getgroups()
    assert Host.ask(path, "/alice/x/h", {"Host": "gate"}) == "permission denied"
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, os.getgid(), groups)


def test_no_socket(root: str) -> None:
    os.chmod(root, 0o711)
    assert Host.ask(os.path.join(root, "none"), "/", {}) == "no such socket"


def test_run_gives_the_last_lines_and_nothing_for_a_terminal() -> None:
    code, problem, lines = Host.run(["sh", "-c", "seq 100000; printf '\\033[2J\\n'; echo end >&2; exit 4"], 60)
    assert (code, problem, len(lines), lines[-2:]) == (4, "", 15, ["\\x1b[2J", "end"])


def test_run_waits_for_no_process_that_is_left_behind() -> None:
    start = time.monotonic()
    assert Host.run(["sh", "-c", "sleep 100 & echo started"], 100) == (0, "", ["started"])
    assert time.monotonic() - start < 60


def test_home_has_to_be_in_folders_of_roots(tmp_path: Path) -> None:
    assert Host.home_problem("alice", "/usr/alice") is None
    (tmp_path / "link").symlink_to("/usr")
    for home in (tmp_path / "alice", tmp_path / "link" / "alice"):
        problem = Host.home_problem("alice", str(home)) or ""
        assert problem.startswith(
            "user 'alice': for apps, only root may own or write to the folders above the home: "
        ), "pytest's folders are in /tmp"
    assert Host.home_problem("alice", "/no-such/alice") == (
        "user 'alice': for apps, only root may own or write to the folders above the home: /no-such: No such file or directory; create it"
    )


def test_no_answer_of_postgresql_is_not_the_answer_that_there_is_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([(0, "alice\n", ""), (0, "", ""), (2, "", "FATAL:  sorry, too many clients already")])
    monkeypatch.setattr(host, "_as_postgres", lambda *words, asked: subprocess.CompletedProcess(words, *next(answers)))
    assert [Host.database_owner("alice_tasks"), Host.database_owner("alice_tasks")] == ["alice", ""]
    with pytest.raises(CommandFailed, match="who owns database alice_tasks: FATAL:  sorry"):
        Host.database_owner("alice_tasks")
