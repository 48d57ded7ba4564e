"""A rootless gateway whose apps are programs that a test has started: only systemd is made up."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))

from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps import sandbox
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.host import Host
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import socket_dirs
from rig import Rig

HERE = Path(__file__).resolve().parent
sandbox.RUN = str(HERE.parents[1] / "roles" / "apps" / "files" / "vizgate-app-run")
UV = Path(sys.executable).parent / "uv"
ALICE = ("alice", "alice-secret")


class LocalHost(Host):
    """This host, with units that are processes of the test's."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.home = rig, rig.folder / "home"
        self.home.mkdir(exist_ok=True)
        self.files: dict[str, str] = {}
        self.enabled: set[str] = set()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.stopping: set[str] = set()

    def account(self, user: str) -> tuple[int, int, str] | None:
        return 1501, 1501, str(self.home)

    @staticmethod
    def home_problem(user: str, home: str) -> str | None:
        return None  # no PID 1 binds it

    def run(self, command: Any, seconds: float) -> tuple[int, str, list[str]]:
        words = list(command)
        given = dict(word.split("=", 1) for flag, word in itertools.pairwise(words) if flag == "-p")
        script = [word.replace("$$", "$") for word in words[words.index(sandbox.RUN) :]]
        return super().run(
            self._within(given.get("EnvironmentFile", "/dev/null"), given["WorkingDirectory"], script), seconds
        )

    def _within(self, file: str, folder: str, command: list[str]) -> list[str]:
        home = f"HOME={self.home}"
        lines = f'set -a; . "{file}"; cd "{folder}"; exec "$@"'
        return ["env", "-i", home, "PATH=/usr/local/bin:/usr/bin:/bin", "sh", "-euc", lines, "sh", *command]

    def systemctl(self, *words: str, check: bool = True) -> str:
        action, unit = words[0], words[-1]
        if action == "start" and unit in self.stopping:
            # as systemd: a unit that is still stopping starts once it has ended
            self.processes[unit].wait(60)
            self.stopping.remove(unit)
        if action == "start" and self.state(unit)[0] != "active":
            self._start(unit)
        elif (action == "stop" or "--now" in words) and unit in self.processes:
            self.processes[unit].terminate()
            self.stopping.add(unit)
            if "--no-block" not in words:
                self.processes[unit].wait(60)
        if action in ("enable", "disable"):
            (self.enabled.add if action == "enable" else self.enabled.discard)(unit)
        return ""

    def _start(self, unit: str) -> None:
        found = dict(line.split("=", 1) for line in self.files[unit].splitlines() if "=" in line)
        folder = self.rig.core.paths.sockets("alice")
        socket_dirs.make_folder(folder, "alice", rootless=True)
        command = self._within(found["EnvironmentFile"], found["WorkingDirectory"], found["ExecStart"].split())
        self.processes[unit] = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def state(self, unit: str) -> tuple[str, int]:
        process = self.processes.get(unit)
        return ("active" if process and process.poll() is None else "inactive"), 0

    def units(self, prefix: str) -> list[str]:
        return [unit for unit in self.files if unit.startswith(prefix)]

    def write_unit(self, unit: str, text: str) -> None:
        self.files[unit] = text

    def remove_unit(self, unit: str) -> None:
        self.systemctl("disable", "--now", unit)
        self.files.pop(unit, None)

    def is_enabled(self, unit: str) -> bool:
        return unit in self.enabled

    def journal(self, unit: str) -> list[str]:
        return []

    # as on a host that nobody else shares: nginx of a rootless gateway has its owner's rights
    @staticmethod
    def ask(path: str, url: str, headers: dict[str, str]) -> int | str:
        said = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", "--unix-socket", path]
            + [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
            + [f"http://gate{url}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return int(said.stdout) or "no answer"

    def stop(self) -> None:
        """Ends everything."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)


def deployer(rig: Rig, host: LocalHost, **settings: Any) -> Deployer:
    """What deploys apps on the gateway, with this host's uv and Python."""
    environment = tuple((name, os.environ[name]) for name in ("SSL_CERT_FILE", "UV_INDEX_URL") if name in os.environ)
    given = Settings(uv=str(UV), python=sys.executable, environment=environment)
    return Deployer(rig.core, given._replace(**settings), host)


def git(folder: Path, *words: str) -> None:
    who = {f"GIT_{role}_{what}": "tests@example.test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *words], cwd=folder, env={**os.environ, **who}, check=True, capture_output=True)
