#!/usr/bin/python3
"""Ten accounts reload nginx in loops, under continuous requests: `reloads.py SECONDS`. Prints a report as JSON.

Two websockets per second are opened and none is closed, so that old workers never end by themselves.
"""

from __future__ import annotations

import collections
import json
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

from crowd import ACCOUNTS, PORTS, STEADY, Visitor, give_addresses, together

LOOPERS, (CALLER, BYSTANDER, *NEWCOMERS) = ACCOUNTS[:10], ACCOUNTS[10:]
LOOKS = 200  # so many at least, also where the host is slow
RELOAD = ("sudo", "-n", "/usr/sbin/service", "nginx", "reload")


def reload(account: str, seconds: float) -> int | None:
    """Reloads nginx as an account; returns the exit code, or None after a timeout."""
    with subprocess.Popen(
        RELOAD, user=account, group=account, extra_groups=[], cwd="/", stdout=subprocess.DEVNULL
    ) as call:
        try:
            return call.wait(seconds)
        except subprocess.TimeoutExpired:
            call.terminate()
            return None


class Callers:
    """Accounts that reload in loops, and one that reloads once meanwhile."""

    def __init__(self) -> None:
        self.done = dict.fromkeys(LOOPERS, 0)
        self.failed: list[str] = []
        self.waited: float | None = None

    def loop(self, account: str, end: float) -> None:
        while (left := end - time.monotonic()) > 0:
            code = reload(account, left)
            if code == 0:
                self.done[account] += 1
            elif code is not None:
                self.failed.append(f"{account}: exit code {code}")

    def call_once(self, end: float) -> None:
        time.sleep(2)
        began = time.monotonic()
        if reload(CALLER, end - began) == 0:
            self.waited = time.monotonic() - began


class Nginx:
    """The workers and the unit of nginx, as any account can see them."""

    def __init__(self) -> None:
        self.master = Path("/run/nginx.pid").read_text().strip()
        self.started: dict[str, int] = {}
        """Every worker there has been → when, in clock ticks."""
        self.most = 0
        self.states: collections.Counter[str] = collections.Counter()
        self.processes = len(self.look())

    def look(self) -> dict[str, bool]:
        """Worker → whether it is shutting down."""
        found = {}
        for pid in Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split():
            try:
                title = Path(f"/proc/{pid}/cmdline").read_text()
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if title.startswith("nginx: worker"):
                found[pid] = "shutting down" in title
                self.started[pid] = int(fields[19])
        self.most = max(self.most, len(found))
        return found

    def generations(self) -> list[set[str]]:
        """The workers by generation; each generation has the same number."""
        by_start = [pid for _started, pid in sorted((started, int(pid)) for pid, started in self.started.items())]
        step = self.processes
        return [set(map(str, by_start[at : at + step])) for at in range(0, len(by_start), step)]

    def watch(self, end: float) -> None:
        while time.monotonic() < end:
            self.look()
            time.sleep(0.02)

    def ask_systemd(self, end: float) -> None:
        while time.monotonic() < end:
            asked = subprocess.run(["systemctl", "is-active", "nginx"], capture_output=True, text=True, check=False)
            self.states[asked.stdout.strip()] += 1
            time.sleep(0.5)

    def report(self) -> dict[str, object]:
        leaving = {pid for pid, leaves in self.look().items() if leaves}
        generations = self.generations()
        return {
            "reloads": len(generations) - 1,
            "processes": self.processes,
            "most": self.most,
            "old": sum(bool(pids & leaving) for pids in generations),
            "states": self.states,
        }


class Visitors:
    """A client that requests a page continuously, each time over a new connection, and clients with websockets."""

    def __init__(self) -> None:
        self.looks = 0
        self.wrong: list[int | str] = []
        self.open: dict[socket.socket, float] = {}
        self.lived: list[float] = []

    def look(self, end: float) -> None:
        visitor = Visitor(BYSTANDER)
        while time.monotonic() < end or self.looks < LOOKS:
            found = visitor.look(STEADY)
            visitor.connection.close()
            self.looks += 1
            if found != PORTS[0]:
                self.wrong.append(found)
            time.sleep(0.02)

    def come(self, end: float) -> None:
        accounts = 0
        while time.monotonic() < end:
            account = NEWCOMERS[accounts % len(NEWCOMERS)]
            self.open[Visitor(account).websocket()] = time.monotonic()
            accounts += 1
            self._notice()
            time.sleep(0.5)

    def _notice(self) -> None:
        for client in select.select(list(self.open), [], [], 0)[0]:
            self.lived.append(time.monotonic() - self.open.pop(client))
            client.close()

    def report(self) -> dict[str, object]:
        self._notice()
        return {"looks": self.looks, "wrong": self.wrong, "open": len(self.open), "lived": self.lived}


def run(seconds: float) -> dict[str, object]:
    """Runs accounts and clients for so many seconds."""
    nginx, callers, visitors = Nginx(), Callers(), Visitors()
    end = time.monotonic() + seconds
    together(
        [
            *(lambda account=account: callers.loop(account, end) for account in LOOPERS),
            *(lambda task=task: task(end) for task in (nginx.watch, nginx.ask_systemd, visitors.look, visitors.come)),
            lambda: callers.call_once(end),
        ]
    )
    time.sleep(2)  # lets workers end that are shutting down
    return {"callers": vars(callers), "nginx": nginx.report(), "visitors": visitors.report()}


if __name__ == "__main__":
    give_addresses()
    json.dump(run(float(sys.argv[1])), sys.stdout)
