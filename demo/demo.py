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
    """Something that the person who runs the demo can put right."""


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
    """The visdom servers that the demo's users publish."""
    found = []
    for path in sorted(USERS.glob("*.yml")):
        links = yaml.safe_load(path.read_text())["links"]
        found += [Server(path.stem, link["name"], link["port"]) for link in links if link["kind"] == "visdom"]
    return found


def passwords() -> dict[str, str]:
    """Each user's password; the login has the user's name."""
    return dict(yaml.safe_load(PASSWORDS.read_text()))


def gateway_url(port: int, path: str = "", login: str = "") -> str:
    return f"http://{login}{HOST}:{port}{path}"


def info(port: int) -> dict[str, object]:
    """Where the gateway is and how to get in."""
    users: dict[str, dict[str, object]] = {}
    for user, password in passwords().items():
        links = {s.link: gateway_url(port, f"{s.prefix}/") for s in servers() if s.user == user}
        users[user] = {"login": user, "password": password, "links": links}
    return {"gateway": gateway_url(port), "users": users}


def status(url: str, login: str = "") -> int:
    """The HTTP status that `url` answers to `login` (name:password); 0 if nothing answers."""
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def birth(pid: int) -> str:
    """What tells a living process from all others that ever had its number: boot and start time. Empty if gone."""
    try:
        # What stands before the last bracket is the program's name, which may hold anything.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "" if state == "Z" else f"{boot} {fields[18]}"


def runs(server: Server) -> bool:
    """Whether the process that an earlier start left is this very server."""
    try:
        record = json.loads((server.folder / "process.json").read_text())
    except FileNotFoundError:
        return False
    return bool(record["birth"] == birth(record["pid"]) and record["command"] == server.command)


def check_port(server: Server) -> None:
    """Refuses a port that something else listens on: visdom 0.3.0 would take another one without a word."""
    with socket.socket() as probe:
        # As visdom does, so that connections just closed are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, server.port))
        except OSError as error:
            raise DemoError(
                f"port {server.port} is taken by another program, which `ss -ltnp sport = :{server.port}` shows: "
                f"end it, or give the link {server.link} another port in {(USERS / server.user).relative_to(ROOT)}.yml"
            ) from error


def launch(server: Server) -> None:
    """Starts one server in the background and notes which process it is."""
    (server.folder / "data").mkdir(parents=True, exist_ok=True)
    with (server.folder / "log").open("w") as log:
        process = subprocess.Popen(
            server.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    record = {"pid": process.pid, "birth": birth(process.pid), "command": server.command}
    (server.folder / "process.json").write_text(json.dumps(record))


def wait(server: Server) -> None:
    """Returns when the server's page answers."""
    deadline = time.monotonic() + START_SECONDS
    while status(f"http://{HOST}:{server.port}{server.prefix}/") != 200:
        if not runs(server) or time.monotonic() > deadline:
            log = server.folder / "log"
            end = "\n".join(log.read_text().splitlines()[-5:])
            raise DemoError(f"visdom for {server.prefix}/ does not answer; {log.relative_to(ROOT)} ends:\n{end}")
        time.sleep(0.1)


def end(folder: Path) -> bool:
    """Ends the process that `launch` noted here, and no other; says whether it was still there."""
    note = folder / "process.json"
    if not note.exists():
        return False
    record = json.loads(note.read_text())
    found = False
    with contextlib.suppress(ProcessLookupError):
        # The handle stays with this process even if its number is given away after the comparison.
        handle = os.pidfd_open(record["pid"])
        try:
            found = birth(record["pid"]) == record["birth"]
            for number in (signal.SIGTERM, signal.SIGKILL) if found else ():
                signal.pidfd_send_signal(handle, number)
                if select.select([handle], [], [], 5)[0]:
                    break
        finally:
            os.close(handle)
    note.unlink()
    return found


def start(port: int) -> None:
    """Starts the servers that do not run and posts the plots that are not there."""
    if not status(gateway_url(port, "/")):
        raise DemoError(f"no gateway answers on port {port}: `make demo` starts it")
    idle = [server for server in servers() if not runs(server)]
    for server in idle:
        end(server.folder)
        check_port(server)
    visdom_setup.ensure()
    # Only now: it needs what has just been installed.
    import plots

    for server in idle:
        launch(server)
    for server in idle:
        wait(server)
        print(f"{server.user}/{server.link}: visdom runs on port {server.port}", flush=True)
    for server in servers():
        login = f"{server.user}:{passwords()[server.user]}"
        url = gateway_url(port, f"{server.prefix}/")
        answer = status(url, login)
        if answer != 200:
            raise DemoError(f"{url} answers {answer} to {server.user}'s login: `make demo` sets the gateway up")
        count = plots.post(gateway_url(port, login=f"{login}@"), server.prefix, server.link)
        if count:
            print(f"{server.user}/{server.link}: {count} plots posted through the gateway", flush=True)
    for server in servers():
        print(f"{gateway_url(port, server.prefix)}/  login {server.user}, password {passwords()[server.user]}")


def stop() -> None:
    """Ends every server that `start` started."""
    for note in sorted(STATE.glob("*/process.json")):
        print(f"{note.parent.name}: visdom {'ended' if end(note.parent) else 'had ended before'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["start", "stop", "info"])
    parser.add_argument("--gateway-port", type=int, default=GATEWAY_PORT)
    arguments = parser.parse_args()
    # Nothing here leaves the machine, whatever proxy the environment names.
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
