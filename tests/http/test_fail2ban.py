"""fail2ban itself, with the role's filter and jail, on the log of this gateway: who guesses is banned, and nobody else."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import rendered
from rig import ALICE, Rig, eventually

FAILURES = 4
VICTIM = "198.51.100.1"
LOGINS = "/var/log/nginx/vizgate-logins.jsonl"
# Instead of the firewall's: writes down who is banned.
ACTION = "[Definition]\nactionban = echo <ip> >>{bans}\nactionunban =\n"
SERVER = "[Definition]\nlogtarget = {folder}/log\nsocket = {folder}/socket\npidfile = {folder}/pid\ndbfile = None\n"


@pytest.fixture
def bans(gate: Rig) -> Iterator[Path]:
    """The addresses that a running fail2ban bans, one in a line."""
    folder = gate.folder / "fail2ban"
    bans = folder / "bans"
    shutil.copytree("/etc/fail2ban", folder)
    for kind in ("filter", "jail"):
        text = rendered(f"fail2ban/{kind}.conf.j2", gateway_fail2ban_failures=FAILURES)
        (folder / f"{kind}.d/vizgate.conf").write_text(text.replace(LOGINS, f"{gate.root}{LOGINS}"))
    (folder / "action.d/note.conf").write_text(ACTION.format(bans=bans))
    (folder / "jail.local").write_text("[sshd]\nenabled = false\n[vizgate]\nbanaction = note\n")
    (folder / "fail2ban.local").write_text(SERVER.format(folder=folder))
    bans.touch()
    (folder / "log").touch()
    server = subprocess.Popen(["fail2ban-server", "-xf", "-c", folder, "start"], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: "Jail 'vizgate' started" in (folder / "log").read_text(), 60)
        yield bans
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        shutil.rmtree(folder)


def test_who_guesses_is_banned(gate: Rig, bans: Path) -> None:
    attacker, clumsy, forger = gate.address(), gate.address(), gate.address()
    for number in range(FAILURES - 1):
        gate.get("/alice/echo/", ("alice", f"mistyped {number}"), source=clumsy)
    gate.get("/alice/echo/", ALICE, source=clumsy)
    forged = f'","address":"{VICTIM}","outcome":"refused"}}\n{{"time":"","address":"{VICTIM}","outcome":"refused",'
    for number in range(FAILURES):
        gate.get("/alice/echo/", (forged.replace(":", "="), f"{number}"), source=forger)
        gate.get("/alice/echo/", ("alice", f"guess {number}"), source=attacker)
    # those of other tests are banned as well
    eventually(lambda: {attacker, forger} <= set(bans.read_text().split()), 30)
    time.sleep(3)  # for all the rest that it has to read
    assert not {clumsy, VICTIM, "127.0.0.1"} & set(bans.read_text().split())
