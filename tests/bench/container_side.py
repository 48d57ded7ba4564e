"""Runs as root on the gateway's own host, for what its accounts do there: `container_side.py PART [ARGUMENT …]` prints JSON.

Brings with it only what host.py lays beside it: the backends of the tests, and the package websockets.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import os
import pty
import pwd
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from backends import WebsocketBackend
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

GATEWAY = ("127.0.0.1", 1234)
HELPER = "/usr/local/libexec/vizgate/apply"
SUDO_TRUE = "/usr/bin/true"
"""What host.py lets everybody run by sudo, under the same settings as the helper."""
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm"}
PROMPT = "@ready@ "
VISDOM = b"<title>visdom</title>"
SOCKETS, RATE, QUIET_SECONDS = 200, 200, 3


# who does something


def started(user: str, *command: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """A program of an account's."""
    home = pwd.getpwnam(user).pw_dir
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        user=user,
        group=user,
        extra_groups=[],
        cwd=home,
        env={**ENVIRONMENT, "HOME": home},
    )


def done(process: subprocess.Popen[str]) -> None:
    """Waits for the program, which has to succeed."""
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


class Shell:
    """An account's shell, in a terminal of its own."""

    def __init__(self, user: str) -> None:
        account = pwd.getpwnam(user)
        pid, self._terminal = pty.fork()
        if pid == 0:
            os.initgroups(user, account.pw_gid)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            os.chdir(account.pw_dir)
            environment = {**ENVIRONMENT, "HOME": account.pw_dir, "PS1": PROMPT}
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        self.said = ""
        self.wait()

    def enter(self, line: str) -> float:
        """Types a line and presses return; when that was."""
        moment = time.perf_counter()
        os.write(self._terminal, line.encode() + b"\n")
        return moment

    def wait(self) -> float:
        """Waits until the shell asks for another line; when that was. What the terminal has shown is in `said`."""
        shown = b""
        while PROMPT.encode() not in shown:
            shown += os.read(self._terminal, 65536)
        moment = time.perf_counter()
        self.said = shown.decode(errors="replace")
        return moment

    def milliseconds(self, line: str) -> float:
        """How long a line takes."""
        entered = self.enter(line)
        return (self.wait() - entered) * 1000


class Visitor:
    """Somebody with a user's login, which has passed already, on an address of their own."""

    def __init__(self, user: str, password: str, number: int = 0) -> None:
        self.user = user
        self.headers = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
        self._address = f"10.99.1.{number + 1}"  # of the network that host.py adds: all of 127.0.0.0/8 counts as one
        assert self.status("link0") == 200, f"{user} has no link0, or another login"

    def page(self, link: str) -> tuple[int, bytes]:
        """The status and the text of a link's page, over a new connection."""
        client = http.client.HTTPConnection(*GATEWAY, timeout=60, source_address=(self._address, 0))
        with contextlib.closing(client):
            client.request("GET", f"/{self.user}/{link}/", headers=self.headers)
            answer = client.getresponse()
            return answer.status, answer.read()

    def status(self, link: str) -> int:
        """The status of a link's page."""
        return self.page(link)[0]


# vizgate add


def add(user: str, password: str, name: str, port: str, count: str) -> list[dict[str, float]]:
    """Adds a link to the user's visdom and removes it again, so many times. For each, the milliseconds from pressing
    return to visdom's page and to the shell's next line; those of the parts, each from pressing return, too; and those
    that visdom itself takes for its page."""
    shell, visitor = Shell(user), Visitor(user, password)
    found = []
    for _ in range(int(count)):
        answers, returns = _published(shell, visitor, name, port)
        changed = json.dumps({"do": "edit", "name": name, "link": {"description": f"Run {time.time()}"}})
        parts = {
            "python": "/usr/bin/python3 -I -c pass",
            "sudo": f"sudo -n {SUDO_TRUE}",
            "nothing": f"sudo -n {HELPER} </dev/null",
            "edit": f"sudo -n {HELPER} <<<'{changed}'",
            "command": "vizgate --version",
        }
        found.append({"answers": answers, "returns": returns, "visdom": _alone(f"/{user}/{name}/", int(port))})
        for part, line in parts.items():
            found[-1][part] = shell.milliseconds(line)
            assert part != "edit" or '{"plan": [{' in shell.said, shell.said
        shell.milliseconds(f"vizgate remove {name} --yes")
        assert visitor.status(name) == 404, shell.said
    return found


def _published(shell: Shell, visitor: Visitor, name: str, port: str) -> tuple[float, float]:
    assert visitor.status(name) == 404
    back: list[float] = []
    waiting = threading.Thread(target=lambda: back.append(shell.wait()))
    entered = shell.enter(f"vizgate add {name} --kind visdom --port {port}")
    waiting.start()
    while True:
        asked = time.perf_counter()
        status, text = visitor.page(name)
        if status == 200:
            assert VISDOM in text, f"somebody else's page: {text!r}"
            break
        assert not back or asked < back[0], f"the command was back before its link answered:\n{shell.said}"
        time.sleep(0.002)
    answered = time.perf_counter()
    waiting.join()
    return (answered - entered) * 1000, (back[0] - entered) * 1000


def _alone(path: str, port: int) -> float:
    """Milliseconds in which a server gives a page without the gateway."""
    asked = time.perf_counter()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request("GET", path)
        answer = client.getresponse()
        text = answer.read()
    assert answer.status == 200
    assert VISDOM in text
    return (time.perf_counter() - asked) * 1000


# changes under load


class Load:
    """Requests at a constant rate, whether or not those before have been answered, over as many connections as it takes."""

    def __init__(self, visitors: list[Visitor]) -> None:
        self._wanted = [(f"/{visitor.user}/link{link}/", visitor.headers) for visitor in visitors for link in range(10)]
        self.seconds: list[float] = []
        """From when each request was due, those that failed included, to its answer."""
        self.failed: list[str] = []
        self.asked = 0
        self.over = False
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def run(self) -> None:
        """Asks until it is `over`, then waits for what is under way."""
        begin = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            while not self.over:
                due = begin + self.asked / RATE
                await asyncio.sleep(due - time.perf_counter())
                tasks.create_task(self._ask(due, *self._wanted[self.asked % len(self._wanted)]))
                self.asked += 1

    async def _ask(self, due: float, path: str, headers: dict[str, str]) -> None:
        try:
            async with asyncio.timeout(30):
                await self._answered(path, headers)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.failed.append(f"{path}: {error!r}")
        self.seconds.append(time.perf_counter() - due)

    async def _answered(self, path: str, headers: dict[str, str]) -> None:
        """Asks, on a connection that is free or new; raises ValueError for any answer but the backend's page."""
        # nginx closes what has been idle for a minute
        self._free = [(reader, writer) for reader, writer in self._free if not reader.at_eof()]
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection(*GATEWAY)
        lines = [f"GET {path} HTTP/1.1", "Host: gate", *(f"{key}: {value}" for key, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if not head.startswith("http/1.1 200 "):
            writer.close()
            raise ValueError(head.partition("\r\n")[0])
        body = await reader.readexactly(int(head.partition("\r\ncontent-length:")[2].partition("\r\n")[0]))
        if not body.startswith(b"<!doctype html><title>backend<"):
            raise ValueError(f"somebody else's page: {body[:80]!r}")
        if "\r\nconnection: close\r\n" in head:
            writer.close()
        else:
            self._free.append((reader, writer))


def load(user: str, password: str, port: str, turns: str, changes: str) -> dict[str, Any]:
    """Turns of quiet and of changes by `user`, under the load of others' requests and with websockets open."""
    return asyncio.run(_load(user, password, port, int(turns), int(changes)))


async def _load(user: str, password: str, port: str, turns: int, changes: int) -> dict[str, Any]:
    backend = WebsocketBackend()
    done(started(user, "vizgate", "add", "socket", "--port", str(backend.port)))
    owner = Visitor(user, password)
    requests = Load([Visitor(f"user{number}", password, number) for number in range(100, 110)])
    async with contextlib.AsyncExitStack() as stack:
        address = f"ws://{GATEWAY[0]}:{GATEWAY[1]}/{user}/socket/"
        sockets = [
            await stack.enter_async_context(connect(address, additional_headers=owner.headers, proxy=None))
            for _ in range(SOCKETS)
        ]
        running = asyncio.create_task(requests.run())
        await asyncio.sleep(1)  # connections are made, and what they need is in memory
        processes, seen = gateway_processes(), set[int]()
        memory, quiet, changing = [gateway_memory()], [], []
        for turn in range(turns):
            requests.seconds.clear()
            await asyncio.sleep(QUIET_SECONDS)
            quiet.append(_percentiles(requests.seconds))
            requests.seconds.clear()
            for number in range(changes):
                await _change(user, port, turn * changes + number)
                seen |= gateway_processes()
            changing.append(_percentiles(requests.seconds))
            memory.append(gateway_memory())
        requests.over = True
        await running
        closed = SOCKETS - sum([await _answers(socket) for socket in sockets])
    done(started(user, "vizgate", "remove", "socket", "--yes"))
    backend.close()
    return {
        "sockets": SOCKETS,
        "rate": RATE,
        "asked": requests.asked,
        "failed": requests.failed,
        "closed": closed,
        "added": len(seen - processes),
        "memory": memory,
        "quiet": quiet,
        "changing": changing,
    }


async def _change(user: str, port: str, number: int) -> None:
    """One of add, edit and remove, in turn."""
    command = (("add", "--port", port), ("edit", "--description", "changed"), ("remove", "--yes"))[number % 3]
    process = started(user, "vizgate", command[0], f"change{number // 3}", *command[1:])
    await asyncio.to_thread(done, process)


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    """The milliseconds within which half of them come, and 99 of a hundred."""
    cuts = statistics.quantiles(seconds, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


async def _answers(socket: ClientConnection) -> bool:
    """Whether a websocket of the backend is still open: it has greeted, and echoes."""
    try:
        async with asyncio.timeout(30):
            await socket.send("still there?")
            return "still there?" in (await socket.recv(), await socket.recv())
    except (ConnectionClosed, TimeoutError):
        return False


def gateway_processes() -> set[int]:
    """nginx's master and its workers, also those that are on their way out."""
    master = int(Path("/run/nginx.pid").read_text())
    return {master, *map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())}


def gateway_memory() -> int:
    """Bytes that nginx's processes have in memory together."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in gateway_processes())
    return pages * os.sysconf("SC_PAGESIZE")


# a crowd


def crowd(password: str, port: str, size: str) -> dict[str, Any]:
    """Accounts that all add a link at the same moment: the seconds until each is told so, whether its link answers then,
    and the seconds that one of them takes alone."""
    visitors = [Visitor(f"user{number}", password, number) for number in range(int(size))]
    alone = []
    for visitor in visitors[:3]:
        begin = time.perf_counter()
        done(started(visitor.user, "vizgate", "add", "crowd", "--port", port))
        alone.append(time.perf_counter() - begin)
        done(started(visitor.user, "vizgate", "remove", "crowd", "--yes"))
    found: list[tuple[float, int]] = []

    def wait(visitor: Visitor, process: subprocess.Popen[str]) -> None:
        done(process)
        found.append((time.perf_counter() - begin, visitor.status("crowd")))

    with _starter() as gate:
        command = ("sh", "-c", f"read line; exec vizgate add crowd --port {port}")
        processes = [started(visitor.user, *command, stdin=gate) for visitor in visitors]
        time.sleep(0.5)
        threads = [threading.Thread(target=wait, args=pair) for pair in zip(visitors, processes, strict=True)]
        for thread in threads:
            thread.start()
        begin = time.perf_counter()
    for thread in threads:
        thread.join()
    for process in [started(visitor.user, "vizgate", "remove", "crowd", "--yes") for visitor in visitors]:
        done(process)
    return {
        "seconds": [seconds for seconds, _ in found],
        "serving": sum(status == 200 for _, status in found),
        "alone": statistics.median(alone),
    }


@contextlib.contextmanager
def _starter() -> Iterator[int]:
    """What lets all that read it go on when the block ends."""
    gate, closes = os.pipe()
    yield gate
    os.close(gate)
    os.close(closes)


if __name__ == "__main__":
    parts: dict[str, Callable[..., Any]] = {"add": add, "load": load, "crowd": crowd}
    print(json.dumps(parts[sys.argv[1]](*sys.argv[2:])))
