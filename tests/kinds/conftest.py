"""A rootless gateway with one link for every kind, and an environment with the tools."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")

sys.path.insert(0, str(ROOT / "tests/browser"))
from backends import Gateway  # noqa: E402
from chromium import chromium, visit  # noqa: E402, F401


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The collection's own gateway, set up by its own playbook."""
    port, *ports = free_ports(len(KINDS) + 1)
    made = Gateway(port, dict(zip(KINDS, ports, strict=True)))
    site = tmp_path_factory.mktemp("site")
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
    venv = ROOT / ".build/kinds-venv"
    stamp = venv / ".requirements"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        python = venv / "bin/python"
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-compile", "-r", REQUIREMENTS], check=True)
        stamp.write_text(wanted)
    subprocess.run([venv / "bin/python", ROOT / "demo/visdom_setup.py"], check=True)
    return venv / "bin"
