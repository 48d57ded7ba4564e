"""fail2ban itself, with the role's filter and jail, on the log of this gateway: who guesses is banned, and nobody else."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import rendered
from rig import ALICE, Rig, eventually

FAILURES = 4
VICTIM = "198.51.100.1"
PROXIES = ["192.0.2.9", "2001:db8:0:9::1"]
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
    for kind in ("action", "filter", "jail"):
        text = rendered(f"fail2ban/{kind}.conf.j2", gateway_fail2ban_failures=FAILURES, gateway_trusted_proxies=PROXIES)
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
        server.wait(60)
        shutil.rmtree(folder)


def test_who_guesses_is_banned(gate: Rig, bans: Path) -> None:
    attacker, clumsy, forger = gate.address(), gate.address(), gate.address()
    for number in range(FAILURES - 1):
        gate.get("/alice/echo/", ("alice", f"mistyped {number}"), source=clumsy)
    gate.get("/alice/echo/", ALICE, source=clumsy)
    victim = f'"address":"{VICTIM}","network":"{VICTIM}","outcome":"refused"'
    forged = f'",{victim}}}\n{{"time":"",{victim},'
    for number in range(FAILURES):
        gate.get("/alice/echo/", (forged.replace(":", "="), f"{number}"), source=forger)
        gate.get("/alice/echo/", ("alice", f"guess {number}"), source=attacker)
    # those of other tests are banned as well
    eventually(lambda: {attacker, forger} <= set(bans.read_text().split()))
    read_to_the_end(gate, bans)
    assert not {clumsy, VICTIM, "127.0.0.1"} & set(bans.read_text().split())


def as_if_from(gate: Rig, address: str) -> None:
    """Appends the newest line of the log of logins once more, with the address of another client."""
    log = Path(f"{gate.root}{LOGINS}")
    line = json.loads(log.read_text().splitlines()[-1])
    line.update(address=address, network=address + "/64" if ":" in address else address)
    with log.open("a") as file:
        file.write(json.dumps(line, separators=(",", ":")) + "\n")


def read_to_the_end(gate: Rig, bans: Path) -> None:
    """Returns when fail2ban has read all lines: it bans whom the last ones are about."""
    last = gate.address()
    for _ in range(FAILURES):
        as_if_from(gate, last)
    eventually(lambda: last in bans.read_text().split())


def test_a_client_of_ipv6_is_its_network(gate: Rig, bans: Path) -> None:
    """As the gateway counts: 64 bits are everybody's own to choose, and no two guesses need come from one address."""
    gate.get("/alice/echo/", ("alice", "the form of a line"), source=gate.address())
    eventually(lambda: '"network":"127.' in Path(f"{gate.root}{LOGINS}").read_text())
    # whose visitors all guess as if they were the proxy
    for proxy in PROXIES:
        for _ in range(FAILURES):
            as_if_from(gate, proxy)
    for number in range(FAILURES):
        as_if_from(gate, f"2001:db8:0:7::{number + 1:x}")
    for number in range(FAILURES):
        as_if_from(gate, f"2001:db8::{number + 1:x}:0:0:0:1")
    as_if_from(gate, VICTIM)
    eventually(lambda: "2001:db8:0:7::/64" in bans.read_text().split())
    read_to_the_end(gate, bans)
    others = (VICTIM, *PROXIES)
    assert [ban for ban in bans.read_text().split() if ":" in ban or ban in others] == ["2001:db8:0:7::/64"]
