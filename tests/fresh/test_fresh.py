"""A stranger's first minutes on bare Debians: README's commands in a clone of HEAD, and the collection's archive without it.

Both Debians run at the same time, each step's output in .build/fresh/. The images come from tests/docker/images.
"""

from __future__ import annotations

import concurrent.futures
import functools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOGS = ROOT / ".build/fresh"
STEP_SECONDS = 900

# Prints every (url, login, status) that did not answer as expected; 0 stands for no answer at all.
ASK = """
import base64, json, sys, urllib.error, urllib.request
for url, login, expected in json.loads(sys.argv[1]):
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        status = urllib.request.urlopen(request, timeout=60).status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError:
        status = 0
    if status != expected:
        print(f"{url} as {login or 'nobody'} answers {status}, not {expected}")
"""

HOSTS = """
gateways:
  hosts:
    localhost:
      ansible_connection: local
      gateway_rootless_dir: /root/gate
      gateway_listen_port: 8080
"""
ALICE = """
links: [{name: files, kind: http, port: 9000}]
logins: [{name: alice, password: alice-secret}]
"""


def host(*command: str) -> str:
    """The output of a command outside of the containers."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@functools.cache
def head() -> str:
    """The commit that is tested, the same for all machines whatever is committed meanwhile."""
    return host("git", "-C", str(ROOT), "rev-parse", "HEAD")


class Machine:
    """A container that has little more than git, make and python3-venv, and HEAD of this repository in /root/clone."""

    def __init__(self, story: str, suite: str) -> None:
        self.name = f"vizgate-fresh-{story}-{suite}"
        self.log = LOGS / f"{story}-{suite}.log"
        self.start = time.monotonic()

    def __enter__(self) -> Machine:
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log.write_text("")
        self._remove()
        git = host("git", "-C", str(ROOT), "rev-parse", "--path-format=absolute", "--git-common-dir")
        image = "vizgate-bare:" + self.name.rpartition("-")[2]
        volume = f"{git}:/repository:ro"
        options = ["--detach", "--init", "--label", "vizgate.test=fresh", "--name", self.name, "--volume", volume]
        host("docker", "run", *options, image, "sleep", "infinity")
        # The repository belongs to somebody else, as git sees it.
        self.run("git config --global safe.directory '*'", "/root")
        self.run("git clone --quiet /repository clone", "/root")
        self.run(f"git checkout --quiet --detach {head()}")
        return self

    def __exit__(self, *_exception: object) -> None:
        self._remove()

    def _remove(self) -> None:
        subprocess.run(["docker", "rm", "--force", "--volumes", self.name], capture_output=True, check=False)

    def run(self, command: str, folder: str = "/root/clone") -> str:
        """Runs a shell command in the container; its output goes to the log, and is returned."""
        minutes, seconds = divmod(int(time.monotonic() - self.start), 60)
        print(f"{minutes}:{seconds:02} {self.name}: {command.splitlines()[0][:80]}", file=sys.stderr, flush=True)
        with self.log.open("a") as log:
            print(f"$ {command}", file=log, flush=True)
            before = log.tell()
            docker = ["docker", "exec", "--workdir", folder, self.name, "bash", "-c", command]
            done = subprocess.run(docker, stdout=log, stderr=subprocess.STDOUT, timeout=STEP_SECONDS, check=False)
        output = self.log.read_bytes()[before:].decode()
        ends = f"{self.log.relative_to(ROOT)} ends:\n{output[-3000:]}"
        assert done.returncode == 0, f"{self.name}: {command!r} fails; {ends}"
        return output

    def ask(self, *expected: tuple[str, str, int]) -> None:
        """Requests URLs inside of the container: (url, login:password or nothing, the status that has to come)."""
        done = host("docker", "exec", self.name, "python3", "-c", ASK, json.dumps(expected))
        assert done == "", f"{self.name}: {done}"

    def processes(self) -> list[str]:
        """What runs besides the command that keeps the container."""
        commands = host("docker", "top", self.name, "-o", "pid,args").splitlines()[1:]
        return [line for line in commands if not line.endswith("sleep infinity")]


def changed(output: str) -> list[str]:
    """How many tasks changed something, for each host of Ansible's recap."""
    found = re.findall(r"\bchanged=(\d+)", output)
    assert found, f"no recap in: {output[-1000:]}"
    return found


def readme(machine: Machine) -> None:
    """README's first commands."""
    block = re.search(r"^```sh\n(.*?)^```", machine.run("cat README.md"), re.DOTALL | re.MULTILINE)
    assert block
    start, stop = [line.partition("#")[0].strip() for line in block[1].splitlines()]
    machine.run(start)
    users = json.loads(machine.run("make -s demo-info"))["users"]
    links = [(url, f"{user['login']}:{user['password']}") for user in users.values() for url in user["links"].values()]
    assert links
    machine.ask(*((url, login, 200) for url, login in links), *((url, "", 401) for url, _login in links))
    assert set(changed(machine.run(start))) == {"0"}
    machine.run(stop)
    machine.ask(*((url, "", 0) for url, _login in links))
    assert machine.processes() == []


def archive(machine: Machine) -> None:
    """The archive that users install, alone: the clone that it was built in is gone when it runs."""
    machine.run("python3 -m venv /root/venv && /root/venv/bin/pip install --quiet --requirement requirements.txt")
    machine.run("/root/venv/bin/ansible-galaxy collection build --output-path /root/archive")
    # Galaxy may be out of reach, and what it would bring is for role database alone
    install = "/root/venv/bin/ansible-galaxy collection install --no-deps archive/*.tar.gz"
    machine.run(f"{install} && rm -r clone", "/root")
    machine.run(
        f"mkdir -p site/inventories/lab site/users/lab && cd site && "
        f"echo '{HOSTS}' >inventories/lab/hosts.yml && echo '{ALICE}' >users/lab/alice.yml",
        "/root",
    )
    serve = "setsid python3 -m http.server --bind 127.0.0.1 9000 </dev/null >/dev/null 2>&1 &"
    machine.run(serve, "/root/site/inventories/lab")
    play = ". venv/bin/activate && ansible-playbook vizgate.gateway.site -i site/inventories/lab"
    machine.run(play, "/root")
    url = "http://127.0.0.1:8080/alice/files/hosts.yml"
    machine.ask((url, "alice:alice-secret", 200), (url, "alice:wrong", 401), (url, "", 401))
    assert set(changed(machine.run(play, "/root"))) == {"0"}
    machine.run(play + " -e gateway_state=absent", "/root")
    machine.ask((url, "", 0))
    assert [line for line in machine.processes() if "http.server" not in line] == []


STORIES = {story.__name__: story for story in (readme, archive)}


def live_through(story: str, suite: str) -> None:
    with Machine(story, suite) as machine:
        STORIES[story](machine)


@pytest.fixture(scope="session")
def lives(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], concurrent.futures.Future[None]]]:
    """All selected stories, two at a time."""
    chosen = [(item.callspec.params["story"], item.callspec.params["suite"]) for item in request.session.items]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield {life: pool.submit(live_through, *life) for life in chosen}


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
@pytest.mark.parametrize("story", STORIES)
def test_fresh_machine(lives, capfd: pytest.CaptureFixture[str], story: str, suite: str) -> None:
    with capfd.disabled():  # shows which step is running
        lives[story, suite].result()
