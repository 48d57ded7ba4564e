# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases: in which order what happens, and that whatever goes wrong, the release before serves on. The host is made up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import SOURCE, Outcome, Settings
from ansible_collections.vizgate.gateway.tests.unit.core.apps.fake_host import STEPS, TASKS, FakeHost, serves, unit
from ansible_collections.vizgate.gateway.tests.unit.support import Control, data


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
    assert seen == [f"{unit(1)} {unit(2)}"], "both run while the link is published"
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
