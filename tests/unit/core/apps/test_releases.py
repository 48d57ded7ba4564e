# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases: in which order what happens, and that whatever goes wrong, the release before serves on. The host is made up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps import deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.host import Host
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import SOURCE, Outcome, Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.step_runner import GRACE_SECONDS
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import CommandFailed, Exceeded
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App
from ansible_collections.vizgate.gateway.plugins.module_utils._core.selfservice.dispatch import answer
from ansible_collections.vizgate.gateway.tests.unit.support import Control, data

TASKS = App("tasks", "/srv/git/tasks.git", "wsgi:app", version="v1", migrate="flask db upgrade")
STEPS = ["fetch", "build", "migrate"]


class FakeHost(Host):
    """A host on which steps end as a test wants, and units are names."""

    def __init__(self) -> None:
        self.accounts = {"alice": (1501, 1501, "/home/alice"), "bob": (1502, 1502, "/home/bob")}
        self.did: list[str] = []
        self.files: dict[str, str] = {}
        self.running: set[str] = set()
        self.enabled: set[str] = set()
        self.programs: dict[str, str] = {}
        """Those of the owner's supervisord, and how each is."""
        self.codes: dict[str, int] = {}
        self.refused: set[str] = set()
        self.databases: dict[str, str] = {"alice_tasks": "alice"}
        """Of each its owner."""
        self.restarts = 0
        self.answer: int | str = 200
        self.commit = "c" * 40
        self.asked: list[tuple[str, str]] = []
        self.time = 0.0
        self.during: Callable[[str], None] = lambda step: None

    def account(self, user: str) -> tuple[int, int, str] | None:
        return self.accounts.get(user)

    @staticmethod
    def home_problem(user: str, home: str) -> str | None:
        return "others may write to /lab" if home.startswith("/lab/") else None

    def run(self, command: Any, seconds: float) -> tuple[int, str, list[str]]:
        words = list(command)
        step = words[words.index("/bin/sh") + 3]
        assert f"RuntimeMaxSec={seconds - GRACE_SECONDS}" in words
        for file in [word.partition("=")[2] for word in words if word.startswith("EnvironmentFile=")]:
            assert os.stat(file).st_mode & 0o777 == 0o600
        if step == "tail":
            assert "--home" in words, "restricted, as it may be a link to a key, and administrators see what is read"
            return 0, "", ["the app says hello"]
        self.did.append(step)
        try:
            self.during(step)
        except Exceeded as error:
            return -1, str(error), []
        said = {
            "fetch": [f"commit {self.commit}"],
            "state": [f"{name} {how}" for name, how in self.programs.items()],
        }
        return self.codes.get(step, 0), "", [f"{step} says hello", *said.get(step, [])]

    def systemctl(self, *words: str, check: bool = True) -> str:
        action, unit = words[0], words[-1]
        if action in ("start", "stop", "enable", "disable"):
            self.did.append(f"{action} {unit.rsplit(':', 1)[-1].removesuffix('.service')}")
        if action == "start":
            if unit in self.refused or unit not in self.files:
                raise CommandFailed(f"{unit} does not start")
            self.running.add(unit)
        elif action == "stop" or "--now" in words:
            self.running.discard(unit)
        if action == "enable":
            self.enabled.add(unit)
        elif action == "disable":
            self.enabled.discard(unit)
        return ""

    def state(self, unit: str) -> tuple[str, int]:
        return ("active" if unit in self.running else "inactive"), self.restarts

    def units(self, prefix: str) -> list[str]:
        return sorted(unit for unit in self.files if unit.startswith(prefix))

    def write_unit(self, unit: str, text: str) -> None:
        self.files[unit] = text

    def remove_unit(self, unit: str) -> None:
        self.files.pop(unit, None)
        self.running.discard(unit)
        self.enabled.discard(unit)

    def is_enabled(self, unit: str) -> bool:
        return unit in self.enabled

    def journal(self, unit: str) -> list[str]:
        return ["systemd says something"]

    def ask(self, path: str, url: str, headers: dict[str, str]) -> int | str:
        self.asked.append((path, url))
        return self.answer

    def database_owner(self, name: str) -> str:
        if "psql" in self.refused:
            raise CommandFailed(f"PostgreSQL does not say who owns database {name}")
        return self.databases.get(name, "")

    def drop_database(self, name: str) -> None:
        if "dropdb" in self.refused:
            raise CommandFailed(f"database {name} was not dropped")
        self.did.append(f"drop {name}")

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def now(self) -> float:
        return self.time


@pytest.fixture
def host() -> FakeHost:
    """A host where all goes well."""
    return FakeHost()


@pytest.fixture
def deploy(gateway: Gateway, control: Control, host: FakeHost) -> Callable[..., Outcome]:
    """Brings alice's apps to where they are declared."""

    def deploy(*apps: App, settings: Settings | None = None, **options: Any) -> Outcome:
        return Deployer(gateway, settings or Settings(), host).converge({"alice": apps} if apps else {}, **options)

    return deploy


def serves(control: Control, name: str = "tasks") -> str:
    """The socket that nginx leads an app's visitors to."""
    return control.entries.get(f"alice/{name}", "").rpartition("/")[2]


def unit(number: int, name: str = "tasks") -> str:
    """A release's unit."""
    return f"vizgate-app-alice:{name}:{number}.service"


def test_first_release(deploy: Callable[..., Outcome], control: Control, host: FakeHost) -> None:
    outcome = deploy(TASKS)
    assert outcome.problems == []
    assert [(step["action"], step["app"], step["now"]) for step in outcome.plan] == [
        ("deploy", "alice/tasks", "release 1 (v1, cccccccccc)")
    ]
    assert [did for did in host.did if not did.startswith("stop")] == [*STEPS, "start 1", "enable 1"]
    assert serves(control) == "tasks.1.sock"
    assert host.asked[0][1] == "/alice/tasks/"


def test_second_run_changes_nothing(deploy: Callable[..., Outcome], host: FakeHost) -> None:
    deploy(TASKS)
    host.did.clear()
    assert deploy(TASKS) == Outcome([], [])
    assert host.did == []


def test_update_switches_before_it_reaps(deploy: Callable[..., Outcome], control: Control, host: FakeHost) -> None:
    deploy(TASKS)
    host.did.clear()
    seen: list[str] = []
    control.before = lambda: seen.append(" ".join(sorted(host.running)))
    deploy(TASKS._replace(version="v2"))
    assert [did for did in host.did if did != "stop vizgate-app-step-alice:tasks"][-4:] == [
        "start 2",
        "enable 2",
        "disable 1",
        "stop 1",
    ]
    assert seen == [f"{unit(1)} {unit(2)}"], "both run while nginx is told"
    assert serves(control) == "tasks.2.sock"
    assert host.running == host.enabled == {unit(2)}


@pytest.mark.parametrize("step", STEPS)
def test_step_that_fails(deploy: Callable[..., Outcome], control: Control, host: FakeHost, step: str) -> None:
    deploy(TASKS)
    host.codes[step] = 3
    (problem,) = deploy(TASKS._replace(version="v2")).problems
    assert problem.startswith(f"app alice/tasks: step {step}: exit code 3; in ")
    assert f"\n    {step} says hello" in problem
    assert serves(control) == "tasks.1.sock"
    assert host.running == host.enabled == set(host.files) == {unit(1)}


def test_step_that_takes_too_long(deploy: Callable[..., Outcome], host: FakeHost) -> None:
    host.codes["build"] = 1
    host.during = lambda step: host.sleep(901 if step == "build" else 0)
    (problem,) = deploy(TASKS).problems
    assert problem.startswith("app alice/tasks: step build: not done after 900 s")


def failing(host: FakeHost, how: str) -> str:
    """Makes the second release fail in a way; what is to be said about that."""
    if how == "start":
        host.refused.add(unit(2))
        return "step start: release 2 does not start"
    if how == "crash":
        host.restarts = 3
        return "step health: the app does not keep running: release 2 is active after 3 restarts"
    if how == "status":
        host.answer = 500
        return "step health: GET /alice/tasks/healthz did not succeed within 60 s; last result: status 500"
    host.answer = "Connection refused"
    return "step health: GET /alice/tasks/healthz did not succeed within 60 s; last result: Connection refused"


@pytest.mark.parametrize("how", ["start", "crash", "status", "silence"])
def test_release_that_is_not_well(deploy: Callable[..., Outcome], control: Control, host: FakeHost, how: str) -> None:
    app = TASKS._replace(health="/healthz")
    deploy(app)
    expected = failing(host, how)
    (problem,) = deploy(app._replace(version="v2")).problems
    assert problem.startswith(f"app alice/tasks: {expected}")
    assert "systemd says something" in problem
    assert serves(control) == "tasks.1.sock"
    assert host.running == host.enabled == set(host.files) == {unit(1)}


@pytest.mark.parametrize(
    ("health", "answer", "well"), [("", 404, True), ("", 500, False), ("/h", 302, True), ("/h", 404, False)]
)
def test_what_counts_as_well(
    deploy: Callable[..., Outcome], host: FakeHost, health: str, answer: int, well: bool
) -> None:
    host.answer = answer
    assert (deploy(TASKS._replace(health=health)).problems == []) is well


def test_switch_that_nginx_does_not_serve(deploy: Callable[..., Outcome], control: Control, host: FakeHost) -> None:
    deploy(TASKS)
    control.status = 500
    (problem,) = deploy(TASKS._replace(version="v2")).problems
    assert problem.startswith("app alice/tasks: step switch: nginx does not serve")
    control.status = 200
    assert serves(control) == "tasks.1.sock"
    assert host.running == {unit(1)}


def test_failure_is_tried_again_with_another_number(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost
) -> None:
    host.codes["migrate"] = 1
    deploy(TASKS)
    host.codes.clear()
    assert deploy(TASKS).problems == []
    assert serves(control) == "tasks.2.sock"


def test_one_apps_failure_is_its_own(deploy: Callable[..., Outcome], control: Control, host: FakeHost) -> None:
    host.refused.add(unit(1))
    outcome = deploy(TASKS, TASKS._replace(name="other"))
    assert len(outcome.problems) == 1
    assert (serves(control), serves(control, "other")) == ("", "other.1.sock")


@pytest.mark.parametrize("when", [*STEPS, "switch"])
def test_killed_anywhere_the_next_run_mends(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    def die(*_arguments: object) -> None:
        raise Killed

    deploy(TASKS)
    with monkeypatch.context() as patch:
        patch.setattr(Deployer, "_discard", lambda *_arguments: None)
        if when == "switch":
            patch.setattr(Deployer, "_settle", die)
        else:
            host.during = lambda step: die() if step == when else None
        with pytest.raises(Killed):
            deploy(TASKS._replace(version="v2"))
    host.during = lambda step: None
    serving = serves(control)
    assert f"vizgate-app-alice:tasks:{serving.split('.')[1]}.service" in host.running, "whatever serves, runs"
    assert deploy(TASKS._replace(version="v2")).problems == []
    number = int(serves(control).split(".")[1])
    assert host.running == host.enabled == {unit(number)}
    assert deploy(TASKS._replace(version="v2")) == Outcome([], [])


def test_releases_beyond_those_kept_go(deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost) -> None:
    for number in range(5):
        deploy(TASKS._replace(version=f"v{number}"), settings=Settings(keep_releases=2))
    assert set(host.files) == {unit(4), unit(5)}
    files = sorted(
        path.name for path in Path(gateway.paths.state, "apps", "alice").iterdir() if path.name[6:7].isdigit()
    )
    assert files == ["tasks.4.env", "tasks.5.env"]
    assert host.did.count("reap") == 3


def test_roll_back_holds_until_something_else_is_declared(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    later = TASKS._replace(version="v2")
    deploy(later)
    outcome = Deployer(gateway, Settings(), host).roll_back("alice", "tasks")
    assert [(step["action"], step["now"]) for step in outcome.plan] == [("roll back", "release 1 (v1, cccccccccc)")]
    assert serves(control) == "tasks.1.sock"
    assert host.running == host.enabled == {unit(1)}
    assert deploy(later) == Outcome([], [])
    deploy(TASKS._replace(version="v3"))
    assert serves(control) == "tasks.3.sock"


def test_roll_back_to_what_is_not_well(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    deploy(TASKS._replace(version="v2"))
    host.answer = 500
    (problem,) = Deployer(gateway, Settings(), host).roll_back("alice", "tasks").problems
    assert problem.startswith("app alice/tasks: step health: ")
    assert serves(control) == "tasks.2.sock"
    assert host.running == {unit(2)}


@pytest.mark.parametrize(
    ("user", "name", "number", "text"),
    [
        ("alice", "tasks", 0, "app alice/tasks: there is no earlier release to roll back to; kept releases: none"),
        ("alice", "tasks", 9, "app alice/tasks: there is no release 9 to roll back to; kept releases: none"),
        ("alice", "none", 0, "app alice/none: it has no active release; deploy it first"),
        ("nobody-here", "tasks", 0, "app nobody-here/tasks: user 'nobody-here' has apps, but no account on this host"),
    ],
)
def test_roll_back_to_nothing(
    deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost, user: str, name: str, number: int, text: str
) -> None:
    deploy(TASKS)
    (problem,) = Deployer(gateway, Settings(), host).roll_back(user, name, number).problems
    assert problem.startswith(text)


def test_update_follows_a_branch_and_converge_does_not(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    host.commit = "d" * 40
    assert deploy(TASKS) == Outcome([], [])
    (step,) = deploy(TASKS, update=True, only="alice/tasks").plan
    assert (step["was"], step["now"]) == ("release 1 (v1, cccccccccc)", "release 2 (v1, dddddddddd)")
    assert serves(control) == "tasks.2.sock"


def test_update_without_anything_new_changes_nothing(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    assert deploy(TASKS, update=True) == Outcome([], [])
    assert serves(control) == "tasks.1.sock"
    assert set(host.files) == {unit(1)}


def test_update_of_what_is_not_declared(deploy: Callable[..., Outcome]) -> None:
    assert deploy(TASKS, only="alice/other").problems == ["app alice/other is not declared in any users file"]


def test_check_mode_touches_nothing(deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost) -> None:
    outcome = deploy(TASKS, check=True)
    assert [step["action"] for step in outcome.plan] == ["deploy"]
    assert (host.did, host.files) == ([], {})
    assert not os.path.exists(os.path.join(gateway.paths.state, "apps"))
    deploy(TASKS)
    assert [step["action"] for step in deploy(TASKS._replace(version="v2"), check=True).plan] == ["update"]
    (step,) = deploy(check=True).plan
    assert (step["action"], step["data"]) == ("remove", "kept in /home/alice/apps/tasks/shared")
    assert host.running == {unit(1)}


def test_app_that_is_not_declared_any_more_goes_and_its_data_stay(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    app = TASKS._replace(secrets=(("KEY", "generate"),))
    deploy(app)
    secret = Path(gateway.paths.state, "apps", "alice", "tasks.secrets")
    before = secret.read_text(encoding="utf-8")
    host.did.clear()
    (step,) = deploy().plan
    assert step["data"] == "kept in /home/alice/apps/tasks/shared"
    assert (serves(control), host.files, host.running) == ("", {}, set())
    assert host.did == ["remove"]
    deploy(app)
    assert secret.read_text(encoding="utf-8") == before
    deploy(settings=Settings(remove_data=True))
    assert not secret.exists()


def test_database_stays_unless_data_are_to_go(deploy: Callable[..., Outcome], host: FakeHost) -> None:
    deploy(TASKS._replace(database="postgresql"))
    (step,) = deploy().plan
    assert step["data"] == "kept in /home/alice/apps/tasks/shared, and database alice_tasks"
    assert "drop alice_tasks" not in host.did
    # also if the app has gone to another meanwhile, and could be rolled back to it
    deploy(TASKS._replace(database="postgresql"))
    deploy(TASKS)
    (step,) = deploy(settings=Settings(remove_data=True), check=True).plan
    assert (step["data"], "drop alice_tasks" in host.did) == ("removed, and database alice_tasks", False)
    deploy(settings=Settings(remove_data=True))
    assert host.did.count("drop alice_tasks") == 1


def test_database_that_cannot_be_dropped_is_not_forgotten(deploy: Callable[..., Outcome], host: FakeHost) -> None:
    deploy(TASKS._replace(database="postgresql"))
    host.refused.add("dropdb")
    assert deploy(settings=Settings(remove_data=True)).problems == [
        "app alice/tasks: database alice_tasks was not dropped"
    ]
    host.refused.clear()
    assert deploy(settings=Settings(remove_data=True)).problems == []
    assert "drop alice_tasks" in host.did


def test_app_does_not_open_a_database_of_somebody_else(deploy: Callable[..., Outcome], host: FakeHost) -> None:
    host.databases = {"alice_tasks": "bob"}
    outcome = deploy(TASKS._replace(database="postgresql"))
    assert outcome.problems == [
        "app alice/tasks: database alice_tasks belongs to 'bob'; rename or drop it, or give the app another name"
    ]
    assert host.did == []
    host.databases = {"alice_tasks": "alice"}
    assert deploy(TASKS._replace(database="postgresql")).problems == []


def test_app_opens_no_database_that_is_not_there_or_whose_owner_is_unknown(
    deploy: Callable[..., Outcome], host: FakeHost
) -> None:
    host.databases = {}
    assert deploy(TASKS._replace(database="postgresql"), check=True).problems == [], "it may be made in the same run"
    assert deploy(TASKS._replace(database="postgresql")).problems == [
        "app alice/tasks: database alice_tasks does not exist; role database creates it, or reports why it cannot"
    ]
    host.databases = {"alice_tasks": "alice"}
    host.refused.add("psql")
    assert deploy(TASKS._replace(database="postgresql")).problems == [
        "app alice/tasks: PostgreSQL does not say who owns database alice_tasks"
    ]
    assert host.did == []


def test_app_of_an_account_that_is_gone_goes_too(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost
) -> None:
    deploy(TASKS)
    del host.accounts["alice"]
    assert deploy().problems == []
    assert (serves(control), host.files) == ("", {})


def test_app_that_was_stopped_is_started(deploy: Callable[..., Outcome], host: FakeHost) -> None:
    deploy(TASKS)
    host.running.clear()
    host.enabled.clear()
    assert [step["action"] for step in deploy(TASKS).plan] == ["start"]
    assert host.running == host.enabled == {unit(1)}


def test_secrets_are_roots_alone(deploy: Callable[..., Outcome], gateway: Gateway) -> None:
    deploy(TASKS._replace(secrets=(("KEY", "generate"), ("TOKEN", "given"))))
    folder = Path(gateway.paths.state, "apps", "alice")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir() if path.suffix != ".lock"} == {0o600}
    text = (folder / "tasks.1.env").read_text(encoding="utf-8")
    assert 'TOKEN="given"' in text
    assert len(text.split('KEY="')[1].split('"')[0]) >= 40
    assert "given" not in (folder / "tasks.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("account", "text"),
    [
        (None, "user 'alice' has apps, but no account on this host; role accounts creates it"),
        ((0, 0, "/root"), "user 'alice' has uid 0 and cannot have apps"),
        (
            (5, 5, "/home/a b"),
            "user 'alice': the home '/home/a b' has characters other than letters, digits, '.', '_', '-' and '/'",
        ),
        ((1501, 1501, "/lab/alice"), "others may write to /lab"),
    ],
)
def test_accounts_that_have_no_apps(
    deploy: Callable[..., Outcome], host: FakeHost, account: tuple[int, int, str] | None, text: str
) -> None:
    host.accounts = {"alice": account} if account else {}
    assert deploy(TASKS).problems == [f"app alice/tasks: {text}"]


def test_name_that_a_link_has(deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost) -> None:
    gateway.declare("self", lambda registry: {"alice": data({"name": "tasks", "port": 8097})})
    assert deploy(TASKS).problems == [
        "app alice/tasks: a link of this name belongs to source 'self'; remove it there, or rename the app"
    ]
    assert host.did == []


def test_two_at_a_time_are_refused(deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost) -> None:
    said: list[str] = []

    def again(step: str) -> None:
        if step == "build" and not said:
            said.append("")
            said[:] = Deployer(gateway, Settings(), FakeHost()).converge({"alice": (TASKS,)}).problems

    host.during = again
    assert deploy(TASKS).problems == []
    assert said == ["app alice/tasks: somebody else is changing this app now; try again when that is done"]


def test_url_style_subdomain(gateway: Gateway, control: Control, host: FakeHost) -> None:
    policy = Path(gateway.paths.policy)
    policy.write_text(
        policy.read_text(encoding="utf-8").replace("{", '{"url_style": "subdomain", ', 1), encoding="utf-8"
    )
    place = Deployer(gateway, Settings(), host).store.place("alice", "tasks")
    assert (place.prefix, place.url) == ("/tasks", "http://alice.gate:1234/tasks")


def test_sources_of_others_are_left_alone(deploy: Callable[..., Outcome], gateway: Gateway, control: Control) -> None:
    gateway.declare(SOURCE, lambda registry: {"bob": data({"name": "x", "port": 8097})})
    deploy(TASKS)
    assert "bob/x" in control.entries


# under the owner's supervisord

SUPERVISED = TASKS._replace(supervisor="supervisord")
SUPERVISOR_UNIT = "vizgate-supervisord@alice.service"


def test_release_under_supervisord(deploy: Callable[..., Outcome], control: Control, host: FakeHost) -> None:
    host.programs = {"tasks.1": "RUNNING", "tasks.2": "RUNNING"}
    host.files[SUPERVISOR_UNIT] = ""
    assert deploy(SUPERVISED).problems == []
    assert serves(control) == "tasks.1.sock"
    assert SUPERVISOR_UNIT in host.enabled & host.running
    host.did.clear()
    assert deploy(SUPERVISED) == Outcome([], [])
    assert host.did == ["state"]
    host.did.clear()
    deploy(SUPERVISED._replace(version="v2"))
    steps = [did for did in host.did if " " not in did and did != "state"]
    assert steps == ["sweep", *STEPS, "prepare", "start", "retire"]
    assert set(host.files) == {SUPERVISOR_UNIT}, "no units of releases"


@pytest.mark.parametrize("how", ["BACKOFF", "FATAL", ""])
def test_program_that_does_not_stay_up(
    deploy: Callable[..., Outcome], control: Control, host: FakeHost, how: str
) -> None:
    host.files[SUPERVISOR_UNIT] = ""
    host.programs = {"tasks.1": how} if how else {}
    host.answer = "Connection refused"
    (problem,) = deploy(SUPERVISED).problems
    assert problem.startswith("app alice/tasks: step health: the app does not keep running: release 1 is ")
    assert host.did[-2:] == ["remove", "reap"]


def test_from_systemd_to_supervisord_and_back(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    host.files[SUPERVISOR_UNIT] = ""
    host.programs = {"tasks.2": "RUNNING"}
    deploy(TASKS)
    deploy(SUPERVISED)
    assert serves(control) == "tasks.2.sock"
    assert unit(1) not in host.running
    host.did.clear()
    Deployer(gateway, Settings(), host).roll_back("alice", "tasks")
    assert serves(control) == "tasks.1.sock"
    assert unit(1) in host.running
    assert host.did[-1] == "retire"
    deploy()
    assert (set(host.files), "sweep" in host.did) == ({SUPERVISOR_UNIT}, True)


# what owners ask for


def ask(gateway: Gateway, host: FakeHost, monkeypatch: pytest.MonkeyPatch, **request: Any) -> dict[str, Any]:
    """What the helper answers alice."""
    monkeypatch.setattr(deployer, "Host", lambda: host)
    return answer(gateway, "alice", request)


def test_owner_sees_apps_and_releases(
    deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(gateway, host, monkeypatch, do="apps") == {"apps": []}
    deploy(TASKS)
    deploy(TASKS._replace(version="v2"))
    (app,) = ask(gateway, host, monkeypatch, do="apps")["apps"]
    assert (app["name"], app["url"], app["state"]) == ("tasks", "http://gate:1234/alice/tasks/", "active")
    assert (app["release"], app["version"]) == (2, "v2")
    assert [release["version"] for release in app["releases"]] == ["v1", "v2"]


def test_owner_restarts_own_apps_alone(
    deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(TASKS)
    Deployer(gateway, Settings(), host).converge({"alice": (TASKS,), "bob": (TASKS._replace(name="bobs"),)})
    assert ask(gateway, host, monkeypatch, do="restart_app", name="tasks") == {"release": 1}
    for name in ("bobs", "../bob/bobs", ""):
        (problem,) = ask(gateway, host, monkeypatch, do="restart_app", name=name)["problems"]
        assert problem == f"you have no app {name!r}; your apps: tasks"
    host.answer = 500
    told = ask(gateway, host, monkeypatch, do="restart_app", name="tasks")["unavailable"]
    assert told.startswith("app 'tasks': step health: GET /alice/tasks/ did not succeed within 30 s")


def test_owner_reads_own_logs_alone(
    deploy: Callable[..., Outcome], gateway: Gateway, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(TASKS)
    for which, name in (("app", "tasks.log"), ("build", "tasks.build.log")):
        told = ask(gateway, host, monkeypatch, do="app_log", name="tasks", which=which)
        assert told == {"path": f"/home/alice/apps/tasks/log/{name}"}
    assert "problems" in ask(gateway, host, monkeypatch, do="app_log", name="../bob/x", which="app")


def test_who_leaves_leaves_nothing_outside_of_the_home(
    deploy: Callable[..., Outcome], gateway: Gateway, control: Control, host: FakeHost
) -> None:
    app = TASKS._replace(secrets=(("KEY", "generate"),))
    Deployer(gateway, Settings(), host).converge({"alice": (app,), "bob": (app,)})
    host.enabled.add(SUPERVISOR_UNIT)
    host.running.add(SUPERVISOR_UNIT)
    outcome = Deployer(gateway, Settings(forget=True), host).remove("alice")
    assert SUPERVISOR_UNIT not in host.enabled | host.running
    assert [(step["app"], step["data"]) for step in outcome.plan] == [
        ("alice/tasks", "kept in /home/alice/apps/tasks/shared")
    ]
    assert not os.path.exists(os.path.join(gateway.paths.state, "apps", "alice"))
    assert set(control.entries) - {key for key, value in control.entries.items() if not value} == {"bob/tasks"}
