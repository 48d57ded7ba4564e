"""Measures the figures of docs/figures.md: `python tests/bench/bench.py`, or only some: `… bench.py requests publish`.

Builds gateways in temporary folders and whole hosts in containers, loads them over loopback for about twenty-five minutes,
prints a table and writes it to .build/figures.md. A target that is missed is in the table as missed, and makes the exit
code 1.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import importlib.metadata
import itertools
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path += [str(REPOSITORY / "collections"), str(REPOSITORY / "tests/http")]

# these are found in the folders above alone, hence not at the top
import load  # noqa: E402
import peers  # noqa: E402
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, UserData  # noqa: E402
from backends import WebsocketBackend  # noqa: E402
from figures import Figure, compare, rounds  # noqa: E402
from host import IMAGES  # noqa: E402
from plays import PASSWORD, Gate, gate, users  # noqa: E402
from rig import SOURCE, STRANGERS, basic, free_port  # noqa: E402
from selfservice import SelfService, self_service  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402
from websockets.sync.client import ClientConnection  # noqa: E402

MANY, LINKS = 1000, 10
LOADED = 10
"""So many users' links are asked for; the others are there."""
SLICES = 4
"""A round takes turns of one second, so many for each side."""
ATTACK = 20
"""Seconds of guessing for which single requests of a bystander are timed: before the gateway throttles it, and after."""
LOGIN = ("user0", PASSWORD)
WEBSOCKETS = 20
MESSAGE_BYTES = 256 << 10


def answers(socket: ClientConnection) -> bool:
    """Whether a websocket of the backend is still open: it greets, then echoes."""
    try:
        socket.send("still there?")
        return "still there?" in (socket.recv(10), socket.recv(10))
    except ConnectionClosed:
        return False


class Bench:
    """The gateways that all figures share: of many users, of two with five links each, and of none."""

    def __init__(self, many: Gate, few: Gate, none: Gate, ports: list[int]) -> None:
        self.many, self.few, self.none, self.ports = many, few, none, ports

    def requests(self) -> list[Figure]:
        """Small requests with a login, by what the same costs a fixed upstream and HAProxy's map without any login."""
        names = [f"user{number}" for number in range(LOADED)]
        for name in names:  # hashing is no part of it: verdicts are remembered
            assert self.many.get(f"/{name}/link0/", (name, PASSWORD)).status == 200
        arguments = [str(LINKS), *(basic((name, PASSWORD)).split()[1] for name in names)]
        rows = []
        with self._sides() as sides:
            for _ in rounds("requests"):
                runs = [load.Run() for _ in sides]
                for _ in range(SLICES):
                    for side, (pid, port) in enumerate(sides):
                        url = f"http://127.0.0.1:{port}"
                        runs[side] += load.wrk(pid, url, *arguments, seconds=1, script="requests.lua")
                rows.append([run.microseconds for run in runs])
        links = f"{MANY * LINKS:,} links"
        what = (
            f"CPU of a small request by a fixed upstream without login, by the same with a login (bcrypt-10) at {links}"
        )
        of_map = f"CPU of a small request by HAProxy's map of {links} without login, by the same with a login here"
        return [
            compare(what, "≥ 0.8", "µs", [(fixed, ours) for ours, fixed, _ in rows]),
            compare(of_map, "≥ 1.1", "µs", [(haproxy, ours) for ours, _, haproxy in rows]),
        ]

    def bodies(self) -> list[Figure]:
        """Large answers, uploads and websocket messages with a login, by a fixed upstream and by HAProxy without any."""
        assert self.many.get("/user0/link0/", LOGIN).status == 200
        backend = WebsocketBackend()
        self.many.declare("user0", [Link("socket", backend.port)])
        authorization = basic(LOGIN)
        header = ("-H", f"Authorization: {authorization}")

        def get(pid: int, place: str) -> float:
            url = f"http://{place}/user0/link0/big"
            return load.wrk(pid, url, *header, seconds=3, connections=8).microseconds

        def put(pid: int, place: str) -> float:
            url, script = f"http://{place}/user0/link0/put", "put.lua"
            return load.wrk(pid, url, authorization, seconds=3, connections=8, script=script).microseconds

        def echo(pid: int, place: str) -> float:
            return load.echo(pid, f"ws://{place}/user0/socket/", authorization, MESSAGE_BYTES)

        loads = {"a GET of 1 MiB": get, "a PUT of 1 MiB": put, "a websocket message of 256 KiB and its echo": echo}
        costs: dict[str, list[list[float]]] = {what: [] for what in loads}
        with self._sides(backend.port) as sides:
            for _ in rounds("bodies"):
                for what, measure in loads.items():
                    costs[what].append([measure(pid, f"127.0.0.1:{port}") for pid, port in sides])
        self.many.withdraw()
        backend.close()
        return [
            compare(
                f"CPU of {what} with a login, by {peer} without", "≤ 1", "µs", [(row[0], row[side]) for row in found]
            )
            for what, found in costs.items()
            for side, peer in enumerate(("a fixed upstream", "HAProxy's map"), 1)
        ]

    @contextlib.contextmanager
    def _sides(self, socket: int = 0) -> Iterator[list[tuple[int, int]]]:
        """Process and port of the gateway, of a fixed upstream in the same nginx, and of HAProxy with a map of all links.

        Where `socket` is the port of a websocket's backend, the two peers lead there what is below /user0/socket/.
        """
        links = {f"user{user}/link{number}": port for user in range(MANY) for number, port in enumerate(self.ports)}
        fixed = free_port()
        server = peers.fixed_server(self.many.folder, fixed, self.ports[0], socket)
        if socket:
            links["user0/socket"] = socket
        with (
            load.measured(self.many, server) as worker,
            peers.haproxy(links, [*self.ports, *([socket] if socket else [])]) as haproxy,
        ):
            yield [(worker, self.many.port), (worker, fixed), haproxy]

    def flood(self) -> list[Figure]:
        """A bystander's requests while others guess passwords, by the same in peace: how many, and how long they take."""
        name, path = "user1", "/user1/link0/"
        header = f"Authorization: {basic((name, PASSWORD))}"
        url = f"http://127.0.0.1:{self.many.port}{path}"
        assert self.many.get(path, (name, PASSWORD)).status == 200
        rates, shared, free = list[tuple[float, float]](), list[tuple[float, float]](), list[tuple[float, float]]()
        attacks = itertools.count()

        def visit(connections: int, seconds: int = SLICES) -> load.Run:
            (worker,) = self.many.workers()
            return load.wrk(worker, url, "-H", header, seconds=seconds, connections=connections)

        def slow(calm: load.Run, clients: int) -> tuple[float, float]:
            with load.wrong_passwords(self.many, MANY, next(attacks), clients) as statuses:
                times = (visit(1, ATTACK).slow, calm.slow)
            assert set(statuses) == {401}, f"no load: {collections.Counter(statuses)}"
            return times

        with self.many.configured(STRANGERS), load.measured(self.many):
            for _ in rounds("flood"):
                quiet = visit(load.CONNECTIONS)
                with load.wrong_passwords(self.many, MANY, next(attacks)):
                    rates.append((visit(load.CONNECTIONS).rate, quiet.rate))
                shared.append(slow(visit(1, ATTACK), 8))
                with load.unbound(self.many):
                    free.append(slow(visit(1, ATTACK), 1))
        eight, one = (
            f"while {who} wrong passwords, by the same in peace" for who in ("eight clients send", "one sends")
        )
        within = f"99 of 100 requests of a bystander are answered within, for {ATTACK} s"
        return [
            compare(f"A bystander's requests {eight}, all on one processor", "≥ 0.8", "requests/s", rates),
            compare(f"{within} {one}", "≤ 3", "ms", free),
            compare(f"{within} {eight}, all on one processor", "≤ 3", "ms", shared),
        ]

    def publish(self) -> list[Figure]:
        """A link's way from its declaration to its first answer, at many links and at ten, with websockets open."""
        backend = WebsocketBackend()
        socket_link = Link("socket", backend.port)
        for where in (self.many, self.few):
            where.declare("user0", [socket_link])
            assert where.get("/user0/link0/", LOGIN).status == 200
        workers = self.many.workers()
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(self.many.websocket("/user0/socket/", LOGIN)) for _ in range(WEBSOCKETS)]
            pairs = []
            for number in rounds("publish"):
                links = [socket_link, Link(f"new{number}", self.ports[0])]
                pairs.append((self._published(self.many, links), self._published(self.few, links)))
            added = len(set(self.many.workers()) - set(workers))
            closed = sum(not answers(socket) for socket in sockets)
        self.many.withdraw()
        self.few.withdraw()
        backend.close()
        what = f"A link goes live at {MANY * LINKS:,} links, by the same at 10"
        more = f"; {added} workers added, {closed} of {WEBSOCKETS} open websockets closed"
        figure = compare(what, "≤ 3", "ms", pairs, more)
        return [dataclasses.replace(figure, holds=not added and not closed)]

    def declare(self) -> list[Figure]:
        """Very many links in one call, at a gateway that has none."""
        seconds = []
        links = tuple(Link(f"more{number}", self.ports[number % LINKS]) for number in range(100))
        everybody = {f"user{number}": UserData(links) for number in range(MANY)}
        for _ in rounds("declare"):
            started = time.perf_counter()
            self.none.core.declare(SOURCE, lambda _: everybody)
            seconds.append(time.perf_counter() - started)
            self.none.withdraw()
        what = f"{MANY * len(links):,} links of {MANY:,} users in one call, all of them new"
        figure = Figure(what, seconds, "≤ 20 s", "")
        detail = f"{1e6 * figure.median / MANY / len(links):.0f} µs a link"
        return [dataclasses.replace(figure, detail=detail)]

    @staticmethod
    def _published(where: Gate, links: list[Link]) -> float:
        """Milliseconds from the declaration of the last link to its answer."""
        client = where.connect()
        path = f"/user0/{links[-1].name}/"
        assert where.get(path, LOGIN, over=client).status == 404
        started = time.perf_counter()
        where.declare("user0", links)
        while where.get(path, LOGIN, over=client).status != 200:
            pass
        milliseconds = (time.perf_counter() - started) * 1000
        client.close()
        return milliseconds

    def plays(self) -> list[Figure]:
        """The playbook of links by an empty play, and the playbook of everything by itself with few users."""
        first, second, whole = [], [], []
        for _ in rounds("plays"):
            self.none.renew()
            nothing = self.none.play_nothing()
            first.append((self.none.play("playbooks/links.yml", changed=True), nothing))
            nothing = self.none.play_nothing()
            second.append((self.none.play("playbooks/links.yml", changed=False), nothing))
        for _ in rounds("site"):
            few = self.few.play("playbooks/site.yml", changed=False)
            whole.append((self.many.play("playbooks/site.yml", changed=False), few))
        size = f"{MANY:,} users of {LINKS} links"
        return [
            compare(f"`links.yml` with {size} and nothing to change, by an empty play", "≤ 1.3", "s", second),
            compare(f"`links.yml` with {size}, all of them new, by an empty play", "≤ 4", "s", first),
            compare(f"`site.yml` with {size} and nothing to change, by itself with two users", "≤ 1.3", "s", whole),
        ]


def machine(busy: float) -> str:
    """What it ran on; `busy` is the load average before."""
    nginx = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return (
        f"{len(load.CORES)} processors, load average {busy:.1f} before it began;"
        f" {platform.freedesktop_os_release()['PRETTY_NAME']}, nginx {nginx.split('/')[-1].strip()},"
        f" ansible-core {importlib.metadata.version('ansible-core')}, Python {platform.python_version()}"
    )


def report(figures: list[Figure], machines: list[str]) -> str:
    """The table, and what it was measured on."""
    head = ["| figure | median | rounds | target | | made from |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(figure.row for figure in figures), "", "; hosts of ".join(machines)]) + "\n"


@contextlib.contextmanager
def rootless(ports: list[int]) -> Iterator[Bench]:
    """The gateways in temporary folders, for as long as it takes."""
    many = users(MANY, ports)
    few = users(2, ports[: LINKS // 2])
    print("building three gateways", file=sys.stderr)
    with load.backend(ports), gate(many) as big, gate(few) as small, gate({}) as new:
        new.remember()
        new.write_users(new.inventory.parent / "users", many)
        yield Bench(big, small, new, ports)


def main() -> None:
    """Builds, measures, tells."""
    below_folders: dict[str, Callable[[Bench], list[Figure]]] = {
        "plays": Bench.plays,
        "publish": Bench.publish,
        "declare": Bench.declare,
        "requests": Bench.requests,
        "bodies": Bench.bodies,
        "flood": Bench.flood,
    }
    on_hosts: dict[str, Callable[[SelfService], list[Figure]]] = {
        "add": SelfService.add,
        "load": SelfService.load,
        "crowd": SelfService.crowd,
    }
    parts = [*below_folders, *on_hosts]
    parser = argparse.ArgumentParser(description="Measures the figures of docs/figures.md.")
    parser.add_argument("part", nargs="*", help=f"only these: {', '.join(parts)}")
    asked = set(parser.parse_args().part or parts)
    if asked - set(parts):
        parser.error(f"there are only {', '.join(parts)}")
    if len(load.CORES) < 2 or not shutil.which("wrk") or not os.path.exists(peers.HAPROXY):
        sys.exit("The benchmark needs two processors, wrk and HAProxy: apt-get install wrk haproxy")
    machines = [machine(os.getloadavg()[0])]
    ports: list[int] = []
    while len(ports) < LINKS:
        port = free_port()
        ports += [port] if port not in ports else []
    figures: list[Figure] = []
    if asked & set(below_folders):
        with rootless(ports) as bench:
            figures += [figure for part, measure in below_folders.items() if part in asked for figure in measure(bench)]
    for system in IMAGES if asked & set(on_hosts) else ():
        with self_service(system, ports) as service:
            figures += [figure for part, measure in on_hosts.items() if part in asked for figure in measure(service)]
            machines.append(service.describe())
    text = report(figures, machines)
    print(text)
    (REPOSITORY / ".build").mkdir(exist_ok=True)
    (REPOSITORY / ".build/figures.md").write_text(text)
    if not all(figure.met for figure in figures):
        sys.exit(1)


if __name__ == "__main__":
    main()
