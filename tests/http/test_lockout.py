"""Wrong passwords lock a client out of a login, and throttle it; nobody else, for no longer than said, and nothing is hashed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.data import Login
from conftest import Backends
from rig import ALICE, BOB, Rig, basic, eventually

LIMIT = 10
"""gateway_lockout_failures, as it is by default."""

Strict = Callable[[int, int, int], None]


@pytest.fixture
def strict(gate: Rig) -> Iterator[Strict]:
    """Sets after how many wrong passwords there is a lock, and a throttle, and the seconds, until the test ends."""
    with contextlib.ExitStack() as ending:

        def configure(login: int, throttle: int, seconds: int) -> None:
            ending.enter_context(gate.configured(f"vizgate.lock_out({login}, {throttle}, {seconds})"))

        yield configure


_NUMBERS = itertools.count()


def guess(gate: Rig, source: str, login: str = "alice", owner: str = "alice") -> int:
    """The status that a wrong password gets, another one each time: refusals are remembered as well."""
    return gate.get(f"/{owner}/echo/", (login, f"guess {next(_NUMBERS)}"), source=source).status


def guesses(gate: Rig, source: str, count: int, login: str = "alice", owner: str = "alice") -> list[int]:
    """The statuses of so many wrong passwords."""
    return [guess(gate, source, login, owner) for _ in range(count)]


def checked(gate: Rig) -> int:
    """How many passwords have been checked, those included whose line comes after their answer."""
    time.sleep(0.3)
    return len(gate.checks())


def failures(gate: Rig, source: str) -> list[dict[str, Any]]:
    """What the log of logins has of an address."""
    # a request's line comes after its answer, and that of another login's refusal after all that were before it
    marker = gate.address()
    guess(gate, marker)
    log = gate.root / "var/log/nginx/vizgate-logins.jsonl"
    eventually(lambda: f'"{marker}"' in log.read_text())
    return [line for line in map(json.loads, log.read_text().splitlines()) if line["address"] == source]


def test_a_login_is_locked_for_the_address_that_guesses(gate: Rig, backends: Backends) -> None:
    gate.declare("alice", logins=[Login("guest", password="open")])
    attacker, other = gate.address(), gate.address()
    assert guesses(gate, attacker, LIMIT) == [401] * LIMIT
    checks = checked(gate)
    locked = gate.get("/alice/echo/", ("alice", "one more"), source=attacker)
    assert (locked.status, "has tried too many" in locked.text) == (429, True)
    assert 290 <= int(locked.all("Retry-After")[0]) <= 300
    assert locked.all("WWW-Authenticate") == []
    # what a lock would be worth nothing without: the right password is not looked at, either
    gate.declare("alice", logins=[Login("guest", password="open"), Login("second", password="right")])
    assert guesses(gate, attacker, LIMIT, "second") == [401] * LIMIT
    assert gate.get("/alice/echo/", ("second", "right"), source=attacker).status == 429
    assert checked(gate) == checks + LIMIT
    # other logins from there, and that login from elsewhere
    assert gate.get("/alice/echo/", ("guest", "open"), source=attacker).status == 200
    assert gate.get("/alice/echo/", ("second", "right"), source=other).status == 200
    assert guess(gate, other) == 401


def test_every_failure_is_logged_with_address_and_user(gate: Rig) -> None:
    attacker = gate.address()
    guesses(gate, attacker, LIMIT + 3)
    assert [(line["user"], line["login"], line["outcome"]) for line in failures(gate, attacker)] == [
        *[("alice", "alice", "refused")] * (LIMIT - 1),
        ("alice", "alice", "locked out"),
    ]
    honest = gate.address()
    gate.get("/alice/echo/", source=honest)  # as a browser asks first
    gate.get("/alice/echo/", ALICE, source=honest)
    gate.declare("alice", logins=[Login("guest", password="once more")])
    gate.get("/alice/echo/", ("guest", "once more"), source=honest)
    assert failures(gate, honest) == []


def test_whoever_is_in_stays_in(gate: Rig, strict: Strict) -> None:
    """An attacker behind the same address locks nobody out whose login is remembered."""
    strict(3, 3, 300)
    shared = gate.address()
    gate.declare("alice", logins=[Login("guest", password="in")])
    assert gate.get("/alice/echo/", ("guest", "in"), source=shared).status == 200
    assert guesses(gate, shared, 4, "guest") == [401, 401, 401, 429]
    started = time.monotonic()
    answers = [gate.get("/alice/echo/", ("guest", "in"), source=shared).status for _ in range(4)]
    assert (answers, time.monotonic() - started < 5) == ([200] * 4, True)


def test_what_is_remembered_of_others_answers_no_guess(gate: Rig, strict: Strict) -> None:
    strict(3, 0, 300)
    alice, attacker = gate.address(), gate.address()
    assert guesses(gate, attacker, 4) == [401, 401, 401, 429]
    for _ in range(3):
        assert gate.get("/alice/echo/", ALICE, source=alice).status == 200
        assert gate.get("/alice/echo/", ALICE, source=attacker).status == 429


def test_who_goes_on_guessing_from_where_somebody_is_in_ends_that_too(gate: Rig, strict: Strict) -> None:
    strict(3, 0, 300)
    shared = gate.address()
    gate.declare("alice", logins=[Login("guest", password="in")])

    def status(source: str) -> int:
        time.sleep(1.1)  # what a worker has seen to be right is so for a second
        return gate.get("/alice/echo/", ("guest", "in"), source=source).status

    assert status(shared) == 200
    assert guesses(gate, shared, 3, "guest") == [401] * 3
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: guess(gate, shared, "guest"), range(26))) == {429}
    assert status(shared) == 200
    assert guess(gate, shared, "guest") == 429
    assert status(shared) == 429
    assert status(gate.address()) == 200


def test_many_guesses_at_once_are_no_more_than_one_by_one(gate: Rig) -> None:
    attacker, before = gate.address(), checked(gate)
    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(lambda _: guess(gate, attacker), range(40)))
    assert (statuses.count(401), statuses.count(429)) == (LIMIT, 40 - LIMIT)
    assert checked(gate) == before + LIMIT


def seconds(action: Callable[[], object]) -> float:
    """How long an action takes."""
    started = time.monotonic()
    action()
    return time.monotonic() - started


def test_an_address_that_guesses_is_throttled(gate: Rig, strict: Strict) -> None:
    """Whatever logins it tries, and however many at once: one password in five seconds is looked at."""
    strict(3, 6, 300)
    attacker, other = gate.address(), gate.address()
    spread = [guess(gate, attacker, f"login{number}", owner) for number in range(3) for owner in ("alice", "nobody")]
    assert spread == [401] * 6
    before, started = checked(gate), time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda number: guess(gate, attacker, f"more{number}"), range(20)))
    turns = (time.monotonic() - started) / 5 + 2
    assert set(statuses) == {401, 429}
    assert 1 <= statuses.count(401) <= turns
    assert checked(gate) <= before + turns
    # others are not concerned, and who signs in from there waits for a turn
    assert seconds(lambda: guesses(gate, other, 3)) < 5
    gate.declare("bob", logins=[Login("new", password="right")])
    assert gate.get("/bob/echo/", ("new", "right"), source=attacker).status == 200


def test_a_throttle_ends(gate: Rig, strict: Strict) -> None:
    strict(0, 3, 6)
    attacker = gate.address()
    assert seconds(lambda: guesses(gate, attacker, 6)) >= 5
    time.sleep(6)
    assert seconds(lambda: guesses(gate, attacker, 3)) < 5


def test_a_right_password_that_is_spelled_anew_is_throttled(gate: Rig, strict: Strict) -> None:
    """Each spelling has to be hashed, and none is wrong."""
    strict(0, 3, 300)
    source = gate.address()
    gate.declare("alice", logins=[Login("guest", password="right"), Login("second", password="right")])
    name, token = basic(("guest", "right")).split()

    def spell(number: int) -> int:
        return gate.get("/alice/echo/", headers={"Authorization": name + " " * number + token}, source=source).status

    before, started = checked(gate), time.monotonic()
    assert [spell(number) for number in range(1, 7)] == [200] * 6
    assert time.monotonic() - started >= 5
    assert checked(gate) == before + 6
    # others behind that address are not concerned
    started = time.monotonic()
    assert gate.get("/alice/echo/", ("second", "right"), source=source).status == 200
    assert guess(gate, source) == 401
    assert time.monotonic() - started < 4


def test_a_page_is_not_kept_waiting_for_each_of_its_requests(gate: Rig, strict: Strict) -> None:
    """Behind the address of somebody who guesses: as long as one, and then all are told to come again."""
    strict(0, 2, 300)
    shared = gate.address()
    assert guesses(gate, shared, 2) == [401] * 2
    gate.declare("bob", logins=[Login("page", password="right")])
    with ThreadPoolExecutor(40) as pool:
        for number in range(32):
            pool.submit(guess, gate, shared, f"login{number}")
        time.sleep(0.5)
        answers = list(pool.map(lambda _: gate.get("/bob/echo/", ("page", "right"), source=shared), range(6)))
    assert len({answer.status for answer in answers}) == 1
    assert max(answer.seconds for answer in answers) < 16


def test_this_host_is_never_throttled(gate: Rig, strict: Strict) -> None:
    """Everybody who has a shell here is one address: none of them shall slow down the others."""
    strict(2, 3, 300)
    gate.declare("bob", logins=[Login("local", password="right")])
    started = time.monotonic()
    for number in range(8):
        assert guess(gate, "127.0.9.1", f"stranger{number}") == 401
    assert gate.get("/bob/echo/", ("local", "right"), source="127.0.9.2").status == 200
    assert time.monotonic() - started < 20, "six turns of a throttle are more"
    # a login is locked, though, whichever of the host's addresses it is tried from
    tried = [gate.get("/bob/echo/", ("b", f"{n}"), source=f"127.0.9.{n + 1}").status for n in range(3)]
    assert tried == [401, 401, 429]


def test_a_lock_ends_and_trying_on_does_not_prolong_it(gate: Rig, strict: Strict) -> None:
    strict(2, 0, 3)
    attacker = gate.address()
    gate.declare("alice", logins=[Login("guest", password="right")])
    assert guesses(gate, attacker, 2, "guest") == [401, 401]
    end = time.monotonic() + 3
    while time.monotonic() < end - 0.7:
        assert gate.get("/alice/echo/", ("guest", "right"), source=attacker).status == 429
    time.sleep(1)
    assert gate.get("/alice/echo/", ("guest", "right"), source=attacker).status == 200
    assert guesses(gate, attacker, 3, "guest") == [401, 401, 429]


def test_old_failures_are_forgotten(gate: Rig, strict: Strict) -> None:
    strict(2, 0, 2)
    attacker = gate.address()
    for _ in range(3):
        assert guess(gate, attacker) == 401
        time.sleep(2.1)


def test_a_lock_tells_nobody_who_exists(gate: Rig, strict: Strict) -> None:
    strict(3, 0, 300)
    for owner, login in (("alice", "alice"), ("alice", "mallory"), ("nobody", "alice"), ("alice", '\n":x')):
        source = gate.address()
        assert guesses(gate, source, 4, login, owner) == [401, 401, 401, 429]
        # and takes the time that a refusal takes
        assert gate.get(f"/{owner}/", (login, "x"), source=source).seconds >= 0.24


def test_the_same_wrong_password_counts_once(gate: Rig) -> None:
    """A dashboard that goes on with an old password is no attack."""
    source = gate.address()
    old = ("alice", "of last year")
    assert [gate.get("/alice/echo/", old, source=source).status for _ in range(LIMIT + 2)] == [401] * (LIMIT + 2)
    assert len(failures(gate, source)) == 1


def test_right_passwords_do_not_count(gate: Rig, strict: Strict) -> None:
    strict(2, 3, 300)
    source = gate.address()
    logins = [Login(f"guest{number}", password="right") for number in range(7)]
    gate.declare("alice", logins=logins)
    started = time.monotonic()
    assert {gate.get("/alice/echo/", (login.name, "right"), source=source).status for login in logins} == {200}
    assert guess(gate, source) == 401
    assert time.monotonic() - started < 15, "five turns of a throttle are more"


def test_without_the_password_checker_nobody_is_locked_out(gate: Rig, strict: Strict) -> None:
    strict(2, 3, 300)
    source = gate.address()
    gate.declare("alice", logins=[Login("guest", password="patient")])
    pid_file = gate.root / "run/vizgate/auth/nginx.pid"
    os.kill(int(pid_file.read_text()), 15)
    eventually(lambda: not pid_file.exists())
    try:
        answers = [gate.get("/alice/echo/", ("guest", "patient"), source=source).status for _ in range(5)]
        assert answers == [503] * 5
    finally:
        gate.command("start")
    assert gate.get("/alice/echo/", ("guest", "patient"), source=source).status == 200
    assert failures(gate, source) == []


def test_locks_can_be_switched_off(gate: Rig, strict: Strict) -> None:
    strict(0, 0, 300)
    source = gate.address()
    assert seconds(lambda: guesses(gate, source, LIMIT)) < 30, "of a throttle it is nine turns"
    assert guess(gate, source) == 401


@pytest.mark.parametrize(
    "wrong",
    [
        "gateway_lockout_seconds=0",
        "gateway_lockout_failures=-1",
        "gateway_throttle_failures=-1",
        "gateway_login_cache_seconds=0",
    ],
)
def test_limits_that_make_no_sense_are_refused(gate: Rig, wrong: str) -> None:
    done = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/site.yml", "-e", wrong)
    assert done.returncode == 2
    assert wrong.replace("=", " ") in done.stdout
    assert "changed=0" in done.stdout


def test_a_reload_forgives_nothing(gate: Rig, strict: Strict) -> None:
    strict(2, 0, 300)
    source = gate.address()
    assert guesses(gate, source, 3) == [401, 401, 429]
    gate.reload()
    assert guess(gate, source) == 429


def test_bob_is_not_concerned(gate: Rig) -> None:
    """The same login name of another user is another login."""
    attacker = gate.address()
    assert guesses(gate, attacker, LIMIT + 1, "bob")[-1] == 429
    gate.declare("bob", logins=[Login("alice", password="right")])
    assert gate.get("/bob/echo/", BOB, source=attacker).status == 200
    assert gate.get("/bob/echo/", ("alice", "right"), source=attacker).status == 200
