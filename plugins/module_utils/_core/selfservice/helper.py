# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the root helper of self-service does once it is out of its caller's environment; see `libexec/apply`."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import pwd
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import Unavailable
from ..host.system_accounts import is_system

REQUEST_BYTES = 65536
CALLER_SECONDS = 20
AT_ONCE = 4
"""How many requests of one user may be under way; the others are refused, as each is a process of root's."""


LEAVE = """
for mount in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    procs=$mount/init.scope/cgroup.procs
    [ ! -e "$procs" ] || echo "$1" >"$procs" || exit
done
exec ionice -c2 -n4 -p "$1"
"""
"""For a shell: moves process $1 from the caller's cgroup to that of PID 1, and takes the caller's priority for the disk from
it. Users freeze and starve cgroups of their own, and have logind signal everything in those of their sessions, root's
processes included."""


def detach() -> int:
    """Frees the process from the caller's terminal, signals, limits, priorities and cgroup: nothing of them may stop it
    half-way. Returns the process that sees to the last of them, as the kernel takes ten milliseconds for it."""
    with contextlib.suppress(PermissionError):  # sudo has given it a session of its own already
        os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    # ignored by a caller, this one would hide how nginx -t has ended
    for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_DATA):
        resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, resource.RLIM_INFINITY))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.sched_setaffinity(0, range(1024))  # the kernel takes of these what there is
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    nowhere = [(os.POSIX_SPAWN_OPEN, end, "/dev/null", os.O_RDWR, 0) for end in range(3)]
    return os.posix_spawn("/bin/sh", ["sh", "-c", LEAVE, "leave", str(os.getpid())], os.environ, file_actions=nowhere)


def caller(uid: str) -> str:
    """The name of the account that called sudo, which has to be a person's."""
    if not uid.isascii() or not uid.isdecimal() or not 0 < int(uid) < 2**32 - 1:
        raise Unavailable("sudo did not pass the uid of the caller (SUDO_UID)")
    try:
        user = pwd.getpwuid(int(uid)).pw_name
    except KeyError:
        raise Unavailable(f"uid {uid} has no account") from None
    if is_system(int(uid)):
        raise Unavailable(f"{user} is a system account (uid {uid}) and cannot publish links; use your own account")
    return user


def wake(program: str) -> None:
    """Lets helpers go on that somebody has stopped with a session which they were about to leave. Each then answers, or ends, as it
    has waited for too long. No user can send root's processes a signal of their own."""
    words = ["pkill", "-CONT", "--runstates", "T", "--euid", "root", "--full", f"^/usr/bin/python3 -IBS {program}$"]
    with contextlib.suppress(OSError):  # without procps, the minute's refresh cannot either
        os.waitpid(os.posix_spawn("/usr/bin/pkill", words, os.environ), 0)


@contextlib.contextmanager
def place(folder: str, uid: str, make_room: Callable[[], None]) -> Iterator[None]:
    """One of the places for requests of this user; raises Unavailable where all are taken, after an attempt to `make_room`."""
    for number in range(AT_ONCE):
        file = os.open(f"{folder}/{int(uid)}.{number}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        try:
            yield
        finally:
            os.close(file)
        return
    make_room()
    raise Unavailable(f"you already have {AT_ONCE} requests in progress; try again when they have finished")


def read_request() -> Any:
    """The request on stdin; None for an empty one."""
    text = sys.stdin.buffer.read(REQUEST_BYTES + 1)
    if len(text) > REQUEST_BYTES:
        raise Unavailable(f"the request has more than {REQUEST_BYTES} bytes")
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"the request is no JSON: {error}") from None


def tell(answer: dict[str, Any]) -> None:
    """The answer on stdout, on a line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _give_up(_signal: int, _frame: object) -> None:
    # a caller that does not read this either is left without a word
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(1)
    sys.stderr.write(f"its caller sent or read nothing for {CALLER_SECONDS} s, or this host is too busy; try again\n")
    sys.stderr.flush()
    os._exit(1)


@contextlib.contextmanager
def hurried() -> Iterator[None]:
    """Ends the process if the caller keeps it waiting; not while the gateway is being changed."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(CALLER_SECONDS)
    yield
    signal.alarm(0)


def serve(arguments: Sequence[str], uid: str, cgroup: str) -> bool:
    """Answers the request; whether it was done."""
    if len(arguments) != 1:
        raise Unavailable("it takes no arguments")
    if os.getuid() != 0 or os.geteuid() != 0:
        raise Unavailable("it has to be run by sudo")
    try:
        leaving = detach()
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"the caller's resource limits cannot be removed ({error}); run the command without these limits"
        ) from None
    user = caller(uid)
    with place("/run/vizgate/requests", uid, lambda: wake(arguments[0])):
        # nothing here lives long enough to leave garbage that is worth looking for
        gc.disable()
        # before the request is there: its sender needs the time to start, too
        from .. import paths
        from ..apply.gateway import Gateway
        from ..registry import store
        from . import dispatch

        with hurried():
            if os.waitpid(leaving, 0)[1] != 0:
                raise Unavailable("the helper cannot leave the caller's cgroup; run the command outside of this cgroup")
            request = read_request()
        if request is None:
            # of a command that needs nothing after all; or waits for another helper, see `talk`
            wake(arguments[0])
            return True
        gateway = Gateway(paths.Paths(), actor=user, remote_host=store.remote_host(cgroup))
        answer = dispatch.answer(gateway, user, request)
        # a caller that does not read keeps its place
        with hurried():
            tell(answer)
        return "problems" not in answer and "unavailable" not in answer


def main(arguments: Sequence[str], uid: str, cgroup: str) -> int:
    """Exit code 0 for what was done, 1 for what was not; the answer says why. `arguments` are those of the program, `uid` is
    what sudo says of its caller, `cgroup` what the kernel says of the caller's cgroup."""
    try:
        return 0 if serve(arguments, uid, cgroup) else 1
    except Unavailable as error:
        with hurried(), contextlib.suppress(ChildProcessError):
            tell({"unavailable": f"{arguments[0]}: {error}"})
            # who is still moving this process shall not find another of its number
            os.wait()
        return 1
