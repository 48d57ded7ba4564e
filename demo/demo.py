"""The demo's backends: two visdom servers with sample plots. `demo.py start`, `demo.py stop` or `demo.py info`."""

from __future__ import annotations

import argparse
import base64
import contextlib
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import visdom_setup
import yaml

ROOT = Path(__file__).resolve().parent.parent
USERS = ROOT / "users/demo"
PASSWORDS = ROOT / "demo/passwords.yml"
STATE = ROOT / ".demo/visdom"
HOST = "127.0.0.1"
GATEWAY_PORT = 8080
START_SECONDS = 60

sys.path.insert(0, str(ROOT / "collections"))
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS  # noqa: E402


class DemoError(Exception):
    """An error that the user of the demo can fix."""


@dataclasses.dataclass(frozen=True)
class Server:
    """A visdom server, published as /<user>/<link>/."""

    user: str
    link: str
    port: int

    @property
    def prefix(self) -> str:
        return f"/{self.user}/{self.link}"

    @property
    def folder(self) -> Path:
        return STATE / f"{self.user}-{self.link}"

    @property
    def command(self) -> list[str]:
        program, *options = KINDS["visdom"].command(self.prefix, HOST, self.port, f"{HOST}:{GATEWAY_PORT}")
        return [str(Path(sys.executable).with_name(program)), *options, "-env_path", str(self.folder / "data")]


def servers() -> list[Server]:
    """The visdom servers in the demo's users files."""
    visdom_servers = []
    for path in sorted(USERS.glob("*.yml")):
        links = yaml.safe_load(path.read_text())["links"]
        visdom_servers += [Server(path.stem, link["name"], link["port"]) for link in links if link["kind"] == "visdom"]
    return visdom_servers


def passwords() -> dict[str, str]:
    """Each user's password; the login has the user's name."""
    return dict(yaml.safe_load(PASSWORDS.read_text()))


def gateway_url(port: int, path: str = "", login: str = "") -> str:
    return f"http://{login}{HOST}:{port}{path}"


def info(port: int) -> dict[str, object]:
    """The gateway's URL, and the logins and links of the users."""
    users: dict[str, dict[str, object]] = {}
    for user, password in passwords().items():
        links = {s.link: gateway_url(port, f"{s.prefix}/") for s in servers() if s.user == user}
        users[user] = {"login": user, "password": password, "links": links}
    return {"gateway": gateway_url(port), "users": users}


def status(url: str, login: str = "") -> int:
    """The HTTP status of a request to `url` with `login` (name:password); 0 without a response."""
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def process_identity(pid: int) -> str:
    """The boot id and start time of a process, which identify it even if its pid is reused. Empty if it has ended."""
    try:
        # The text before the last bracket is the program's name, which may contain any character.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "" if state == "Z" else f"{boot} {fields[18]}"


def runs(server: Server) -> bool:
    """Whether the process of an earlier start still runs with the same command."""
    try:
        record = json.loads((server.folder / "process.json").read_text())
    except FileNotFoundError:
        return False
    return bool(record["birth"] == process_identity(record["pid"]) and record["command"] == server.command)


def check_port(server: Server) -> None:
    """Raises DemoError if another program uses the port, because visdom 0.3.0 would silently choose another port."""
    with socket.socket() as probe:
        # As visdom does, so that recently closed connections do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, server.port))
        except OSError as error:
            raise DemoError(
                f"port {server.port} is in use by another program (see `ss -ltnp sport = :{server.port}`): "
                f"stop it, or set another port for link {server.link} in {(USERS / server.user).relative_to(ROOT)}.yml"
            ) from error


def launch(server: Server) -> None:
    """Starts one server in the background and records its process."""
    (server.folder / "data").mkdir(parents=True, exist_ok=True)
    with (server.folder / "log").open("w") as log:
        process = subprocess.Popen(
            server.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    record = {"pid": process.pid, "birth": process_identity(process.pid), "command": server.command}
    (server.folder / "process.json").write_text(json.dumps(record))


def wait(server: Server) -> None:
    """Waits until the server's page responds, START_SECONDS at most."""
    deadline = time.monotonic() + START_SECONDS
    while status(f"http://{HOST}:{server.port}{server.prefix}/") != 200:
        if not runs(server) or time.monotonic() > deadline:
            log = server.folder / "log"
            end = "\n".join(log.read_text().splitlines()[-5:])
            raise DemoError(f"visdom for {server.prefix}/ does not respond; {log.relative_to(ROOT)} ends:\n{end}")
        time.sleep(0.1)


def end(folder: Path) -> bool:
    """Ends the process that `launch` has recorded in the folder, and no other; returns whether it was running."""
    note = folder / "process.json"
    if not note.exists():
        return False
    record = json.loads(note.read_text())
    running = False
    with contextlib.suppress(ProcessLookupError):
        # The handle refers to this process even if its pid is reused after the comparison.
        handle = os.pidfd_open(record["pid"])
        try:
            running = process_identity(record["pid"]) == record["birth"]
            for number in (signal.SIGTERM, signal.SIGKILL) if running else ():
                signal.pidfd_send_signal(handle, number)
                if select.select([handle], [], [], 5)[0]:
                    break
        finally:
            os.close(handle)
    note.unlink()
    return running


def start(port: int) -> None:
    """Starts the servers that are not running and posts the missing plots."""
    if not status(gateway_url(port, "/")):
        raise DemoError(f"no gateway responds on port {port}: `make demo` starts it")
    idle = [server for server in servers() if not runs(server)]
    for server in idle:
        end(server.folder)
        check_port(server)
    visdom_setup.ensure()
    # Imported here, because it needs packages that ensure() installs.
    import plots

    for server in idle:
        launch(server)
    for server in idle:
        wait(server)
        print(f"{server.user}/{server.link}: visdom runs on port {server.port}", flush=True)
    for server in servers():
        login = f"{server.user}:{passwords()[server.user]}"
        url = gateway_url(port, f"{server.prefix}/")
        code = status(url, login)
        if code != 200:
            raise DemoError(
                f"{url} responds with status {code} to {server.user}'s login: `make demo` sets up the gateway"
            )
        count = plots.post(gateway_url(port, login=f"{login}@"), server.prefix, server.link)
        if count:
            print(f"{server.user}/{server.link}: {count} plots posted through the gateway", flush=True)
    for server in servers():
        print(f"{gateway_url(port, server.prefix)}/  login {server.user}, password {passwords()[server.user]}")


def stop() -> None:
    """Ends every server that `start` started."""
    for note in sorted(STATE.glob("*/process.json")):
        print(f"{note.parent.name}: visdom {'ended' if end(note.parent) else 'was not running'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["start", "stop", "info"])
    parser.add_argument("--gateway-port", type=int, default=GATEWAY_PORT)
    arguments = parser.parse_args()
    # All requests stay on this machine, even if the environment names a proxy.
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("no_proxy"), HOST]))
    try:
        if arguments.command == "start":
            start(arguments.gateway_port)
        elif arguments.command == "stop":
            stop()
        else:
            print(json.dumps(info(arguments.gateway_port), indent=2))
    except (DemoError, OSError, subprocess.CalledProcessError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
