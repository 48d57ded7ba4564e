# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes what account_facts.py has listed of an account; its JSON is on standard input.

    offboard.py processes|traces
    offboard.py home archive|remove|keep ARCHIVE SECONDS

A problem does not stop the rest. Problems go to standard error, one per line, with exit status 1. Every step has a time limit,
because a hostile user may have prepared processes or mounts that block.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import json
import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

PROC = "/proc"
SYSVIPC = "/proc/sysvipc"
FUSE_CONNECTIONS = "/sys/fs/fuse/connections"
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/run/screen", "/var/spool/cron")  # noqa: S108  # searched, not written
"""Folders that every user may write to."""
JOURNALS = "/var/log/journal"
USAGE = "vizgate-usage.service"
GRACE_SECONDS, KILL_SECONDS, COMMAND_SECONDS, REMOVE_SECONDS, CHILD_SECONDS = 3.0, 60.0, 60.0, 600.0, 0.5
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
ARCHIVE_SHARE = 0.9
"""The largest share of the free space that an archive may use, so that it does not fill the disk."""


class Mount(NamedTuple):
    """One line of /proc/self/mountinfo."""

    device: str
    path: str
    kind: str
    options: str


def run(words: list[str], seconds: float = COMMAND_SECONDS, good: tuple[int, ...] = (0,)) -> str:
    """Runs a command; returns why it failed, or "". A process that SIGKILL does not end, as it waits for a disk, is not waited for."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return f"{words[0]}: did not finish within {seconds:g} s"
        if code in good:
            return ""
        errors.seek(max(errors.seek(0, os.SEEK_END) - 300, 0))
        return f"{words[0]}: exit code {code}: {printable(errors.read())}"


def printable(text: bytes) -> str:
    """The last line of a program's output, with control characters escaped, because users choose file names."""
    lines = text.decode(errors="replace").strip().split("\n")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in lines[-1])


# processes


def end_processes(facts: dict[str, Any]) -> Iterator[str]:
    """Ends the user's processes: terminates them, kills after GRACE_SECONDS. Removes crontab, at jobs and linger before and after."""
    uid = facts["uid"]
    yield from remove_starters(facts)
    if uid is None:
        return  # without an account, only crontab and linger can exist
    slice_, manager = f"user-{uid}.slice", f"user@{uid}.service"
    if facts["units"]:
        run(["systemctl", "stop", "--no-block", "--", *facts["units"]])
        # a unit of the administrator must not start again with the uid of a later account
        run(["systemctl", "disable", "--quiet", "--", *facts["units"]])
    # this fails for users with processes but without a session, whom logind does not list
    run(["loginctl", "terminate-user", str(uid)])
    wait_until(lambda: not running(facts["uids"]), GRACE_SECONDS)
    abort_fuse(facts["uids"])  # processes that wait for a FUSE mount do not end otherwise
    end = time.monotonic() + KILL_SECONDS
    while time.monotonic() < end:
        # the whole slice at once, whatever uid a process has; then the processes outside of the slice
        for unit in (slice_, *facts["units"]):
            run(["systemctl", "kill", "--signal=SIGKILL", "--", unit])
        wait_until(lambda: not kill(facts["uids"], end), 2.0)
        if not running(facts["uids"]):
            break
    run(["systemctl", "stop", "--", *facts["units"], manager, f"user-runtime-dir@{uid}.service", slice_])
    # systemd lists a killed service manager as failed
    run(["systemctl", "reset-failed", "--", manager, *facts["units"]])
    yield from remove_starters(facts)
    stubborn = running(facts["uids"])
    if stubborn:
        names = ", ".join(f"{pid} ({name})" for pid, (_uid, name) in sorted(stubborn.items())[:10])
        yield f"processes that SIGKILL does not end: {names}; they wait for a disk or a mount: restore it or unmount it"
    for mount in () if stubborn else reversed(fuse_mounts(facts["uids"])):
        yield from unmount(mount.path, itself=True)
    yield from remove_ipc(facts["uids"])


def remove_starters(facts: dict[str, Any]) -> Iterator[str]:
    """Removes crontab, at jobs and linger. Runs twice, because a process may restore them before it is killed."""
    linger, crontab, at_folder = (facts["starters"][name] for name in ("linger", "crontab", "at"))
    if os.path.lexists(linger):
        # updates logind's state as well
        run(["loginctl", "disable-linger", facts["user"]])
    at_jobs = []
    with contextlib.suppress(FileNotFoundError), os.scandir(at_folder) as entries:
        at_jobs = [entry.path for entry in entries if entry.stat(follow_symlinks=False).st_uid == facts["uid"]]
    for path in (linger, crontab, *at_jobs):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass  # it does not exist, or is an at job that has started
        except OSError as error:
            yield f"{error}; remove it"


def running(uids: list[list[int]]) -> dict[int, tuple[int, str]]:
    """Pid → real uid and name of each process that has one of the uids, without zombies."""
    found = {}
    for entry in os.listdir(PROC):
        if not entry.isdigit():
            continue
        try:
            with open(f"{PROC}/{entry}/status", encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue  # the process has ended
        owners = re.search(r"^Uid:\s+(.+)$", text, re.M)
        dead = re.search(r"^State:\s+[ZX]", text, re.M)
        mine = [uid for uid in map(int, owners[1].split()) if is_among(uid, uids)] if owners and not dead else []
        if mine:
            name = re.search(r"^Name:\t(.*)$", text, re.M)
            found[int(entry)] = (mine[0], printable(name[1].encode()) if name else "")
    return found


def is_among(uid: int, uids: list[list[int]]) -> bool:
    """Whether a uid belongs to the user. An account within a range of subordinate uids belongs to another user."""
    if uid == uids[0][0]:
        return True
    return any(first <= uid <= last for first, last in uids[1:]) and not is_account(uid)


def is_account(uid: int) -> bool:
    """Whether an account has this uid."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def kill(uids: list[list[int]], end: float) -> bool:
    """Kills the processes of these uids, until the monotonic time `end`; returns whether there were any.

    One kill(-1) with the rights of each uid reaches all its processes before one of them can fork. Killing pids from a list
    would lose against a fork bomb.
    """
    processes = running(uids)
    for uid in {uid for uid, _name in processes.values()}:
        if time.monotonic() > end:
            break
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setresuid(uid, uid, uid)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        reap(child)
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # processes that have the uid as effective uid only
    return bool(processes)


def reap(child: int) -> None:
    """Waits until a child has ended, CHILD_SECONDS at most, then kills it: the user may have stopped it. The next round tries again."""
    wait_until(
        lambda: os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None, CHILD_SECONDS, 0.001
    )
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def wait_until(done: Callable[[], bool], seconds: float, pause: float = 0.1) -> None:
    """Waits until `done()` is true, `seconds` at most."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(pause)


def remove_ipc(uids: list[list[int]]) -> Iterator[str]:
    """Removes System V shared memory, semaphores and message queues."""
    for kind, option in (("shm", "-m"), ("sem", "-s"), ("msg", "-q")):
        try:
            with open(f"{SYSVIPC}/{kind}", encoding="utf-8") as file:
                head, *rows = [line.split() for line in file]
        except FileNotFoundError:
            continue  # the kernel has no System V IPC
        for row in rows:
            if is_among(int(row[head.index("uid")]), uids):
                problem = run(["ipcrm", option, row[1]])
                if problem:
                    yield f"{problem}; remove it by hand"


# mounts


def mounts() -> list[Mount]:
    """All mounts in the order of mountinfo: a mount inside another one comes later."""
    found = []
    with open(f"{PROC}/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            words = line.rstrip("\n").split(" ")
            rest = words[words.index("-") + 1 :]
            path = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])
            found.append(Mount(words[2], path, rest[0], rest[-1]))
    return found


def fuse_mounts(uids: list[list[int]]) -> list[Mount]:
    """The FUSE mounts of the user."""
    found = []
    for mount in mounts():
        owner = re.search(r"(?:^|,)user_id=(\d+)", mount.options)
        if mount.kind.startswith("fuse") and owner and is_among(int(owner[1]), uids):
            found.append(mount)
    return found


def abort_fuse(uids: list[list[int]]) -> None:
    """Aborts the user's FUSE connections, because SIGKILL does not end processes that wait for a FUSE mount."""
    for mount in fuse_mounts(uids):
        path = f"{FUSE_CONNECTIONS}/{mount.device.partition(':')[2]}/abort"
        with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:  # fusectl may be unmounted
            file.write("1")


def unmount(folder: str, *, itself: bool = False) -> Iterator[str]:
    """Unmounts everything below a folder without accessing the mounts, which may block."""
    for mount in reversed(mounts()):
        if mount.path.startswith(folder.rstrip("/") + "/") or (itself and mount.path == folder):
            try:
                _unmount(mount.path)
            except OSError as error:
                yield f"{printable(os.fsencode(mount.path))}: {error.strerror}; unmount it"


def _unmount(path: str) -> None:
    """Unmounts lazily. Follows no symbolic link in the path, because the user might have replaced a folder by one."""
    *parents, last = path.strip("/").split("/")
    folder = os.open("/", os.O_PATH | os.O_DIRECTORY)
    try:
        for part in parents:
            inner = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        libc = ctypes.CDLL(None, use_errno=True)
        target = os.fsencode(f"/proc/self/fd/{folder}/{last}")
        if libc.umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(folder)


# files


def remove_traces(facts: dict[str, Any]) -> Iterator[str]:
    """Removes what a later account with the same name or uid would inherit."""
    if facts["usage"]:
        # reads the log first, or its next run would create the page again; ignore failures, they may concern other pages
        run(["systemctl", "restart", USAGE], REMOVE_SECONDS)
    for path in facts["traces"]:
        yield from unmount(path, itself=True)
        yield from remove(path)
    close_journals(facts["uid"])
    owners: list[str] = []
    for first, last in facts["uids"]:
        owners += ["-o", "-uid", f"+{first - 1}", "-uid", f"-{last + 1}"]
    if owners:
        folders = [folder for folder in SHARED if os.path.isdir(folder)]
        words = ["find", *folders, "-xdev", "-mindepth", "1", "-depth", "(", *owners[1:], ")"]
        # exit code 1: a folder with files of other users stays, and root becomes its owner
        for action in (["-delete"], ["-exec", "chown", "--no-dereference", "root:root", "--", "{}", "+"]):
            problem = run([*words, *action], REMOVE_SECONDS, good=(0, 1))
            if problem:
                yield f"files in {' '.join(folders)}: {problem}; remove those of uid {facts['uid']}"


def close_journals(uid: int | None) -> None:
    """Denies later accounts with this uid access to the user's journals. Root can still read them."""
    if uid is None or not glob.glob(f"{JOURNALS}/*/user-{uid}.journal"):
        return
    # without a rotation journald would append to the same file and grant the later account access
    run(["journalctl", "--rotate"])
    for path in glob.glob(f"{JOURNALS}/*/user-{uid}@*.journal"):
        with contextlib.suppress(OSError):  # a file system without ACLs
            os.removexattr(path, "system.posix_acl_access")


def remove(path: str, seconds: float = REMOVE_SECONDS) -> Iterator[str]:
    """Removes a file, or a folder with its contents."""
    problem = run(["rm", "-rf", "--one-file-system", "--", path], seconds)
    if problem:
        yield f"{path} is not removed: {problem}; find what uses it with findmnt and fuser -m, and unmount or end that"


def take_home(facts: dict[str, Any], how: str, archive: str, seconds: str) -> Iterator[str]:
    """Archives, removes or closes home and mailbox."""
    homes = facts["homes"]
    if facts["uids"] and running(facts["uids"]):
        yield f"{' '.join(homes)} is unchanged, because processes of the user still run; end them"
        return
    if how == "keep":
        for path in homes:
            # the top folder only: its contents keep their owner, and only root can enter it
            os.chown(path, 0, 0, follow_symlinks=False)
            os.chmod(path, 0o700 if os.path.isdir(path) else 0o600)
        return
    problems = [problem for home in homes for problem in unmount(home)]
    if not problems and how == "archive":
        problems = list(write_archive(homes, archive, float(seconds)))
    if not problems:
        problems = [problem for home in homes for problem in remove(home, float(seconds))]
    yield from problems


def write_archive(homes: list[str], archive: str, seconds: float) -> Iterator[str]:
    """Writes an archive. It gets its final name only when it is complete."""
    os.umask(0o077)
    folder, part = os.path.dirname(archive), f"{archive}.part"
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o700)
    disk = os.statvfs(folder)
    most = int(disk.f_bavail * disk.f_frsize * ARCHIVE_SHARE)
    tar = ["tar", "--create", "--gzip", "--sparse", "--one-file-system", "--warning=no-file-ignored", f"--file={part}"]
    words = ["prlimit", f"--fsize={most}", *tar, "-C", "/", "--", *(home.lstrip("/") for home in homes)]
    # exit code 1: a file has changed meanwhile, for example in a folder that others may write to
    problem = run(words, seconds, good=(0, 1))
    if problem:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        yield (
            f"{' '.join(homes)} is not archived in {folder}, so it stays: {problem}; free disk space, raise"
            " accounts_archive_seconds, or set home_when_absent to remove or keep"
        )
        return
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.rename(part, archive)


def main(step: str, *words: str) -> int:
    """Runs one step and prints its problems."""
    steps: dict[str, Callable[..., Iterator[str]]] = {
        "processes": end_processes,
        "traces": remove_traces,
        "home": take_home,
    }
    problems = list(steps[step](json.load(sys.stdin), *words))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
