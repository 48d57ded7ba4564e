"""The load of the benchmark: a backend, wrk, clients with wrong passwords, and who runs on which processor."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import itertools
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import websockets.sync.client
from rig import Rig, basic, children, eventually

CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, LOAD_CORE = CORES[0], CORES[-1]
CONNECTIONS = 32
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_BACKEND = """\
user root;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    {temporary}
    server {{
        {listen}
        location = /big {{
            root {folder};
        }}
        location = /put {{
            root {folder}/tmp;
            client_max_body_size 0;
            dav_methods PUT;
        }}
        location / {{
            default_type text/html;
            return 200 "<!doctype html><title>backend</title><p>A small page of a backend behind the gateway.";
        }}
    }}
}}
"""
BIG_BYTES = 1 << 20


@dataclasses.dataclass
class Run:
    """What wrk saw, and what it cost the gateway's worker."""

    requests: int = 0
    seconds: float = 0
    cpu_seconds: float = 0
    slow: float = 0
    """Milliseconds within which 99 of 100 requests were answered."""

    def __add__(self, other: Run) -> Run:
        return Run(
            self.requests + other.requests,
            self.seconds + other.seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.slow, other.slow),
        )

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def microseconds(self) -> float:
        """CPU of the worker for a request."""
        return self.cpu_seconds * 1e6 / self.requests


def pin(pids: Sequence[int], core: int) -> None:
    """Binds processes to one processor."""
    for pid in pids:
        os.sched_setaffinity(pid, {core})


def backend_config(folder: Path, ports: Sequence[int]) -> str:
    """The configuration of an nginx that answers on all ports with the same small page."""
    temporary = "\n    ".join(f"{name}_temp_path {folder}/tmp;" for name in _TEMPORARY)
    listen = "\n        ".join(f"listen 127.0.0.1:{port};" for port in ports)
    return _BACKEND.format(folder=folder, temporary=temporary, listen=listen)


@contextlib.contextmanager
def backend(ports: Sequence[int]) -> Iterator[None]:
    """The nginx of `backend_config`, on the processor of the load."""
    folder = Path(tempfile.mkdtemp(prefix="vg-", dir="/tmp"))
    config = folder / "nginx.conf"
    config.write_text(backend_config(folder, ports))
    (folder / "big").write_bytes(os.urandom(BIG_BYTES))
    subprocess.run(["/usr/sbin/nginx", "-e", folder / "error.log", "-c", config], check=True)
    master = int((folder / "pid").read_text())
    try:
        eventually(lambda: children(master))
        pin(children(master), LOAD_CORE)
        yield
    finally:
        os.kill(master, signal.SIGTERM)
        eventually(lambda: not (folder / "pid").exists())
        shutil.rmtree(folder)


def gateway_pids(gateway: Rig) -> list[int]:
    """The gateway's workers, and the password checker's."""
    return [*gateway.workers(), *children(int((gateway.root / "run/vizgate/auth/nginx.pid").read_text()))]


@contextlib.contextmanager
def unbound(gateway: Rig) -> Iterator[None]:
    """The gateway's processes and its clients are where the kernel puts them, as on a host."""
    for pid in [0, *gateway_pids(gateway)]:
        os.sched_setaffinity(pid, CORES)
    try:
        yield
    finally:
        pin(gateway_pids(gateway), GATEWAY_CORE)
        pin([0], LOAD_CORE)


@contextlib.contextmanager
def measured(gateway: Rig, server: str = "") -> Iterator[int]:
    """One worker for the gateway, on a processor that it shares with the password checker alone, and with another `server` in
    the same nginx. Gives the worker's process."""
    config = gateway.root / "etc/nginx/vizgate/nginx.conf"
    before = config.read_text()
    added = gateway.folder / "server.conf"
    added.write_text(server)
    head, http, rest = before.replace("worker_processes auto", "worker_processes 1").partition("http {")
    config.write_text(f"{head}{http}\n    include {added};{rest}")
    try:
        gateway.reload()
        pin(gateway_pids(gateway), GATEWAY_CORE)
        pin([0], LOAD_CORE)
        (worker,) = gateway.workers()
        yield worker
    finally:
        os.sched_setaffinity(0, CORES)
        config.write_text(before)
        gateway.reload()


def wrk(worker: int, url: str, *arguments: str, seconds: int, script: str = "", connections: int = CONNECTIONS) -> Run:
    """Runs wrk, and tells the CPU time of the process `worker`; every request has to succeed. The arguments are wrk's own, or
    with a script those of the script."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if script:
        command += ["-s", str(Path(__file__).with_name(script)), url, "--", *arguments]
    else:
        command += [*arguments, url]
    before = cpu_seconds(worker)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    spent = cpu_seconds(worker) - before
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{url} refuses requests:\n{done.stdout}")
    found = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    slow = re.search(r"^ *99% +([\d.]+)(us|ms|s)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    assert slow, done.stdout
    milliseconds = float(slow[1]) * {"us": 0.001, "ms": 1, "s": 1000}[slow[2]]
    return Run(int(found[1]), float(found[2]), spent, milliseconds)


def echo(worker: int, url: str, authorization: str, size: int, count: int = 200) -> float:
    """Microseconds of CPU that the process `worker` spends on a websocket message of `size` bytes and its echo."""
    message = os.urandom(size)
    with websockets.sync.client.connect(
        url, additional_headers={"Authorization": authorization}, max_size=None, compression=None, proxy=None
    ) as socket:
        socket.recv()  # the backend's greeting
        before = cpu_seconds(worker)
        for _ in range(count):
            socket.send(message)
            if socket.recv() != message:
                raise RuntimeError(f"{url} does not echo")
        return (cpu_seconds(worker) - before) * 1e6 / count


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


@contextlib.contextmanager
def wrong_passwords(gateway: Rig, logins: int, attack: int, clients: int = 8) -> Iterator[list[int]]:
    """Clients, each on an address and a connection of its own, that send one wrong password after the other.

    Every one is for the login of another of so many users, and addresses are those of this `attack` alone: a lock would put an
    end to the hashing. Gives the statuses that they get.
    """
    statuses: list[int] = []
    stop = threading.Event()
    users = itertools.cycle(range(logins))

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, 60, (f"127.9.{attack}.{number + 1}", 0))
        while not stop.is_set():
            user = f"user{next(users)}"
            login = {"Authorization": basic((user, secrets.token_hex(8)))}
            connection.request("GET", f"/{user}/link0/", headers=login)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join()
