# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes away what look.py has found of an account; its JSON is on standard input.

    take_away.py processes|traces
    take_away.py home archive|remove|keep ARCHIVE SECONDS

Problems go to standard error, one per line, with exit status 1: everything else has been done. Every step has a time limit,
because the user may have prepared anything.
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
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/run/screen", "/var/spool/cron")  # noqa: S108  # searched
"""Folders in which every user may leave files."""
JOURNALS = "/var/log/journal"
USAGE = "vizgate-usage.service"
GRACE_SECONDS, KILL_SECONDS, COMMAND_SECONDS, REMOVE_SECONDS, CHILD_SECONDS = 3.0, 60.0, 60.0, 600.0, 0.5
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
ARCHIVE_SHARE = 0.9
"""How much of the free space an archive may take: a full disk would stop everybody."""


class Mount(NamedTuple):
    """A line of mountinfo."""

    device: str
    path: str
    kind: str
    options: str


def run(words: list[str], seconds: float = COMMAND_SECONDS, good: tuple[int, ...] = (0,)) -> str:
    """Runs a command; why it failed, or nothing. One that ignores even SIGKILL, as it waits for a disk, is left behind."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return f"{words[0]}: not done after {seconds:g} s"
        if code in good:
            return ""
        said.seek(max(said.seek(0, os.SEEK_END) - 300, 0))
        return f"{words[0]}: exit code {code}: {shown(said.read())}"


def shown(text: bytes) -> str:
    """The last line of what a program says, with escapes: users choose the names of files."""
    lines = text.decode(errors="replace").strip().split("\n")
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in lines[-1])


# processes


def end_processes(left: dict[str, Any]) -> Iterator[str]:
    """Ends all that runs for the user: asks first, kills after three seconds. Starters go before and after."""
    uid = left["uid"]
    yield from remove_starters(left)
    if uid is None:
        return  # what starts something under the name of an account that is gone was all
    slice_, manager = f"user-{uid}.slice", f"user@{uid}.service"
    if left["units"]:
        run(["systemctl", "stop", "--no-block", "--", *left["units"]])
        # an administrator's own unit must not run again under the number of a later account
        run(["systemctl", "disable", "--quiet", "--", *left["units"]])
    # logind does not know users who have processes but no session
    run(["loginctl", "terminate-user", str(uid)])
    wait_until(lambda: not running(left["uids"]), GRACE_SECONDS)
    abort_fuse(left["uids"])  # or its victims would not end
    end = time.monotonic() + KILL_SECONDS
    while time.monotonic() < end:
        # all of the slice in one go, whatever uid it has; then what has left the slice
        for unit in (slice_, *left["units"]):
            run(["systemctl", "kill", "--signal=SIGKILL", "--", unit])
        wait_until(lambda: not kill(left["uids"], end), 2.0)
        if not running(left["uids"]):
            break
    run(["systemctl", "stop", "--", *left["units"], manager, f"user-runtime-dir@{uid}.service", slice_])
    # a service manager that was killed would be listed as failed
    run(["systemctl", "reset-failed", "--", manager, *left["units"]])
    yield from remove_starters(left)
    stubborn = running(left["uids"])
    if stubborn:
        names = ", ".join(f"{pid} ({name})" for pid, (_uid, name) in sorted(stubborn.items())[:10])
        yield f"processes that SIGKILL does not end: {names}; they wait for a disk or a mount, which has to answer or go"
    for mount in () if stubborn else reversed(fuse_mounts(left["uids"])):
        yield from unmount(mount.path, itself=True)
    yield from remove_ipc(left["uids"])


def remove_starters(left: dict[str, Any]) -> Iterator[str]:
    """Removes crontab, at jobs and linger. A last command may bring them back, so this is done twice."""
    linger, crontab, at_folder = (left["starters"][name] for name in ("linger", "crontab", "at"))
    if os.path.lexists(linger):
        # so that logind knows, too
        run(["loginctl", "disable-linger", left["user"]])
    at_jobs = []
    with contextlib.suppress(FileNotFoundError), os.scandir(at_folder) as entries:
        at_jobs = [entry.path for entry in entries if entry.stat(follow_symlinks=False).st_uid == left["uid"]]
    for path in (linger, crontab, *at_jobs):
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass  # it was not there, or was a job whose time has come
        except OSError as error:
            yield f"{error}; remove it"


def running(uids: list[list[int]]) -> dict[int, tuple[int, str]]:
    """Process → real uid and name, of all that have one of the uids, but for the dead that nobody has waited for."""
    found = {}
    for entry in os.listdir(PROC):
        if not entry.isdigit():
            continue
        try:
            with open(f"{PROC}/{entry}/status", encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue  # it has ended
        owners = re.search(r"^Uid:\s+(.+)$", text, re.M)
        dead = re.search(r"^State:\s+[ZX]", text, re.M)
        mine = [uid for uid in map(int, owners[1].split()) if is_among(uid, uids)] if owners and not dead else []
        if mine:
            name = re.search(r"^Name:\t(.*)$", text, re.M)
            found[int(entry)] = (mine[0], shown(name[1].encode()) if name else "")
    return found


def is_among(uid: int, uids: list[list[int]]) -> bool:
    """Whether a uid is one of the user's. An account within a range of subordinate uids is somebody else's."""
    if uid == uids[0][0]:
        return True
    return any(first <= uid <= last for first, last in uids[1:]) and not is_account(uid)


def is_account(uid: int) -> bool:
    """Whether there is an account with this uid."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def kill(uids: list[list[int]], end: float) -> bool:
    """Kills what runs as these uids, until the monotonic time `end`; whether there was anything.

    One kill(-1) with the rights of each uid reaches all its processes before one of them can fork. Going through a list
    would lose against a fork bomb.
    """
    found = running(uids)
    for uid in {uid for uid, _name in found.values()}:
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
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # those that have it as an effective uid only
    return bool(found)


def reap(child: int) -> None:
    """Waits until a child has ended. One that has the user's rights the user may stop: it is killed, and the next round tries again."""
    wait_until(
        lambda: os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None, CHILD_SECONDS, 0.001
    )
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def wait_until(done: Callable[[], bool], seconds: float, pause: float = 0.1) -> None:
    """Waits until something is so, or until the time is up."""
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
            continue  # a kernel without it
        for row in rows:
            if is_among(int(row[head.index("uid")]), uids):
                problem = run(["ipcrm", option, row[1]])
                if problem:
                    yield f"{problem}; remove it by hand"


# mounts


def mounts() -> list[Mount]:
    """What is mounted, the innermost last."""
    found = []
    with open(f"{PROC}/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            words = line.rstrip("\n").split(" ")
            rest = words[words.index("-") + 1 :]
            path = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])
            found.append(Mount(words[2], path, rest[0], rest[-1]))
    return found


def fuse_mounts(uids: list[list[int]]) -> list[Mount]:
    """The FUSE mounts that the user has made."""
    found = []
    for mount in mounts():
        owner = re.search(r"(?:^|,)user_id=(\d+)", mount.options)
        if mount.kind.startswith("fuse") and owner and is_among(int(owner[1]), uids):
            found.append(mount)
    return found


def abort_fuse(uids: list[list[int]]) -> None:
    """Ends what the user's FUSE mounts wait for: not even SIGKILL ends who waits for one that never answers."""
    for mount in fuse_mounts(uids):
        path = f"{FUSE_CONNECTIONS}/{mount.device.partition(':')[2]}/abort"
        with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:  # fusectl may not be mounted
            file.write("1")


def unmount(folder: str, *, itself: bool = False) -> Iterator[str]:
    """Takes off what is mounted below a folder, without asking it: it may never answer."""
    for mount in reversed(mounts()):
        if mount.path.startswith(folder.rstrip("/") + "/") or (itself and mount.path == folder):
            try:
                _unmount(mount.path)
            except OSError as error:
                yield f"{shown(os.fsencode(mount.path))}: {error.strerror}; unmount it"


def _unmount(path: str) -> None:
    """Lazily unmounts, and follows no symbolic link on the way, which somebody might just have put there."""
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


def remove_traces(left: dict[str, Any]) -> Iterator[str]:
    """Removes what a later user of the name or of the uid would inherit."""
    if left["usage"]:
        # else its next run would find the user in the log, and make the page again; it may fail for somebody else's page
        run(["systemctl", "restart", USAGE], REMOVE_SECONDS)
    for path in left["traces"]:
        yield from unmount(path, itself=True)
        yield from remove(path)
    close_journals(left["uid"])
    owners: list[str] = []
    for first, last in left["uids"]:
        owners += ["-o", "-uid", f"+{first - 1}", "-uid", f"-{last + 1}"]
    if owners:
        folders = [folder for folder in SHARED if os.path.isdir(folder)]
        words = ["find", *folders, "-xdev", "-mindepth", "1", "-depth", "(", *owners[1:], ")"]
        # exit code 1: a folder with files of others in it stays, but is no longer the user's
        for action in (["-delete"], ["-exec", "chown", "--no-dereference", "root:root", "--", "{}", "+"]):
            problem = run([*words, *action], REMOVE_SECONDS, good=(0, 1))
            if problem:
                yield f"files in {' '.join(folders)}: {problem}; remove those of uid {left['uid']}"


def close_journals(uid: int | None) -> None:
    """Takes from a later account of the uid the right to read what the first has logged; root still reads it."""
    if uid is None or not glob.glob(f"{JOURNALS}/*/user-{uid}.journal"):
        return
    # else journald would go on in the same file, and let the later account read it
    run(["journalctl", "--rotate"])
    for path in glob.glob(f"{JOURNALS}/*/user-{uid}@*.journal"):
        with contextlib.suppress(OSError):  # a file system without access lists
            os.removexattr(path, "system.posix_acl_access")


def remove(path: str, seconds: float = REMOVE_SECONDS) -> Iterator[str]:
    """Removes a file, or a folder with all that is in it."""
    problem = run(["rm", "-rf", "--one-file-system", "--", path], seconds)
    if problem:
        yield f"{path} is not removed: {problem}; end or unmount what keeps it, which findmnt and fuser -m name"


def take_home(left: dict[str, Any], how: str, archive: str, seconds: str) -> Iterator[str]:
    """Archives, removes or closes home and mailbox."""
    homes = left["homes"]
    if left["uids"] and running(left["uids"]):
        yield f"{' '.join(homes)} is untouched, because processes of the user still run; end them"
        return
    if how == "keep":
        for path in homes:
            # the top alone: what is in it keeps its number, and nobody else gets there
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
    """Writes an archive, which has its name only when it is whole."""
    os.umask(0o077)
    folder, part = os.path.dirname(archive), f"{archive}.part"
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o700)
    disk = os.statvfs(folder)
    most = int(disk.f_bavail * disk.f_frsize * ARCHIVE_SHARE)
    tar = ["tar", "--create", "--gzip", "--sparse", "--one-file-system", "--warning=no-file-ignored", f"--file={part}"]
    words = ["prlimit", f"--fsize={most}", *tar, "-C", "/", "--", *(home.lstrip("/") for home in homes)]
    # exit code 1: somebody who was let into a folder has changed it meanwhile
    problem = run(words, seconds, good=(0, 1))
    if problem:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        yield (
            f"{' '.join(homes)} is not archived in {folder}, so it stays: {problem}; make room, raise"
            " accounts_archive_seconds, or set home to remove or keep"
        )
        return
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.rename(part, archive)


def main(step: str, *words: str) -> int:
    """Does one step, and says what went wrong."""
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
