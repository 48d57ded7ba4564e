"""Who may pass: equal refusals, remembered verdicts, limited checks, and changes that count on the very next request."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login
from conftest import Backends
from rig import ALICE, BOB, Answer, Credential, Rig, basic, eventually

pytestmark = pytest.mark.alone

REFUSED: dict[str, tuple[str, dict[str, str]]] = {
    "none": ("alice", {}),
    "wrong": ("alice", {"Authorization": basic(("alice", "wrong"))}),
    "capital": ("alice", {"Authorization": basic(("alice", "Wonder"))}),
    "empty": ("alice", {"Authorization": basic(("alice", ""))}),
    "unknown login": ("alice", {"Authorization": basic(("mallory", "wonder"))}),
    "another user's": ("alice", {"Authorization": basic(BOB)}),
    "unknown user": ("nobody", {"Authorization": basic(ALICE)}),
    "unknown user, none": ("nobody", {}),
    "user without logins": ("carol", {"Authorization": basic(ALICE)}),
    "not base64": ("alice", {"Authorization": "Basic !!!"}),
    "no scheme": ("alice", {"Authorization": "alice"}),
    "nothing in it": ("alice", {"Authorization": ""}),
    "another scheme": ("alice", {"Authorization": "Bearer " + basic(ALICE)[6:]}),
    "very long": ("alice", {"Authorization": basic(("alice", "x" * 5000))}),
}


def anonymous(answer: Answer, user: str) -> tuple[int, list[tuple[str, str]], str]:
    """A refusal without what has to differ: its time, and the user's name that the client itself wrote."""
    headers = [
        (name, value.replace(f"vizgate {user}", "vizgate USER")) for name, value in answer.headers if name != "Date"
    ]
    return answer.status, headers, answer.text


def test_all_refusals_are_alike(gate: Rig, backends: Backends) -> None:
    """Whatever is missing or wrong, and whether or not user and link exist, the answer is the same."""
    gate.declare("carol", [Link("echo", backends.alice.port)])

    def ask(case: tuple[str, str]) -> tuple[int, list[tuple[str, str]], str]:
        user, headers = REFUSED[case[0]]
        return anonymous(gate.get(f"/{user}{case[1]}", headers=headers, source=gate.address()), user)

    cases = list(itertools.product(REFUSED, ["", "/", "/echo/", "/nolink/", "/-/status/echo"]))
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(cases, pool.map(ask, cases), strict=True))
    status, headers, text = usual = found["none", "/"]
    assert (status, dict(headers)["WWW-Authenticate"]) == (401, 'Basic realm="vizgate USER", charset="UTF-8"')
    assert "Log in" in text
    assert {case: answer for case, answer in found.items() if answer != usual} == {}
    assert backends.alice.seen == []


def test_a_refusal_takes_the_same_time_for_all(gate: Rig) -> None:
    """Hashed or not: otherwise the clock would tell which users and logins exist."""
    asked = {"hashed": ("alice", "alice"), "no such login": ("alice", "mallory"), "no such user": ("nobody", "alice")}

    def quickest(what: str) -> float:
        """Seconds; on a busy machine any of them may be late."""
        user, login = asked[what]
        return min(gate.get(f"/{user}/", (login, f"{what}{n}"), source=gate.address()).seconds for n in range(3))

    with gate.refusing_after(2), ThreadPoolExecutor(3) as pool:
        seconds = list(pool.map(quickest, asked))
    assert min(seconds) > 1
    assert max(seconds) - min(seconds) < 0.5


def test_a_good_password_is_checked_once(gate: Rig) -> None:
    gate.declare("alice", logins=[Login("guest", password="once")])
    before = len(gate.checks())
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: gate.get("/alice/echo/", ("guest", "once")).status, range(60)))
    assert set(answers) == {200}
    assert len(gate.checks()) == before + 1


def test_a_bad_password_is_checked_once(gate: Rig) -> None:
    before = len(gate.checks())
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: gate.get("/alice/echo/", ("alice", "twice")).status, range(20)))
    assert set(answers) == {401}
    assert len(gate.checks()) == before + 1


@pytest.mark.parametrize("host", [False, True], ids=["one address", "all addresses of this host"])
def test_few_passwords_of_one_client_are_checked(gate: Rig, backends: Backends, host: bool) -> None:
    """A flood of ever new passwords: five a second reach the checker at most, and nobody else notices."""
    flood, bystander = "127.0.7.1" if host else gate.address(), gate.address()
    assert gate.get("/bob/echo/", BOB, source=flood).status == 200
    gate.declare("alice", logins=[Login("late", password="comer")])
    before = len(gate.checks())

    def attack(number: int) -> Answer:
        source = f"127.0.{number}.1" if host else flood
        return gate.get("/alice/echo/", (f"login{number}", "wrong"), source=source)

    def checked() -> int:
        return len([line for line in gate.checks()[before:] if line.endswith("alice 401")])

    with gate.stopped_clock(), ThreadPoolExecutor(80) as pool:
        waiting = [pool.submit(attack, number) for number in range(80)]
        for seconds in (1, 2, 3):
            eventually(lambda seconds=seconds: checked() >= 5 * seconds)
            assert checked() == 5 * seconds
            # while all others wait
            assert gate.get("/alice/echo/", ("late", "comer"), source=bystander).status == 200
            assert gate.get("/bob/echo/", BOB, source=flood).status == 200, "a remembered login needs no check"
            gate.advance(1)
        steps = 0
        while wait(waiting, 0.5).not_done:
            gate.advance(11)
            steps += 1
    answers = [future.result() for future in waiting]
    assert {answer.status for answer in answers} == {401, 429}
    assert checked() <= 5 * (4 + steps)
    page = next(answer for answer in answers if answer.status == 429)
    assert "Too many login attempts" in page.text
    assert page.all("WWW-Authenticate") == []
    assert all(request.target == "/" for request in backends.alice.seen)


@pytest.mark.parametrize(
    ("settings", "seconds"), [([], 12 * 3600), (["vizgate.configure { accepted_seconds = 1000 }"], 1000)]
)
def test_an_accepted_password_is_remembered_for_as_long_as_is_set(gate: Rig, settings: list[str], seconds: int) -> None:
    """By default for half a day after its last use, so that nobody waits again after lunch."""
    with gate.stopped_clock(*settings):
        before, source = len(gate.checks()), gate.address()
        for _ in range(3):
            assert gate.get("/bob/echo/", BOB, source=source).status == 200
            gate.advance(seconds - 200)
        assert len(gate.checks()) == before + 1
        gate.advance(200)
        assert gate.get("/bob/echo/", BOB, source=source).status == 200
        assert len(gate.checks()) == before + 2


def test_a_changed_password_counts_at_once(gate: Rig) -> None:
    """One connection kept open: a change of logins counts for its next request."""
    old, new = ("guest", "old"), ("guest", "new")

    def statuses(*credentials: Credential) -> list[int]:
        return [gate.get("/alice/echo/", one, over=connection).status for one in credentials]

    connection = gate.connect(gate.address())
    gate.declare("alice", logins=[Login("guest", password="old")])
    assert statuses(old, old, new) == [200, 200, 401]
    gate.declare("alice", logins=[Login("guest", password="new")])
    assert statuses(old, new, ALICE) == [401, 200, 200]
    gate.declare("alice", logins=[Login("guest", password="old")])
    assert statuses(new, old) == [401, 200]
    gate.declare("alice")
    assert statuses(old, new, ALICE) == [401, 401, 200]
    connection.close()


def test_a_removed_user_is_a_stranger(gate: Rig, backends: Backends) -> None:
    gate.declare("dave", [Link("echo", backends.alice.port)], [Login("dave", password="door")])
    connection = gate.connect(gate.address())
    login = ("dave", "door")
    assert gate.get("/dave/echo/", login, over=connection).status == 200
    gate.declare("dave")
    gone = gate.get("/dave/echo/", login, over=connection)
    assert gone.status == gate.get("/dave/", login, over=connection).status == 401
    assert anonymous(gone, "dave") == anonymous(gate.get("/nobody/", login, over=connection), "nobody")
    connection.close()
    gate.restart()
    assert gate.get("/dave/echo/", login, source=gate.address()).status == 401


@pytest.mark.parametrize(
    "password", ["-", "colon:s:in it", "ünïcödé ☃", "  spaces  ", "\"quotes'\\", "$2y$10$x", "%2F&<>", "x" * 72]
)
def test_any_password_logs_in(gate: Rig, password: str) -> None:
    gate.declare("alice", logins=[Login("guest", password=password)])
    answers = [
        gate.get("/alice/", ("guest", tried), source=gate.address()).status for tried in (password, "-" + password)
    ]
    assert answers == [200, 401]


def test_without_the_password_checker(gate: Rig, backends: Backends) -> None:
    """Who is known stays in; who is new is told that it is not the password."""
    gate.declare("alice", logins=[Login("guest", password="late")])
    assert gate.get("/alice/echo/", ALICE).status == 200
    with gate.configured("vizgate.configure { checker_restart_seconds = 0 }"), gate.without_checker():
        answer = gate.get("/alice/echo/", ("guest", "late"), source=gate.address())
        assert (answer.status, "Passwords cannot be checked right now" in answer.text) == (503, True)
        assert gate.get("/alice/echo/", ALICE).status == 200
    assert gate.get("/alice/echo/", ("guest", "late"), source=gate.address()).status == 200
    assert len(backends.alice.seen) == 3


def test_a_restart_of_the_password_checker_is_waited_for(gate: Rig) -> None:
    gate.declare("alice", logins=[Login("guest", password="patient")])
    log = gate.root / "var/log/nginx/error.log"
    before = log.stat().st_size
    with ThreadPoolExecutor(1) as pool, gate.without_checker():
        answer = pool.submit(gate.get, "/alice/echo/", ("guest", "patient"), source=gate.address())
        # it has been asked, in vain
        eventually(lambda: b"password.sock failed" in log.read_bytes()[before:])
    assert answer.result().status == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["If-None-Match: *", "If-Match: x", "If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT"],
        ["Range: bytes=0-", "Expect: 100-continue", "X-HTTP-Method-Override: PUT"],
        [f"X-Big-{number}: {'x' * 7000}" for number in range(4)],
        [f"X-Many-{number}: {'x' * 300}" for number in range(80)],
    ],
    ids=["conditions", "range", "big", "many"],
)
def test_a_clients_other_headers_do_not_change_the_verdict(gate: Rig, lines: list[str]) -> None:
    gate.declare("alice", logins=[Login("guest", password="right")])
    assert gate.raw("/alice/echo/", ("guest", "right"), *lines).status == 200
    assert gate.raw("/alice/echo/", ("guest", "wrong"), *lines).status == 401


def test_the_checker_yields_the_processor_to_the_proxy(gate: Rig) -> None:
    # "nice" counts within a session; autogroup is what the kernel goes by between the checker's and the proxy's
    pid = (gate.root / "run/vizgate/auth/nginx.pid").read_text().strip()
    autogroup = Path("/proc", pid, "autogroup")
    proxy = os.getpriority(os.PRIO_PROCESS, gate.master())
    assert os.getpriority(os.PRIO_PROCESS, int(pid)) == min(proxy + 10, 19)
    assert not autogroup.exists() or autogroup.read_text().split()[-2:] == ["nice", "5"]
