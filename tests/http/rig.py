"""The gateway under test: built by the real playbook, asked over loopback, looked at through /proc."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import websockets.sync.client
import yaml
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.outcome import Outcome
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.tests.unit.support import with_settings

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = "tests"
"""What the tests themselves declare; the users files are source `inventory`."""
STRANGERS = r'vizgate.configure { loopback_pattern = "^\127%z" }'
"""Addresses of this host are those of other hosts, all but 127.0.x.y: tests need many of them."""

Credential = tuple[str, str]
ALICE = ("alice", "wonder")
BOB = ("bob", "builder")


@dataclasses.dataclass
class Answer:
    """What a client got."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def backend(self) -> str | None:
        """Which backend answered, or None where it was the gateway itself."""
        return self.json()["backend"] if self.body.startswith(b'{"backend"') else None

    def json(self) -> Any:
        return json.loads(self.body)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


def basic(credential: Credential) -> str:
    """The value of the Authorization header."""
    return "Basic " + base64.b64encode(":".join(credential).encode()).decode()


def free_port() -> int:
    """A port on which nothing listens, below those that the kernel gives to clients."""
    return free_range(1, 10000)


def free_range(count: int, least: int = 20000) -> int:
    """The first of so many such ports in a row, of the 9000 from `least` on: no `free_port` is among them."""
    while True:
        start = random.randrange(least, least + 9000)
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            for port in range(start, start + count):
                # at all addresses: some tests listen on others than 127.0.0.1
                probes.enter_context(socket.socket()).bind(("0.0.0.0", port))
            return start


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Waits until the condition holds, and fails where it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.01)


def children(parent: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(status.parent.name))
    return sorted(found)


def state(pid: int) -> str:
    """What a process does, as proc(5) has it: R where it runs or could, S where it sleeps; "" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be noticed by its parent does not."""
    return state(pid) not in ("", "Z")


class Rig:
    """One rootless gateway below `folder`, which has to be short: a unix socket's path has 107 characters at most."""

    def __init__(self, folder: Path, users: Mapping[str, object], **variables: object) -> None:
        self.folder, self.root, self.port = folder, folder / "gw", free_port()
        self.core = Gateway(Paths(str(self.root)))
        self._addresses = 0
        self.host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "gateway_rootless_dir": str(self.root),
            "gateway_listen_port": self.port,
            "gateway_listen_addresses": ["127.0.0.1"],
            "gateway_users_dir": str(folder / "inventory/users"),
            **variables,
        }
        (folder / "inventory").mkdir()
        self.inventory = folder / "inventory/hosts.yml"
        self.inventory.write_text(yaml.safe_dump({"gateways": {"hosts": {"gate": self.host}}}))
        self.write_users(folder / "inventory/users", users)

    @classmethod
    @contextlib.contextmanager
    def temporary(cls, users: Mapping[str, object], **variables: object) -> Iterator[Self]:
        """One in a folder of its own, still to be built; in the end it is stopped, and gone."""
        # not below TMPDIR, which may be too long for unix sockets
        folder = Path(tempfile.mkdtemp(prefix="vg-", dir="/tmp"))
        rig = cls(folder, users, **variables)
        try:
            yield rig
        finally:
            if (rig.root / "usr/local/lib/vizgate/bin/vizgate-rootless").exists():
                rig.command("stop")
            shutil.rmtree(folder)

    @staticmethod
    def write_users(folder: Path, users: Mapping[str, object]) -> Path:
        """Makes a folder of users files: user → text, or data."""
        folder.mkdir(exist_ok=True)
        for user, data in users.items():
            text = data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False)
            (folder / f"{user}.yml").write_text(text)
        return folder

    # building and running

    def run(self, program: str, *arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
        """Runs one of Ansible's programs of this Python's environment."""
        path = Path(sys.executable).parent / program
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        return subprocess.run(
            [str(path), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    def build(self) -> None:
        """Makes the gateway, and fits it for tests."""
        done = self.run("ansible-playbook", "-i", str(self.inventory), "playbooks/site.yml")
        assert done.returncode == 0, done.stdout + done.stderr
        self.fit()

    def fit(self) -> None:
        """Lets the password checker log its checks: time, user, status; and makes most addresses of this host other hosts'."""
        self.gateway_conf.write_text(with_settings(self.gateway_conf.read_text(), STRANGERS))
        self.checks_log.touch()
        conf = self.root / "etc/nginx/vizgate/auth.conf"
        log = f"log_format checks '$msec $http_x_vizgate_user $status'; access_log {self.checks_log} checks;"
        conf.write_text(conf.read_text().replace("access_log off;", log))
        self.restart()

    @contextlib.contextmanager
    def configured(self, *statements: str) -> Iterator[None]:
        """The request logic has these settings meanwhile."""
        before = self.gateway_conf.read_text()
        self.gateway_conf.write_text(with_settings(before, *statements))
        self.reload()
        try:
            yield
        finally:
            self.gateway_conf.write_text(before)
            self.reload()

    @contextlib.contextmanager
    def stopped_clock(self, *statements: str) -> Iterator[None]:
        """Meanwhile locks, slots of password checks and what is remembered go by a clock that stands still but for `advance`."""
        with self.configured("vizgate.configure { test_clock = true }", *statements):
            # an earlier test may have used up the slots of this moment
            self.advance(10)
            yield

    def advance(self, seconds: float) -> None:
        """Moves the stopped clock on."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.core.paths.control)
            body = str(seconds)
            head = f"PATCH / HTTP/1.1\r\nHost: vizgate\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(f"{head}{body}".encode())
            response = client.recv(4096).decode()
            assert response.startswith("HTTP/1.1 200 "), response

    def command(self, *arguments: str) -> None:
        """`vizgate-rootless start`, `stop`, `reload` …"""
        program = self.root / "usr/local/lib/vizgate/bin/vizgate-rootless"
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def restart(self) -> None:
        """Stops and starts nginx, the password checker and the look-up of host names."""
        self.command("stop")
        self.command("start")

    @contextlib.contextmanager
    def without_checker(self) -> Iterator[None]:
        """The password checker does not run meanwhile."""
        pid_file = self.root / "run/vizgate/auth/nginx.pid"
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        eventually(lambda: not pid_file.exists())
        try:
            yield
        finally:
            self.command("start")

    def kill(self) -> None:
        """Ends every process of the gateway at once, as a power cut would."""
        masters = self._masters("nginx.pid", "auth/nginx.pid", "resolve.pid")
        # a master that runs on could start workers meanwhile, which would keep the port
        for pid in masters:
            os.kill(pid, signal.SIGSTOP)
        # which may be in the middle of starting one
        eventually(lambda: all(state(pid) == "T" for pid in masters))
        pids = [*masters, *(child for master in masters for child in children(master))]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(map(is_alive, pids)))

    def _masters(self, *names: str) -> list[int]:
        return [int((self.root / "run/vizgate" / name).read_text()) for name in names]

    def settle(self) -> None:
        """Returns when all has been done that nginx and the password checker can do: what reached them is answered or waits for
        somebody else, or for a time."""
        masters = self._masters("nginx.pid", "auth/nginx.pid")
        # one may have woken another right before it fell asleep
        eventually(lambda: all(state(pid) == "S" for _ in range(3) for master in masters for pid in children(master)))

    def write_logs(self) -> None:
        """Returns when the lines of all requests that have their answers are in the logs."""
        time.sleep(0.2)  # workers keep them for half as long
        self.settle()

    def reload(self) -> None:
        """Reloads nginx, and waits until new workers serve."""
        before = self.workers()
        self.command("reload")
        eventually(lambda: self.workers() and not set(self.workers()) & set(before))

    @contextlib.contextmanager
    def refusing_after(self, seconds: float) -> Iterator[None]:
        """Meanwhile every refusal takes so long: more than a busy machine could."""
        file, line = self.lua / "auth_basic.lua", "local REFUSAL_SECONDS = "
        before = file.read_text()
        assert f"{line}0.25 " in before
        file.write_text(before.replace(f"{line}0.25 ", f"{line}{seconds} "))
        self.reload()
        try:
            yield
        finally:
            file.write_text(before)
            self.reload()

    # declaring

    def declare(self, user: str, links: Sequence[Link] = (), logins: Sequence[Login] = ()) -> Outcome:
        """Makes this all that the tests declare for the user."""
        return self.core.declare(SOURCE, lambda _: {user: UserData(tuple(links), tuple(logins))})

    def withdraw(self) -> None:
        """Takes back whatever the tests declared, by any source but the users files."""
        for source in {name for sources in self.core.registry.everything().values() for name in sources}:
            if source != "inventory":
                self.core.declare(source, lambda _: {}, Options(prune=True))

    # asking

    def address(self) -> str:
        """A stranger's address that no other test comes from: password checks are counted per address."""
        self._addresses += 1
        return f"127.1.{self._addresses // 250}.{self._addresses % 250 + 1}"

    def connect(self, source: str = "127.0.0.1") -> http.client.HTTPConnection:
        """A connection that several requests may use."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(source, 0))

    def get(
        self,
        path: str,
        login: Credential | None = None,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        source: str = "127.0.0.1",
        over: http.client.HTTPConnection | None = None,
    ) -> Answer:
        """One request, redirects not followed, over a connection of its own or the one given."""
        connection = over or self.connect(source)
        sent = {**({"Authorization": basic(login)} if login else {}), **(headers or {})}
        started = time.monotonic()
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read(), time.monotonic() - started)
        finally:
            if not over:
                connection.close()

    def send(self, path: str, authorization: str, source: str = "127.0.0.1") -> http.client.HTTPConnection:
        """A connection over which a request has gone out; its `getresponse` waits for the answer."""
        connection = self.connect(source)
        connection.request("GET", path, headers={"Authorization": authorization})
        return connection

    def raw(self, target: str | bytes, login: Credential | None = ALICE, *lines: str) -> Answer:
        """One request whose target and header lines go out exactly as given."""
        target = target if isinstance(target, bytes) else target.encode()
        lines = (*([f"Authorization: {basic(login)}"] if login else []), "Host: gate", "Connection: close", *lines)
        with self.dial() as client:
            client.sendall(b"GET " + target + b" HTTP/1.1\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n")
            response = http.client.HTTPResponse(client)
            response.begin()
            return Answer(response.status, response.getheaders(), response.read(), 0)

    def dial(self) -> socket.socket:
        """A plain connection to the gateway."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def websocket(self, path: str, login: Credential | None = ALICE) -> websockets.sync.client.ClientConnection:
        """An open websocket."""
        return websockets.sync.client.connect(
            f"ws://127.0.0.1:{self.port}{path}",
            additional_headers={"Authorization": basic(login)} if login else None,
            max_size=None,
            open_timeout=60,
            proxy=None,
        )

    # looking

    @property
    def lua(self) -> Path:
        """The modules of the gateway's request logic."""
        return self.root / "usr/local/lib/vizgate/lua/vizgate"

    @property
    def gateway_conf(self) -> Path:
        """The gateway's part of nginx's configuration."""
        return self.root / "etc/nginx/vizgate/gateway.conf"

    @property
    def checks_log(self) -> Path:
        return self.root / "var/log/nginx/checks.log"

    def logged_checks(self) -> int:
        """How many checks the password checker has logged so far."""
        return len(self.checks_log.read_text().splitlines())

    def checks(self) -> list[str]:
        """What reached the password checker: one line `time user status` each, which it writes a moment after its answer."""
        self.settle()
        return self.checks_log.read_text().splitlines()

    def master(self) -> int:
        """nginx's master process."""
        return int((self.root / "run/vizgate/nginx.pid").read_text())

    def workers(self) -> list[int]:
        """nginx's workers, also those that are on their way out."""
        return children(self.master())

    def memory(self) -> int:
        """Bytes that nginx's workers have in memory together."""
        return sum(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") for pid in self.workers()
        )

    def spooled(self) -> int:
        """Bytes in nginx's temporary files, those without a name included."""
        folder = str(self.root / "run/vizgate/tmp")
        total = 0
        for pid in self.workers():
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    total += os.stat(link).st_size if os.readlink(link).startswith(folder) else 0
        return total

    def state(self) -> dict[str, bytes]:
        """Every file that holds declared data or comes from it, without logs and locks."""
        found = {}
        for folder in ("etc/nginx/vizgate", "var/lib/vizgate"):
            for path in (self.root / folder).rglob("*"):
                if path.is_file() and path.name not in ("lock", "audit.jsonl"):
                    found[str(path.relative_to(self.root))] = path.read_bytes()
        return found


@functools.cache
def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def resolving(addresses: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """In this process, the names among `addresses` have these addresses alone; the mapping may change meanwhile."""
    real = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **keywords: Any) -> Any:
        found = [real(address, *arguments, **keywords) for address in addresses.get(host, [host])]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [entry for entries in found for entry in entries]

    socket.getaddrinfo = look_up
    try:
        yield
    finally:
        socket.getaddrinfo = real
