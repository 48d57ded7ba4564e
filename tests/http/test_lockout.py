"""Wrong passwords lock a client out of a login, and throttle it; nobody else, for no longer than said, and nothing is hashed."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from http.client import HTTPConnection
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Login
from conftest import Backends
from rig import ALICE, BOB, Rig, basic, eventually

LIMIT = 10
"""gateway_lockout_failures, as it is by default."""

Strict = Callable[[int, int, int], None]


@pytest.fixture
def strict(gate: Rig) -> Iterator[Strict]:
    """Sets after how many wrong passwords there is a lock, and a throttle, and the seconds, until the test ends. The clock that
    they go by stands still until the test moves it."""
    with contextlib.ExitStack() as ending:

        def configure(login: int, throttle: int, seconds: int) -> None:
            ending.enter_context(gate.stopped_clock(f"vizgate.lock_out({login}, {throttle}, {seconds})"))

        yield configure


_NUMBERS = itertools.count()


def guess(gate: Rig, source: str, login: str = "alice", owner: str = "alice") -> int:
    """The status that a wrong password gets, another one each time: refusals are remembered as well."""
    return gate.get(f"/{owner}/echo/", (login, f"guess {next(_NUMBERS)}"), source=source).status


def guesses(gate: Rig, source: str, count: int, login: str = "alice", owner: str = "alice") -> list[int]:
    """The statuses of so many wrong passwords."""
    return [guess(gate, source, login, owner) for _ in range(count)]


def in_turn(gate: Rig, requests: Iterable[Callable[[], int]]) -> list[int]:
    """The statuses of requests one after another, each of which takes a quarter of a second by the stopped clock. None waits for
    a slot: the clock would have to move on for that."""
    statuses = []
    for request in requests:
        statuses.append(request())
        gate.advance(0.25)
    return statuses


def waits(gate: Rig, send: Callable[[], HTTPConnection]) -> int:
    """The status of a request that waits for the next slot of a throttled client, five seconds later."""
    before = checked(gate)
    with contextlib.closing(send()) as client:
        assert checked(gate) == before, "it was to wait"
        gate.advance(5)
        return client.getresponse().status


def advance_until_done(gate: Rig, waiting: Iterable[Future[Any]], seconds: float) -> int:
    """Moves the stopped clock on in steps until all requests have answers; how many steps that took."""
    for steps in itertools.count():
        if not wait(waiting, 0.5).not_done:
            return steps
        gate.advance(seconds)
    raise AssertionError


def checked(gate: Rig) -> int:
    """How many passwords have been checked, those included whose line comes after their answer."""
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
    assert (locked.status, "too many wrong passwords" in locked.text) == (429, True)
    assert 200 <= int(locked.all("Retry-After")[0]) <= 300
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
    # none waits for a slot
    assert [gate.get("/alice/echo/", ("guest", "in"), source=shared).status for _ in range(4)] == [200] * 4


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
        gate.advance(1)  # what a worker has seen to be right is so for a second
        return gate.get("/alice/echo/", ("guest", "in"), source=source).status

    assert status(shared) == 200
    assert guesses(gate, shared, 3, "guest") == [401] * 3
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: guess(gate, shared, "guest"), range(26))) == {429}
    assert status(shared) == 200
    assert guess(gate, shared, "guest") == 429
    assert status(shared) == 429
    assert status(gate.address()) == 200


def test_many_guesses_at_once_are_no_more_than_one_by_one(gate: Rig, strict: Strict) -> None:
    strict(LIMIT, 20, 300)
    attacker, before = gate.address(), checked(gate)
    with ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(guess, gate, attacker) for _ in range(40)]
        # five of a second each
        for number in (5, LIMIT):
            eventually(lambda number=number: gate.logged_checks() == before + number)
            gate.advance(1)
        advance_until_done(gate, answers, 1)
    statuses = [answer.result() for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (LIMIT, 40 - LIMIT)
    assert checked(gate) == before + LIMIT


def test_checks_wait_for_their_slots_by_the_real_clock(gate: Rig) -> None:
    """Five in a second, so twelve need parts of three."""
    attacker, started = gate.address(), time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda number: guess(gate, attacker, f"login{number}"), range(12)))
    assert statuses == [401] * 12
    assert time.monotonic() - started > 1


def test_only_a_gateway_under_test_has_a_clock_that_moves(gate: Rig) -> None:
    with pytest.raises(AssertionError, match="405 Not Allowed"):
        gate.advance(1)


def test_an_address_that_guesses_is_throttled(gate: Rig, strict: Strict) -> None:
    """Whatever logins it tries, and however many at once: one password in five seconds is looked at."""
    strict(3, 6, 300)
    attacker, other = gate.address(), gate.address()
    logins = [(f"login{number}", owner) for number in range(3) for owner in ("alice", "nobody")]
    assert in_turn(gate, (partial(guess, gate, attacker, *login) for login in logins)) == [401] * 6
    gate.advance(5)
    before = checked(gate)
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(guess, gate, attacker, f"more{number}") for number in range(20)]
        for number in (1, 2):
            eventually(lambda number=number: gate.logged_checks() == before + number)
            assert checked(gate) == before + number
            gate.advance(5)
        steps = advance_until_done(gate, answers, 5)
    statuses = [answer.result() for answer in answers]
    assert set(statuses) == {401, 429}
    assert 2 <= statuses.count(401) <= 3 + steps
    assert checked(gate) == before + statuses.count(401)
    # others are not concerned, and who signs in from there waits for a slot
    assert guesses(gate, other, 3) == [401] * 3
    gate.declare("bob", logins=[Login("new", password="right")])
    gate.advance(5)
    assert guess(gate, attacker, "last") == 401
    assert waits(gate, lambda: gate.send("/bob/echo/", basic(("new", "right")), attacker)) == 200


def test_a_throttle_ends(gate: Rig, strict: Strict) -> None:
    strict(0, 3, 300)
    attacker = gate.address()
    assert guesses(gate, attacker, 4) == [401] * 4
    assert waits(gate, lambda: gate.send("/alice/echo/", basic(("alice", "one more")), attacker)) == 401
    gate.advance(300)
    assert guesses(gate, attacker, 3) == [401] * 3


def test_a_right_password_that_is_spelled_anew_is_throttled(gate: Rig, strict: Strict) -> None:
    """Each spelling has to be hashed, and none is wrong."""
    strict(0, 3, 300)
    source = gate.address()
    gate.declare("alice", logins=[Login("guest", password="right"), Login("second", password="right")])
    name, token = basic(("guest", "right")).split()

    def spell(number: int) -> HTTPConnection:
        return gate.send("/alice/echo/", name + " " * number + token, source)

    before = checked(gate)
    assert [spell(number).getresponse().status for number in range(1, 5)] == [200] * 4
    assert waits(gate, lambda: spell(5)) == 200
    assert checked(gate) == before + 5
    # others behind that address are not concerned: they wait for no slot
    assert gate.get("/alice/echo/", ("second", "right"), source=source).status == 200
    assert guess(gate, source) == 401


def test_a_page_is_not_kept_waiting_for_each_of_its_requests(gate: Rig, strict: Strict) -> None:
    """Behind the address of somebody who guesses: as long as one, and then all are told to come again."""
    strict(0, 2, 300)
    shared = gate.address()
    assert guesses(gate, shared, 2) == [401] * 2
    gate.declare("bob", logins=[Login("page", password="right")])
    guessing = [gate.send("/alice/echo/", basic((f"login{number}", "guess")), shared) for number in range(32)]
    page = [gate.send("/bob/echo/", basic(("page", "right")), shared) for _ in range(6)]
    gate.settle()
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(client.getresponse) for client in page]
        # steps that are longer than one request waits; all six in turn would need six
        for _ in range(4):
            gate.advance(11)
            wait(answers, 5)
    assert len({answer.result().status for answer in answers}) == 1
    for client in guessing:
        client.getresponse()


def test_this_host_is_never_throttled(gate: Rig, strict: Strict) -> None:
    """Everybody who has a shell here is one address: none of them shall slow down the others."""
    strict(2, 3, 300)
    gate.declare("bob", logins=[Login("local", password="right")])
    strangers = [f"stranger{number}" for number in range(8)]
    assert in_turn(gate, (partial(guess, gate, "127.0.9.1", name) for name in strangers)) == [401] * 8
    gate.advance(1)
    assert gate.get("/bob/echo/", ("local", "right"), source="127.0.9.2").status == 200
    # a login is locked, though, whichever of the host's addresses it is tried from
    tried = [gate.get("/bob/echo/", ("b", f"{n}"), source=f"127.0.9.{n + 1}").status for n in range(3)]
    assert tried == [401, 401, 429]


def test_a_lock_ends_and_trying_on_does_not_prolong_it(gate: Rig, strict: Strict) -> None:
    strict(2, 0, 300)
    attacker = gate.address()
    gate.declare("alice", logins=[Login("guest", password="right")])
    assert guesses(gate, attacker, 2, "guest") == [401, 401]
    for _ in range(3):
        assert gate.get("/alice/echo/", ("guest", "right"), source=attacker).status == 429
        gate.advance(70)
    assert gate.get("/alice/echo/", ("guest", "right"), source=attacker).status == 429
    gate.advance(90)
    assert gate.get("/alice/echo/", ("guest", "right"), source=attacker).status == 200
    assert guesses(gate, attacker, 3, "guest") == [401, 401, 429]


def test_old_failures_are_forgotten(gate: Rig, strict: Strict) -> None:
    strict(2, 0, 300)
    attacker = gate.address()
    for _ in range(3):
        assert guess(gate, attacker) == 401
        gate.advance(300)


def test_a_lock_tells_nobody_who_exists(gate: Rig, strict: Strict) -> None:
    strict(3, 0, 300)
    locked = []
    for owner, login in (("alice", "alice"), ("alice", "mallory"), ("nobody", "alice"), ("alice", '\n":x')):
        source = gate.address()
        assert guesses(gate, source, 4, login, owner) == [401, 401, 401, 429]
        locked.append((f"/{owner}/", (login, "x"), source))
    # and takes the time that a refusal takes
    with gate.refusing_after(2), ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda asked: gate.get(*asked[:2], source=asked[2]), locked))
    assert [(answer.status, answer.seconds > 1) for answer in answers] == [(429, True)] * 4


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

    def sign_in(login: Login) -> int:
        return gate.get("/alice/echo/", (login.name, "right"), source=source).status

    assert in_turn(gate, (partial(sign_in, login) for login in logins)) == [200] * 7
    assert guess(gate, source) == 401


def test_without_the_password_checker_nobody_is_locked_out(gate: Rig, strict: Strict) -> None:
    strict(2, 3, 300)
    source = gate.address()
    gate.declare("alice", logins=[Login("guest", password="patient")])
    with gate.configured("vizgate.configure { checker_restart_seconds = 0 }"), gate.without_checker():
        answers = [gate.get("/alice/echo/", ("guest", "patient"), source=source).status for _ in range(5)]
        assert answers == [503] * 5
    gate.advance(1)
    assert gate.get("/alice/echo/", ("guest", "patient"), source=source).status == 200
    assert failures(gate, source) == []


def test_locks_can_be_switched_off(gate: Rig, strict: Strict) -> None:
    strict(0, 0, 300)
    source = gate.address()
    assert in_turn(gate, [partial(guess, gate, source)] * (LIMIT + 1)) == [401] * (LIMIT + 1)


@pytest.mark.parametrize(
    ("wrong", "minimum"),
    [
        ("gateway_lockout_seconds=0", 1),
        ("gateway_lockout_failures=-1", 0),
        ("gateway_throttle_failures=-1", 0),
        ("gateway_login_cache_seconds=0", 1),
    ],
)
def test_limits_below_their_minimum_are_refused(gate: Rig, wrong: str, minimum: int) -> None:
    done = gate.run("ansible-playbook", "-i", str(gate.inventory), "playbooks/site.yml", "-e", wrong)
    assert done.returncode == 2
    assert f"{wrong.replace('=', ' is ')}; the minimum is {minimum} " in done.stdout
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
