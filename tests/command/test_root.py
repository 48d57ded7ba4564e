"""What only root does: repair the gateway, and remove everything."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from backends import Backend
from conftest import ENVIRONMENT, Vizgate
from rig import BOB, Rig, eventually

HOST = os.uname().nodename
Serves = Callable[..., "str | int"]


def test_init_repairs_and_starts(vizgate: Vizgate, gate: Rig, backend: Backend, serves: Serves) -> None:
    vizgate.ok("add", "t", "--port", str(backend.port))
    edited = gate.root / "etc/nginx/vizgate/links.d/alice.map"
    whole = edited.read_text()
    gate.command("stop")
    edited.write_text('"alice/t" "strip 127.0.0.1:1";\nthis is no map at all {\n')
    done = vizgate("init")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"repaired {edited}\n2 users are published, and the services run\n"
    assert edited.read_text() == whole
    assert serves("/alice/t/") == "tool"
    assert vizgate.ok("init") == "2 users are published, and the services run\n"


@pytest.fixture
def restored(gate: Rig) -> Iterator[None]:
    """Puts back afterwards what inventory had declared."""
    everything = gate.core.registry.everything()
    yield
    gate.core.declare(
        "inventory", lambda _: {user: sources["inventory"] for user, sources in everything.items()}, Options(prune=True)
    )
    for path in (gate.root / "var/backups/vizgate").glob("*"):
        path.unlink()


def archives(gate: Rig) -> list[Path]:
    return sorted((gate.root / "var/backups/vizgate").glob("*"))


@pytest.mark.usefixtures("restored")
def test_remove_everything(vizgate: Vizgate, gate: Rig, backend: Backend, serves: Serves) -> None:
    vizgate.ok("add", "t", "--port", str(backend.port))
    digest = gate.root / "var/lib/vizgate/inventory.digest"
    gate.core.save_fingerprint("inventory", "something")
    before = gate.state()
    done = vizgate("remove-everything", "--confirm", "elsewhere")
    assert (done.code, done.out) == (1, "")
    assert done.err == f"'elsewhere' is not the name of this host, {HOST}; nothing was removed\n"
    assert (gate.state(), archives(gate)) == (before, [])

    done = vizgate("remove-everything", "--confirm", HOST)
    (archive,) = archives(gate)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [
        f"the previous state is archived in {archive}",
        f"removed {vizgate.site}/alice/t/ -> 127.0.0.1:{backend.port}",
    ]
    assert {line.partition(" of ")[0] for line in done.out.splitlines()[2:] if " login " in line} == {
        "removed login alice",
        "removed login bob",
    }
    assert (serves("/alice/t/"), serves("/bob/", BOB)) == (401, 401)
    assert gate.core.registry.everything() == {}
    assert not digest.exists()
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert stat.S_IMODE(archive.parent.stat().st_mode) == 0o700
    with tarfile.open(archive) as found:
        for name in (
            "etc/vizgate/policy.json",
            "var/lib/vizgate/users/alice/self.json",
            "etc/nginx/vizgate/links.d/bob.map",
        ):
            member = found.extractfile(name)
            assert member
            assert member.read() == before.get(name, (gate.root / "etc/vizgate/policy.json").read_bytes())


INTERRUPTED = """
import os, subprocess, sys, time
sys.path.insert(0, sys.argv[1])
from vizgate_cli import maintenance
archive = maintenance.archive
def interrupted(gateway):
    path = archive(gateway)
    late, lock = subprocess.Popen(sys.argv[2:]), f":{os.stat(gateway.paths.lock).st_ino} "
    # until the kernel has it in the line for the lock
    while late.poll() is None and not any("->" in line and lock in line for line in open("/proc/locks")):
        time.sleep(0.01)
    return path
maintenance.archive = interrupted
maintenance.remove_everything(os.uname().nodename)
"""


@pytest.mark.usefixtures("restored")
def test_nothing_is_removed_that_has_come_after_the_archive(vizgate: Vizgate, gate: Rig) -> None:
    late = [str(vizgate.path), "--user", "alice", "add", "late", "--port", "9000"]
    lib = (gate.root / "usr/local/lib/vizgate/current").resolve()
    done = subprocess.run([sys.executable, "-BIc", INTERRUPTED, lib, *late], check=False, timeout=60, env=ENVIRONMENT)
    assert done.returncode == 0
    eventually(lambda: "self" in gate.core.registry.sources("alice"))
    assert [link.name for link in gate.core.registry.everything()["alice"]["self"].links] == ["late"]


@pytest.mark.usefixtures("restored")
def test_what_was_removed_comes_with_the_next_converge(vizgate: Vizgate, gate: Rig) -> None:
    played = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/links.yml")
    assert played.returncode == 0, played.stdout
    vizgate.ok("remove-everything", "--confirm", HOST)
    played = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/links.yml")
    assert played.returncode == 0, played.stdout
    assert gate.get("/bob/", BOB).status == 200


def test_protection_tells_what_is_off_in_one_page(vizgate: Vizgate, gate: Rig) -> None:
    """Of a rootless gateway, what it can have; without a change of anything."""
    before = gate.state()
    said = vizgate.ok("protection", user="").splitlines()
    assert said[0] == "on: lockout, strong password hashes, verified targets"
    assert [line for line in said if line.startswith("off: ")] == [
        "off: HTTPS: passwords and pages cross the network in clear text",
        "off: origins: all users' pages have the same origin, so the gateway cannot refuse requests that scripts on other"
        " users' pages send",
    ]
    assert (
        "  set gateway_tls: true and certificate_provider; behind another proxy that ends TLS, gateway_public_url"
        in said
    )
    listed = {measure["name"]: measure["on"] for measure in json.loads(vizgate.ok("protection", "--json", user=""))}
    assert listed["HTTPS"] is False
    assert gate.state() == before
