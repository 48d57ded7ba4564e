"""Self-service, converges, reloads, restarts and kills in any order: what was acknowledged serves, and nothing else does."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.passwords import hash_password
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.sources import INVENTORY, SELF
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice.dispatch import answer
from conftest import Backends
from rig import SOURCE, Rig

# how much happens in a round depends on how busy the machine is
pytestmark = pytest.mark.alone

KEEPER = ("keeper", "of the keys")
"""A login that opens all links of the test's users, by a source that nothing else here touches."""
OWN, SHARED = ("a", "b", "c"), ("s", "t")
"""Names of links that only users declare, and of those that inventory declares at times, too."""
GUESTS = ("guest", "visitor")
TEAM = ("team", "players")


def ask(gate: Rig, user: str, do: str, **keys: Any) -> dict[str, Any]:
    """The answer to a user's request."""
    return answer(Gateway(Paths(str(gate.root)), actor=user), user, {"do": do, **keys})


class Account:
    """A user who changes their own links and logins, and knows what has been acknowledged."""

    def __init__(self, gate: Rig, name: str, ports: dict[str, int]) -> None:
        self.gate, self.name, self.ports = gate, name, ports
        self.links: dict[str, str] = {}
        self.logins: dict[str, str] = {}
        self.withdrawn: dict[str, list[str]] = collections.defaultdict(list)
        self.told: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        self._passwords = itertools.count()

    def act(self, chance: random.Random) -> None:
        """One change, whatever comes of it."""
        self._change_login(chance) if chance.random() < 0.15 else self._change_link(chance)

    def _request(self, do: str, **keys: Any) -> bool:
        """Whether it was acknowledged."""
        told = ask(self.gate, self.name, do, **keys)
        self.told[f"{do} {next(iter(told))}"] += 1
        for line in told.get("problems", []):
            # all that can be wrong here
            if not line.endswith("belongs to source 'inventory'; remove it there, or take another name"):
                self.wrong.append(line)
        return "plan" in told

    def _change_link(self, chance: random.Random) -> None:
        name, backend = chance.choice(OWN + SHARED), chance.choice([*self.ports])
        if name not in self.links:
            if self._request("add", link={"name": name, "port": self.ports[backend]}):
                self.links[name] = backend
        elif chance.random() < 0.5:
            if self._request("edit", name=name, link={"port": self.ports[backend]}):
                self.links[name] = backend
        elif self._request("remove", name=name):
            del self.links[name]
        if name in OWN and self.links.get(name) != self._declared().get(name):
            self.wrong.append(f"{self.name}/{name} is declared as {self._declared()}, acknowledged was {self.links}")

    def _declared(self) -> dict[str, str]:
        backends = {port: backend for backend, port in self.ports.items()}
        own = self.gate.core.registry.sources(self.name).get(SELF, UserData())
        return {link.name: backends[link.port] for link in own.links}

    def _change_login(self, chance: random.Random) -> None:
        name, password = chance.choice(GUESTS), f"password {next(self._passwords)}"
        if name not in self.logins:
            if self._request("add_login", name=name, password=password):
                self.logins[name] = password
        elif chance.random() < 0.7:
            if self._request("change_login", name=name, password=password):
                self.withdrawn[name].append(self.logins[name])
                self.logins[name] = password
        elif self._request("remove_login", name=name):
            self.withdrawn[name].append(self.logins.pop(name))


class Converge:
    """Inventory, which changes between runs of module `links`, and leaves the users files of the rig as they are."""

    def __init__(self, gate: Rig, users: list[str], ports: dict[str, int]) -> None:
        self.gate, self.users, self.ports = gate, users, ports
        self.rest = {
            user: sources[INVENTORY]
            for user, sources in gate.core.registry.everything().items()
            if INVENTORY in sources and user not in users
        }
        self.hashed = hash_password(TEAM[1])
        self.links: dict[str, dict[str, str]] = {user: {} for user in users}
        self.opens: dict[str, bool] = dict.fromkeys(users, False)
        self.wrong: list[str] = []
        self.reload = False
        """Whether nginx was away at the last run, so that the play ends with a reload."""

    def act(self, chance: random.Random) -> None:
        """One run, with other data than before."""
        links = {
            user: {name: chance.choice([*self.ports]) for name in SHARED if chance.random() < 0.5}
            for user in self.users
        }
        opens = {user: chance.random() < 0.5 for user in self.users}
        self.declare(links, opens, repair=chance.random() < 0.3)

    def declare(self, links: dict[str, dict[str, str]], opens: dict[str, bool], **options: bool) -> None:
        data = {
            user: UserData(
                tuple(Link(name, self.ports[backend]) for name, backend in sorted(links[user].items())),
                (Login(TEAM[0], self.hashed),) if opens[user] else (),
            )
            for user in self.users
        }
        outcome = self.gate.core.declare(INVENTORY, lambda _: {**self.rest, **data}, Options(prune=True, **options))
        self.links, self.opens, self.reload = links, opens, self.reload or outcome.reload
        self.wrong += [str(step) for step in outcome.plan if step["action"] == "repair"]


class Nginx:
    """What happens to nginx meanwhile."""

    def __init__(self, gate: Rig) -> None:
        self.gate = gate
        self.wrong: list[str] = []

    def reload(self, chance: random.Random) -> None:
        """By the gateway's own program, as `service nginx reload` does it."""
        with contextlib.suppress(AssertionError):  # it may be away at the moment
            self.gate.command("reload")

    def refresh(self, chance: random.Random) -> None:
        """The minute's look at host names and at nginx's memory."""
        time.sleep(chance.uniform(0.02, 0.15))
        self.gate.core.refresh()

    def signal(self, chance: random.Random) -> None:
        """More reloads than that program ever makes."""
        time.sleep(chance.uniform(0.02, 0.15))
        with contextlib.suppress(OSError, ValueError):  # it may be away at the moment
            os.kill(self.gate.master(), signal.SIGHUP)

    def restart(self, chance: random.Random) -> None:
        time.sleep(chance.uniform(0.1, 0.6))
        self.gate.restart()

    def crash(self, chance: random.Random) -> None:
        time.sleep(chance.uniform(0.1, 0.6))
        self.gate.kill()
        self.gate.command("start")


def together(seconds: float, chance: random.Random, *acts: Callable[[random.Random], None]) -> None:
    """Everybody acts again and again, at the same time; each of the first two at least eight times."""
    end = time.monotonic() + seconds
    counts = [0] * len(acts)

    def run(number: int, seed: float) -> None:
        own = random.Random(seed)
        while time.monotonic() < end or min(counts[:2]) < 8:
            acts[number](own)
            counts[number] += 1

    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(run, number, chance.random()) for number in range(len(acts))]:
            done.result()


def served(gate: Rig, questions: list[tuple[str, tuple[str, str]]]) -> list[str | int]:
    """Which backend answers at each path for a login, or with what status the gateway does."""
    sources = [gate.address() for _ in questions]

    def look(question: tuple[str, tuple[str, str]], source: str) -> str | int:
        found = gate.get(*question, source=source)
        return found.backend or found.status

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(look, questions, sources))


def check(gate: Rig, accounts: list[Account], converge: Converge) -> None:
    """What is acknowledged serves, what is withdrawn does not."""
    if converge.reload:
        gate.reload()
        converge.reload = False
    expected: dict[tuple[str, tuple[str, str]], str | int] = {}
    for account in accounts:
        links = {**account.links, **converge.links[account.name]}
        home = f"/{account.name}/"
        for name in OWN + SHARED:
            expected[f"{home}{name}/", KEEPER] = links.get(name, 404)
        expected[home, TEAM] = 200 if converge.opens[account.name] else 401
        for name in GUESTS:
            for password in account.withdrawn[name][-2:]:
                expected[home, (name, password)] = 401
        for login in account.logins.items():
            expected[home, login] = 200
    found = dict(zip(expected, served(gate, list(expected)), strict=True))
    assert found == expected
    assert [line for actor in (*accounts, converge) for line in actor.wrong] == []


@pytest.fixture
def accounts(gate: Rig, backends: Backends) -> Iterator[list[Account]]:
    """Two users who are not in the users files."""
    ports = {"alice's": backends.alice.port, "bob's": backends.bob.port}
    users = ("ann", "ben")
    keeper = UserData((), (Login(KEEPER[0], hash_password(KEEPER[1])),))
    gate.core.declare(SOURCE, lambda _: dict.fromkeys(users, keeper))
    yield [Account(gate, user, ports) for user in users]
    # inventory as the users files have it
    files = {user: data for user, data in gate.core.registry.everything().items() if user not in users}
    gate.core.declare(INVENTORY, lambda _: {user: data[INVENTORY] for user, data in files.items()}, Options(prune=True))


@pytest.mark.parametrize("seed", [3, 11])
def test_no_order_of_events_loses_or_resurrects_anything(gate: Rig, accounts: list[Account], seed: int) -> None:
    chance = random.Random(seed)
    converge = Converge(gate, [account.name for account in accounts], accounts[0].ports)
    nginx = Nginx(gate)
    acts = [account.act for account in accounts]
    rounds = [
        (nginx.signal,),
        (converge.act, nginx.refresh),
        (nginx.signal, converge.act),
        (nginx.reload, converge.act, nginx.refresh),
        (nginx.restart, converge.act),
        (nginx.crash, nginx.signal),
        (nginx.crash, converge.act, nginx.signal, nginx.refresh),
    ]
    for others in rounds:
        together(1.5, chance, *acts, *others)
        check(gate, accounts, converge)
    gate.command("reload")
    check(gate, accounts, converge)
    gate.restart()
    check(gate, accounts, converge)
    # a converge that verifies finds nothing to put right
    converge.declare(converge.links, converge.opens, repair=True)
    check(gate, accounts, converge)
    told = sum((account.told for account in accounts), collections.Counter[str]())
    for request in ("add", "edit", "remove", "add_login", "change_login", "remove_login"):
        assert told[f"{request} plan"] > 0, told
    assert told.total() > 100


def test_a_users_change_is_killed_anywhere(gate: Rig, accounts: list[Account]) -> None:
    """The next run, somebody else's, repairs: old or new is declared and serves. A restart changes nothing about that."""
    ann, ben = accounts
    old, new = ann.ports
    request = {"do": "edit", "name": "a", "link": {"port": ann.ports[new]}}
    assert "plan" in ask(gate, "ann", "add", link={"name": "a", "port": ann.ports[old]})
    program, seen = Path(__file__).with_name("killed.py"), []
    for step in itertools.count(1):
        assert "problems" not in ask(gate, "ann", "edit", name="a", link={"port": ann.ports[old]})
        done = subprocess.run(
            [sys.executable, program, gate.root, str(step), "ann", json.dumps(request)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        if not done.returncode:
            assert "plan" in json.loads(done.stdout)
            break
        assert done.stdout == "", "killed before it could tell"
        assert "plan" in ask(gate, "ben", "add", link={"name": f"x{step}", "port": ben.ports[new]})
        seen.append(served(gate, [("/ann/a/", KEEPER)])[0])
        (link,) = ask(gate, "ann", "show")["links"]
        assert (link["rendered"], link["live"], link["port"]) == (True, True, ann.ports[str(seen[-1])])
    turn = seen.index(new)
    assert seen == [old] * turn + [new] * (len(seen) - turn)
    assert 6 < turn < len(seen) - 2, "there was more to be killed at"
    gate.restart()
    assert served(gate, [("/ann/a/", KEEPER)]) == [new]
    assert not [path for path in gate.state() if "journal" in path]


def test_hundreds_of_requests_of_one_user_at_once(gate: Rig, accounts: list[Account]) -> None:
    """Every one is done or refused, the quota holds, and somebody else is served meanwhile."""
    ann, ben = accounts
    port = ann.ports["alice's"]
    with ThreadPoolExecutor(40) as pool:
        racing = [pool.submit(ask, gate, "ann", "add", link={"name": f"r{n % 120}", "port": port}) for n in range(240)]
        before = sum(job.done() for job in racing)
        assert "plan" in ask(gate, "ben", "add", link={"name": "a", "port": ben.ports["bob's"]})
        passed = sum(job.done() for job in racing) - before
        told = [job.result() for job in racing]
    assert [next(iter(answer)) for answer in told].count("plan") == 120
    refused = {answer["problems"][0].partition(": ")[2] for answer in told if "problems" in answer}
    assert refused == {"you already have a link with this name; change or remove it, or choose another name"}
    assert {link["name"] for link in ask(gate, "ann", "show")["links"] if link["live"]} == {f"r{n}" for n in range(120)}
    assert passed < 20, "somebody else stood behind all of them"
