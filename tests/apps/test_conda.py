"""An app whose environment is made of conda packages, by the real rattler and uv, from a channel that the test has made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.deployer import Deployer
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Outcome
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App
from live import ALICE, HERE, LocalHost, deployer, git
from rig import Rig

ROOT = HERE.parents[1]
HELLO = """\
import json
import os
import sys

import blinker
import greeting
import itsdangerous


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    found = {"greeting": greeting.GREETING, "prefix": sys.prefix, "conda": os.environ["CONDA_PREFIX"]}
    return [json.dumps(found).encode()]
"""
ENVIRONMENT = """\
name: hello
channels: [%s]
dependencies:
  - python>=3
  - greeting=1
  - pip:
      - -r more.txt
"""


def role(folder: Path, *options: str) -> dict[str, Any]:
    """Lets the role install what makes environments, into a folder; what Ansible counted."""
    (folder / "play.yml").write_text(
        json.dumps([{
            "hosts": "localhost", "connection": "local", "gather_facts": False,
            "tasks": [{"include_role": {"name": "vizgate.gateway.apps", "tasks_from": "conda"}}],
        }])
    )  # fmt: skip
    # extra variables go before a role's own
    given = {"__apps_conda": str(folder / "conda"), "__apps_uv": sys.prefix, "apps_python": sys.executable}
    given["ansible_python_interpreter"] = sys.executable
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", *options, "-e", json.dumps(given), folder / "play.yml"],
        cwd=ROOT, env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "json"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])["stats"]["localhost"]
    return found


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that makes environments, as the role installs it."""
    folder = tmp_path_factory.mktemp("role")
    assert role(folder, "--check")["changed"] == 2
    assert not (folder / "conda").exists()
    assert role(folder)["changed"] == 2
    assert role(folder)["changed"] == 0
    return folder / "conda" / "bin" / "conda-environment"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a channel with `python`, `greeting` and `alone`."""
    folder = tmp_path_factory.mktemp("channel")
    subprocess.run([sys.executable, HERE / "channel", folder], check=True)
    return f"file://{folder}"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, channel: str) -> Path:
    """A repository with an app, and tags whose environments cannot be made."""
    folder = tmp_path_factory.mktemp("git")
    files = {
        "hello.py": HELLO,
        "environment.yml": ENVIRONMENT % channel,
        "more.txt": "itsdangerous\n",
        "extra.txt": "blinker\n",
        # which is what apps without conda packages would have installed
        "requirements.txt": "no-such-package-of-anybody==9.9\n",
    }
    (folder / "server").mkdir()
    for name, text in files.items():
        (folder / "server" / name).write_text(text, encoding="utf-8")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "tag", "v1")
    for tag, text in {
        "no-such-package": f"channels: [{channel}]\ndependencies: [python, no-such-package]\n",
        "no-python": f"channels: [{channel}]\ndependencies: [alone]\n",
        "no-channel": f"channels: [{channel}-gone]\ndependencies: [python]\n",
        "no-yaml": "channels: [a\n",
    }.items():
        (folder / "server" / "environment.yml").write_text(text, encoding="utf-8")
        git(folder, "commit", "-q", "-a", "-m", tag)
        git(folder, "tag", tag)
    return folder


@pytest.fixture(scope="module")
def app(repository: Path) -> App:
    """The app, as alice declares it."""
    return App(
        name="hello",
        repo=str(repository),
        entry="hello:application",
        version="v1",
        subdirectory="server",
        requirements="extra.txt",
        conda="environment.yml",
        workers=1,
    )


@pytest.fixture(scope="module")
def apps(gate: Rig, program: Path, app: App) -> Iterator[Deployer]:
    """What deploys apps, and has deployed this one."""
    host = LocalHost(gate)
    found = deployer(gate, host, conda=str(program))
    try:
        assert found.converge({"alice": (app,)}).problems == []
        yield found
    finally:
        host.stop()


def about(gate: Rig) -> dict[str, Any]:
    answer = gate.get("/alice/hello/", ALICE)
    assert answer.status == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_app_has_what_the_channel_pip_and_requirements_have(apps: Deployer, gate: Rig) -> None:
    env = f"{gate.folder}/home/apps/hello/releases/1/env"
    assert about(gate) == {"greeting": "hello from a channel", "prefix": env, "conda": env}
    assert {file.name for file in Path(env, "conda-meta").glob("greeting*")} == {"greeting-1.0-0.json"}


def test_owner_sees_how_far_it_is(apps: Deployer) -> None:
    log = Path(apps.store.place("alice", "hello").build_log).read_text(encoding="utf-8")
    assert "installed 2 of 2 conda packages" in log


def test_second_run_changes_nothing(apps: Deployer, app: App) -> None:
    assert apps.converge({"alice": (app,)}) == Outcome([], [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"version": "no-such-package"},
            ("environment.yml: dependencies: cannot be resolved", "for no-such-package *"),
        ),
        (
            {"version": "no-python"},
            ("environment.yml: dependencies: python is not among the resolved packages", "add python"),
        ),
        ({"version": "no-channel"}, ("environment.yml: channels: a channel cannot be read", "-gone")),
        ({"version": "no-yaml"}, ("environment.yml: line 2: not YAML",)),
        ({"conda": "other.yml"}, ("other.yml: No such file or directory in ", "the app's key conda")),
        ({"requirements": "other.txt"}, ("there is no file 'other.txt' in ",)),
    ],
)
def test_what_is_wrong_is_said_and_the_release_before_serves_on(
    apps: Deployer, app: App, gate: Rig, changes: dict[str, str], words: tuple[str, ...]
) -> None:
    (problem,) = apps.converge({"alice": (app._replace(**changes),)}).problems
    assert problem.startswith("app alice/hello: step build: exit code 1; in ")
    for word in words:
        assert word in problem
    assert about(gate)["greeting"] == "hello from a channel"


def test_where_the_role_has_not_been_the_role_is_named(apps: Deployer, app: App, gate: Rig) -> None:
    elsewhere = deployer(gate, LocalHost(gate), conda="/nowhere/bin/conda-environment")
    (problem,) = elsewhere.converge({"alice": (app._replace(workers=2),)}).problems
    assert "there is no /nowhere/bin/conda-environment; role apps installs it" in problem
