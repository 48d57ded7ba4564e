# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the root helper imports; what it does is tested where there are root, sudo and accounts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import Unavailable
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice import helper

SLOW = (
    "dataclasses",
    "datetime",
    "difflib",
    "inspect",
    "jinja2",
    "queue",
    "shutil",
    "subprocess",
    "tempfile",
    "threading",
)
"""Modules that together take longer to import than all others; docs/decisions/0013-helper-start.md."""
MODULES = 48
"""So many of the core's own: each takes 0.05 to 0.1 ms of every `vizgate add`."""


def test_nothing_slow_is_on_the_way_of_a_change(tmp_path: Path) -> None:
    os.symlink(os.path.dirname(os.path.dirname(helper.__file__)), tmp_path / "vizgate")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        " from vizgate.apply import gateway; from vizgate.selfservice import dispatch, helper; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-IBS", "-c", program], capture_output=True, text=True, check=True)
    imported = done.stdout.split()
    assert "vizgate.apply.gateway" in imported
    assert not set(SLOW) & set(imported)
    assert len([name for name in imported if name.startswith("vizgate")]) <= MODULES


@pytest.mark.skipif(os.getuid() != 0, reason="only root's processes are helpers")
def test_helpers_that_were_stopped_go_on_and_no_other_program_does(tmp_path: Path) -> None:
    program, other = tmp_path / "apply", tmp_path / "other"
    started = []
    for path in (program, other):
        path.write_text("import sys; sys.stdin.read()", encoding="utf-8")
        # with the name that the kernel gives to the helper's interpreter
        words = ["/usr/bin/python3", "-IBS", str(path)]
        started.append(subprocess.Popen(words, executable=sys.executable, stdin=subprocess.PIPE))
    try:
        for process in started:
            process.send_signal(signal.SIGSTOP)
            assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        helper.wake(str(program))
        assert os.WIFCONTINUED(os.waitpid(started[0].pid, os.WCONTINUED)[1])
        assert os.waitpid(started[1].pid, os.WCONTINUED | os.WNOHANG) == (0, 0)
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_helpers_are_woken_where_no_place_is_free(tmp_path: Path) -> None:
    woken: list[bool] = []
    places = [helper.place(str(tmp_path), "1000", lambda: woken.append(True)) for _number in range(helper.AT_ONCE + 1)]
    for place in places[:-1]:
        place.__enter__()
    assert woken == []
    with pytest.raises(Unavailable, match="you already have 4 requests in progress"):
        places[-1].__enter__()
    assert woken == [True]
    for place in places[:-1]:
        place.__exit__(None, None, None)
