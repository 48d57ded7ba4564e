"""Runs the tools behind a gateway with the commands that the collection gives for their kinds."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from chromium import HOST

APPS = Path(__file__).with_name("apps")
START_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Gateway:
    """Where the gateway listens, its only login, the port of each kind's backend, and the folder that it is below."""

    port: int
    ports: dict[str, int]
    user: str = "alice"
    password: str = "kinds-test"
    root: Path = Path()

    @property
    def origin(self) -> str:
        """What the browser's address bar shows."""
        return f"{HOST}:{self.port}"

    def prefix(self, kind: str) -> str:
        return f"/{self.user}/{kind}"


@dataclasses.dataclass(frozen=True)
class Backend:
    """A running tool: `folder` is where it was started, and its home."""

    kind: str
    gateway: Gateway
    environment: dict[str, str]
    folder: Path

    @property
    def port(self) -> int:
        return self.gateway.ports[self.kind]

    @property
    def url(self) -> str:
        return f"http://{self.gateway.origin}{self.gateway.prefix(self.kind)}/"

    def command(self, *words: str) -> list[str]:
        """These words, with the program looked up in the tool's environment."""
        program = shutil.which(words[0], path=self.environment["PATH"])
        assert program, f"{words[0]} is not there; tests/kinds/requirements.txt brings the tools"
        return [program, *words[1:]]

    def run(self, *words: str) -> None:
        subprocess.run(self.command(*words), cwd=self.folder, env=self.environment, check=True)


@contextlib.contextmanager
def running(kind: str, gateway: Gateway, tools: Path, folder: Path) -> Iterator[Backend]:
    """Starts the tool of a kind in `folder` and ends it afterwards; `tools` holds the commands."""
    if (APPS / kind).exists():
        shutil.copytree(APPS / kind, folder, dirs_exist_ok=True)
    # NiceGUI behaves otherwise in a test of its own
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**inherited, "PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder)}
    backend = Backend(kind, gateway, environment, folder)
    if (folder / "prepare.py").exists():
        backend.run("python", "prepare.py")
    words = KINDS[kind].command(gateway.prefix(kind), "127.0.0.1", backend.port, gateway.origin)
    if kind == "jupyter" and os.getuid() == 0:
        words.append("--allow-root")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            backend.command(*words), cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not listeners(backend.port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield backend
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def listeners(port: int) -> set[str]:
    """The addresses that something listens on at this port, as the kernel writes them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            if int(number, 16) == port and state == "0A":
                found.add(address)
    return found
