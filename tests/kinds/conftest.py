"""A rootless gateway with one link for every kind, and an environment with the tools."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
MLFLOW = "mlflow==3.17.2"

sys.path.insert(0, str(ROOT / "tests/browser"))
from backends import Gateway  # noqa: E402
from chromium import chromium, visit  # noqa: E402, F401
from webkit import webkit  # noqa: E402, F401


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different, and below those that the kernel gives to clients."""
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports += [port] if port not in ports else []
    return ports


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The collection's own gateway, set up by its own playbook."""
    port, *ports = free_ports(len(KINDS) + 1)
    site = tmp_path_factory.mktemp("site")
    made = Gateway(port, dict(zip(KINDS, ports, strict=True)), root=site / "gateway")
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "gateway_rootless_dir": str(site / "gateway"),
        "gateway_listen_addresses": ["127.0.0.1"],
        "gateway_listen_port": port,
    }
    user = {
        "links": [{"name": kind, "kind": kind, "port": port} for kind, port in made.ports.items()],
        "logins": [{"name": made.user, "password": made.password}],
    }
    # JSON is YAML too.
    (site / "hosts.yml").write_text(json.dumps({"gateways": {"hosts": {"here": host}}}))
    (site / "users").mkdir()
    (site / f"users/{made.user}.yml").write_text(json.dumps(user))
    ansible = Path(sys.executable).with_name("ansible-playbook")
    playbook = [str(ansible), "playbooks/site.yml", "-i", str(site / "hosts.yml")]
    result = subprocess.run(playbook, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    yield made
    subprocess.run([site / "gateway/usr/local/lib/vizgate/bin/vizgate-rootless", "stop"], check=True)


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of the tools' commands, installed at the first run and when other ones are asked for."""
    commands = environment("kinds-venv", HERE / "requirements.txt") / "bin"
    subprocess.run([commands / "python", ROOT / "demo/visdom_setup.py"], check=True)
    mlflow = environment("mlflow-venv", HERE / "requirements-mlflow.txt", alone=[MLFLOW]) / "bin/mlflow"
    if not (commands / "mlflow").exists():
        (commands / "mlflow").symlink_to(mlflow)
    return commands


def environment(name: str, requirements: Path, alone: Sequence[str] = ()) -> Path:
    """A Python environment with these requirements, and with packages that come `alone`, without theirs."""
    venv = ROOT / ".build" / name
    stamp = venv / ".requirements"
    wanted = hashlib.sha256(requirements.read_bytes() + " ".join(alone).encode()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        install = [venv / "bin/python", "-m", "pip", "install", "--quiet", "--no-compile"]
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([*install, "-r", requirements], check=True)
        if alone:
            subprocess.run([*install, "--no-deps", *alone], check=True)
        stamp.write_text(wanted)
    return venv
