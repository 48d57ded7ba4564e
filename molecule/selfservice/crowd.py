#!/usr/bin/python3
"""Fifty accounts change their links at the same time, under continuous requests: `crowd.py run SECONDS`.

Prints a report as JSON. The changes that were acknowledged are saved in /root/crowd.json, and `crowd.py check`
checks later whether the gateway still serves exactly these.
"""

from __future__ import annotations

import base64
import collections
import http.client
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable

ACCOUNTS = [f"user{number:02}" for number in range(1, 51)]
GATE = ("127.0.0.1", 1234)
NETWORK = "10.99.9"  # strangers' addresses
PORTS = (9087, 9088, 9089)  # the backend on each port returns its port
NAMES = ("a", "b", "c", "d", "e")
STEADY = "steady"  # from inventory, as the login
WEBSOCKETS = 20
LOOKS, ECHOES = 500, 400  # so many at least, also where the host is slow
ATTEMPTS = 5
STATE = "/root/crowd.json"
IN_SLICE = ("systemd-run", "--quiet", "--scope")

State = dict[str, dict[str, int]]  # account → link → port


class Visitor:
    """A client that requests an account's links with its login, over one connection, from its own address."""

    def __init__(self, account: str) -> None:
        self.account = account
        # password checks are counted by address, and all of 127.0.0.0/8 is this host
        source = f"{NETWORK}.{ACCOUNTS.index(account) + 1}"
        self.connection = http.client.HTTPConnection(*GATE, timeout=60, source_address=(source, 0))
        self.headers = {"Authorization": "Basic " + base64.b64encode(b"crowd:crowd-secret").decode()}

    def look(self, link: str) -> int | str:
        """The port of the backend that responds; otherwise the status or the error."""
        try:
            self.connection.request("GET", f"/{self.account}/{link}/", headers=self.headers)
            answer = self.connection.getresponse()
            body = answer.read()
            return int(json.loads(body)["port"]) if answer.status == 200 else str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            return type(error).__name__

    def websocket(self) -> socket.socket:
        """Opens a websocket to the backend of the permanent link, which echoes the bytes."""
        client = socket.create_connection(GATE, 20, (self.connection.source_address[0], 0))
        lines = [f"GET /{self.account}/{STEADY}/ HTTP/1.1", "Host: gate", "Connection: Upgrade", "Upgrade: websocket"]
        lines += [f"{key}: {value}" for key, value in self.headers.items()]
        client.sendall("\r\n".join([*lines, "\r\n"]).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += client.recv(1) or b"\r\n\r\n"
        assert b" 101 " in answer, answer
        return client


def vizgate(account: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command vizgate as an account."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": f"/home/{account}", "LANG": "C.UTF-8"}
    return subprocess.run(
        ["vizgate", *arguments],
        user=account,
        group=account,
        extra_groups=[],
        cwd="/",
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


class Crowd:
    """The accounts, and the record of their changes."""

    def __init__(self) -> None:
        self.state: State = {account: {} for account in ACCOUNTS}
        self.done: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self.slowest = 0.0
        self.again = 0

    def change(self, account: str, visitor: Visitor, action: str, name: str, port: int) -> None:
        """Makes one change by command. As soon as it is acknowledged, the gateway must serve it."""
        option = ["--yes"] if action == "remove" else ["--port", str(port)]
        for _attempt in range(ATTEMPTS):
            started = time.monotonic()
            done = vizgate(account, action, name, *option)
            self.slowest = max(self.slowest, time.monotonic() - started)
            # a host on which fifty changes take more than 30 s says so, and nothing has happened
            if done.returncode != 4 or not done.stderr.endswith("; try again\n"):
                break
            self.again += 1
        if done.returncode != 0:
            self.wrong.append(f"{account}: {action} {name}: exit code {done.returncode}: {done.stderr}")
            return
        self.done[action] += 1
        if action == "remove":
            del self.state[account][name]
        else:
            self.state[account][name] = port
        found, expected = visitor.look(name), self.state[account].get(name, "404")
        if found != expected:
            self.wrong.append(
                f"{account}: {action} {name} was acknowledged, but the link gives {found}, not {expected}"
            )

    def live(self, account: str, end: float) -> None:
        """Changes the links of an account until `end`, at least three times, then checks its list."""
        chance, visitor, changes = random.Random(account), Visitor(account), 0
        while changes < 3 or time.monotonic() < end:
            changes += 1
            links = self.state[account]
            name = chance.choice(NAMES)
            action = chance.choice(("edit", "edit", "remove")) if name in links else "add"
            self.change(
                account, visitor, action, name, chance.choice([port for port in PORTS if port != links.get(name)])
            )
        listed = json.loads(vizgate(account, "list", "--json").stdout)
        found = {link["name"]: link["port"] for link in listed if link["source"] == "self"}
        if found != self.state[account]:
            self.wrong.append(f"{account}: list shows {found}, not {self.state[account]}")


class Visitors:
    """Clients outside that request the unchanged links and keep websockets open."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.looks = self.echoes = 0

    def look(self, accounts: Iterable[str], end: float) -> None:
        visitors = [Visitor(account) for account in accounts]
        while time.monotonic() < end or self.looks < LOOKS:
            for visitor in visitors:
                found = visitor.look(STEADY)
                self.looks += 1
                if found != PORTS[0]:
                    self.wrong.append(f"{visitor.account}: the link that nobody changes gives {found}")
                time.sleep(0.005)

    def hold(self, end: float) -> None:
        clients = [Visitor(account).websocket() for account in ACCOUNTS[:WEBSOCKETS]]
        while time.monotonic() < end or self.echoes < ECHOES:
            for number, client in enumerate(clients):
                try:
                    client.sendall(b"ping\n")
                    answer = client.recv(16)
                except OSError as error:
                    answer = type(error).__name__.encode()
                self.echoes += 1
                if answer != b"ping\n":
                    self.wrong.append(f"websocket {number} gives {answer!r}")
            time.sleep(0.2)

    def run(self, end: float) -> None:
        halves = [lambda half=half: self.look(ACCOUNTS[half::2], end) for half in (0, 1)]
        together([*halves, lambda: self.hold(end)])


def give_addresses() -> None:
    """Adds the clients' addresses to this host."""
    subprocess.run(["ip", "address", "replace", f"{NETWORK}.0/24", "dev", "lo"], check=True)


def together(tasks: Iterable[Callable[[], None]]) -> None:
    """Runs all tasks at the same time."""
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run(seconds: float) -> dict[str, object]:
    """Runs accounts and clients for so many seconds. The accounts share the processors by slice, as real ones do."""
    crowd = Crowd()
    visit = [sys.executable, __file__, "visit", str(seconds)]
    with subprocess.Popen([*IN_SLICE, "--slice=visitors.slice", *visit], stdout=subprocess.PIPE) as visitors:
        end = time.monotonic() + seconds
        together([lambda account=account: crowd.live(account, end) for account in ACCOUNTS])
        accounts = vars(crowd)
        with open(STATE, "w") as file:
            json.dump(accounts.pop("state"), file)
        return {"accounts": accounts, "visitors": json.load(visitors.stdout), **check()}


def visit(seconds: float) -> dict[str, object]:
    """Runs the clients for so many seconds."""
    visitors = Visitors()
    visitors.run(time.monotonic() + seconds)
    return vars(visitors)


def check() -> dict[str, object]:
    """The number of acknowledged links, and the links, current and former, that the gateway does not serve accordingly."""
    with open(STATE) as file:
        state: State = json.load(file)
    wrong = []
    for account, links in state.items():
        visitor = Visitor(account)
        for name, expected in {**dict.fromkeys(NAMES, "404"), **links, STEADY: PORTS[0]}.items():
            found = visitor.look(name)
            if found != expected:
                wrong.append(f"/{account}/{name}/ gives {found}, not {expected}")
    return {"links": sum(map(len, state.values())), "mismatches": wrong}


if __name__ == "__main__":
    give_addresses()
    action, *seconds = sys.argv[1:]
    json.dump({"run": run, "visit": visit, "check": check}[action](*map(float, seconds)), sys.stdout)
