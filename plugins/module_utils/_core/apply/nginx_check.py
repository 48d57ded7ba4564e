# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has nginx check staged map files before they are used: `nginx -t` with a configuration of their own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Sequence

from ..errors import NginxRefused

SECONDS = 120.0

_CONFIGURATION = """\
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
{temporary}
    map_hash_max_size 524288;
    map_hash_bucket_size 256;
    map $arg_key $entry {{
{includes}
    }}
    server {{
        listen unix:{folder}/s;
        return 200 $entry;
    }}
}}
"""


def check_maps(folder: str, maps: Sequence[str]) -> None:
    """Lets nginx read map files, in a `folder` that is made for that. Raises NginxRefused, OSError."""
    if not maps:
        return
    os.mkdir(folder, mode=0o700)
    try:
        lines = [f"        include {path};" for path in maps]
        temporary = "\n".join(
            f"    {name}_temp_path {folder}/body;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = _CONFIGURATION.format(folder=folder, temporary=temporary, includes="\n".join(lines))
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        reason = refusal(path)
    finally:
        clear(folder)
    if reason:
        raise NginxRefused(f"nginx refuses the include files, nothing was changed: {reason}")


def refusal(configuration: str) -> str:
    """What nginx has against a configuration, or nothing. Not by module subprocess, whose import takes longer."""
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin"]
    program = next(filter(os.path.isfile, (os.path.join(folder, "nginx") for folder in folders)), None)
    if program is None:
        raise NginxRefused("nginx is not installed on this host; role gateway does that")
    said = os.memfd_create("said")
    try:
        actions = [(os.POSIX_SPAWN_DUP2, said, 1), (os.POSIX_SPAWN_DUP2, said, 2)]
        command = [program, "-t", "-q", "-c", configuration, "-e", "stderr"]
        pid = os.posix_spawn(program, command, os.environ, file_actions=actions)
        ended = os.pidfd_open(pid)
        try:
            waiting = select.poll()
            waiting.register(ended)
            if not waiting.poll(int(SECONDS * 1000)):
                signal.pidfd_send_signal(ended, signal.SIGKILL)
                os.write(said, f"nginx -t is not done after {SECONDS} s\n".encode())
        finally:
            os.close(ended)
        _pid, status = os.waitpid(pid, 0)
        return os.pread(said, 65536, 0).decode(errors="replace").strip() or "no reason given" if status else ""
    finally:
        os.close(said)


def clear(folder: str) -> None:
    """Removes the folder with the files and empty folders that nginx has made in it, unless it is gone already."""
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)
        os.rmdir(folder)
