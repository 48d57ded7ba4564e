"""Gateways of a whole host, in containers: Debian under systemd, real sudo, real accounts."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import load
import websockets
import yaml
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from rig import REPOSITORY, Rig, eventually

IMAGES = {"Debian 12": "vizgate-test:bookworm", "Debian 13": "vizgate-test:trixie"}
ACCOUNTS = 50
VISDOM = ("user0", "visdom", 8097)
"""Whose process the visdom of a host is, the link that it is made for, and its port."""
STRANGERS = "10.99.0.0/16"
"""Addresses of the visitors: of one client, which all of 127.0.0.0/8 is, too few password checks are let through."""
_BOOT = "for c in memory cpu cpuacct pids blkio; do mount -o remount,bind,rw /sys/fs/cgroup/$c; done; exec /sbin/init"
_OPTIONS = (
    "--label=vizgate.test=bench",
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--cgroupns=private",
    "--tmpfs=/run",
    "--tmpfs=/tmp",
    "--volume=/sys/fs/cgroup/systemd",
)
"""What systemd needs to boot, as in .config/molecule/config.yml."""
_SUDO_TRUE = """\
Defaults!/usr/bin/true env_reset, !setenv, !requiretty, !use_pty, !pam_session, closefrom=3, umask=0077
ALL ALL=(root) NOPASSWD: /usr/bin/true
"""
"""To tell sudo's own share: something that does nothing, under the settings of the root helper."""
_BACKEND = """\
[Service]
ExecStart=/usr/sbin/nginx -e /opt/bench/backend/error.log -c /opt/bench/backend/nginx.conf -g "daemon off;"

[Install]
WantedBy=multi-user.target
"""
_VISDOM = """\
[Service]
User={user}
ExecStart=/opt/bench/visdom/bin/{command}
ExecStartPost=/bin/bash -c 'until : </dev/tcp/127.0.0.1/{port}; do sleep 0.1; done'

[Install]
WantedBy=multi-user.target
"""


def docker(*arguments: str | Path, said: str = "") -> str:
    """What docker prints; it gets `said` on stdin."""
    done = subprocess.run(["docker", *arguments], input=said, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"docker {' '.join(map(str, arguments))} fails:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


class Host:
    """A running container that is called `name`; `folder` holds the inventory by which Ansible knows it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.inventory = folder / "hosts.yml"
        variables = {"ansible_connection": "community.docker.docker", "ansible_pipelining": True}
        self.inventory.write_text(yaml.safe_dump({"gateways": {"hosts": {name: variables}}}))

    def is_up(self) -> bool:
        """Whether all its services have started."""
        with contextlib.suppress(RuntimeError):
            return self.run("systemctl", "is-system-running") == "running"
        return False

    def run(self, *command: str, said: str = "") -> str:
        """What a command of root's prints there."""
        return docker("exec", "--interactive", self.name, *command, said=said)

    def play(self, playbook: str, users: Mapping[str, str]) -> None:
        """Runs a playbook with these users files."""
        Rig.write_users(self.inventory.parent / "users", users)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.inventory), playbook]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        if done.returncode != 0:
            raise RuntimeError(f"{playbook} fails:\n{done.stdout}{done.stderr}")

    def furnish(self, ports: Sequence[int]) -> None:
        """Creates the accounts, and brings the programs of the load, the backend on its ports, and a visdom."""
        self.run("sh", "-c", f"for number in $(seq 0 {ACCOUNTS - 1}); do useradd -m -s /bin/bash user$number; done")
        self.write("/etc/sudoers.d/bench", _SUDO_TRUE)
        self.run("mkdir", "--parents", "/opt/bench/backend")
        for path in (Path(__file__).with_name("container_side.py"), REPOSITORY / "tests/http/backends.py"):
            docker("cp", path, f"{self.name}:/opt/bench/")
        docker("cp", Path(websockets.__file__).parent, f"{self.name}:/opt/bench/websockets")
        self.write("/opt/bench/backend/nginx.conf", load.backend_config(Path("/opt/bench/backend"), ports))
        self.write("/etc/systemd/system/backend.service", _BACKEND)
        self.write("/etc/systemd/system/visdom.service", self._install_visdom())
        self.run("systemctl", "enable", "--now", "backend.service", "visdom.service")

    def _install_visdom(self) -> str:
        """Installs visdom as the demo does; the unit that runs it, as a user's process."""
        environment = "/opt/bench/visdom"
        install = "DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends python3-venv"
        self.run("sh", "-c", f"{install} && python3 -m venv {environment}")
        docker("cp", REPOSITORY / "demo", f"{self.name}:/opt/bench/demo")
        # npm, which is thrown away again, cannot be run from /tmp
        self.run("env", "TMPDIR=/var/tmp", f"{environment}/bin/python", "/opt/bench/demo/visdom_setup.py")
        user, link, port = VISDOM
        command = KINDS["visdom"].command(f"/{user}/{link}", "127.0.0.1", port, "")
        return _VISDOM.format(user=user, command=" ".join(command), port=port)

    def versions(self) -> str:
        """What makes a difference."""
        programs = (
            "nginx -v 2>&1 | sed s,.*/,,; python3 -V; /opt/bench/visdom/bin/python -m pip show visdom | sed -n 2p"
        )
        nginx, python, visdom = self.run("sh", "-c", programs).splitlines()
        return f"nginx {nginx}, {python}, visdom {visdom.split()[-1]}"

    def write(self, path: str, text: str) -> None:
        """Writes a file that only root may change."""
        self.run("sh", "-c", f"umask 022; cat >{path}", said=text)

    def measure(self, *arguments: str | int) -> Any:
        """What container_side.py finds."""
        return json.loads(self.run("python3", "/opt/bench/container_side.py", *map(str, arguments)))


@contextlib.contextmanager
def host(image: str) -> Iterator[Host]:
    """A host that has booted."""
    name = f"vizgate-bench-{secrets.token_hex(4)}"
    docker("run", "--detach", f"--name={name}", f"--hostname={name}", *_OPTIONS, image, "sh", "-c", _BOOT)
    try:
        with tempfile.TemporaryDirectory(prefix="vg-") as folder:
            found = Host(name, Path(folder))
            eventually(found.is_up, 60)
            found.run("ip", "address", "add", STRANGERS, "dev", "lo")
            yield found
    finally:
        docker("rm", "--force", "--volumes", name)


@contextlib.contextmanager
def hosts(
    image: str, small: Mapping[str, str], large: Mapping[str, str], ports: Sequence[int]
) -> Iterator[tuple[Host, Host]]:
    """Two hosts that differ in their users files alone; the second begins as a copy of the first."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(host(image))
        first.run("apt-get", "update", "-qq")
        first.play("playbooks/site.yml", small)
        first.furnish(ports)
        copy = docker("commit", first.name)
        stack.callback(docker, "rmi", copy)
        second = stack.enter_context(host(copy))
        second.play("playbooks/links.yml", large)
        yield first, second
