"""A tool without any base path, at a host name of its own: what the doctor says is typed, and then its pages work."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import requests
from backends import APPS, START_SECONDS, listeners
from chromium import HOST, Visit
from conftest import HERE, ROOT, environment, free_ports
from playwright.sync_api import expect

sys.path.append(str(ROOT / "tests/http"))
from rig import ALICE, Rig

COMMAND = re.compile(r"^\| Optuna's dashboard \| host \| `(.*?)`", re.MULTILINE)


@pytest.fixture(scope="module")
def gate() -> Iterator[Rig]:
    """A gateway whose users have host names."""
    with Rig.temporary(
        {"alice": {"logins": [{"name": ALICE[0], "password": ALICE[1]}]}},
        gateway_url_style="subdomain",
        gateway_public_url=f"http://{HOST}:{{{{ gateway_listen_port }}}}",
    ) as rig:
        rig.build()
        yield rig


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of Optuna's dashboard, which was started as the guide says."""
    folder, (port,) = tmp_path_factory.mktemp("optuna"), free_ports(1)
    commands = environment("optuna-venv", HERE / "requirements-optuna.txt") / "bin"
    shutil.copytree(APPS / "optuna", folder, dirs_exist_ok=True)
    subprocess.run([commands / "python", "prepare.py"], cwd=folder, check=True)
    (command,) = COMMAND.findall((ROOT / "docs/guide/links.md").read_text(encoding="utf-8"))
    program, *options = shlex.split(command.replace("9000", str(port)))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [commands / program, *options], cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not listeners(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def test_a_tool_without_a_base_path(gate: Rig, dashboard: int, visit: Callable[..., Visit]) -> None:
    def vizgate(*words: str) -> str:
        command = [str(gate.root / "usr/local/bin/vizgate"), "--user", "alice", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout

    vizgate("add", "study", "--port", str(dashboard))
    below = visit(*ALICE)
    below.page.goto(vizgate("open", "study").strip())
    assert f"404 http://alice.{HOST}:{gate.port}/static/bundle.js" in below.failures

    advice, edit = vizgate("doctor", "study").splitlines()
    assert "Optuna's dashboard has no option for a base path" in advice
    # tests run as root, who acts for alice
    assert edit.split() == ["vizgate", "--user", "alice", "edit", "study", "--prefix", "host"]
    vizgate(*edit.split()[3:])
    assert vizgate("doctor", "study").startswith("ok: ")

    address = vizgate("open", "study").strip()
    assert address == f"http://study--alice.{HOST}:{gate.port}/"
    alice = visit(*ALICE)
    # the list of links leads there
    alice.page.goto(f"http://alice.{HOST}:{gate.port}/")
    alice.page.get_by_role("link", name="study").click()
    expect(alice.page).to_have_url(re.compile(re.escape(address) + r"dashboard\b"))
    with alice.page.expect_response(re.compile(re.escape(address) + r"api/studies/\d+")) as numbers:
        alice.page.get_by_text("parabola").first.click()
    assert numbers.value.status == 200
    expect(alice.page).to_have_url(re.compile(re.escape(address) + r"dashboard/studies/\d+"))
    # a figure, drawn from these numbers
    expect(alice.page.locator(".js-plotly-plot").first).to_be_visible()
    # what changes something comes from the link's own origin
    status = alice.page.evaluate(
        """body => fetch("/api/studies", {method: "POST", headers: {"Content-Type": "application/json"}, body})
            .then(answer => answer.status)""",
        json.dumps({"study_name": "another", "directions": ["minimize"]}),
    )
    assert status == 201
    assert alice.failures == []
    assert (
        requests.get(f"http://127.0.0.1:{gate.port}/", headers={"Host": address[7:-1]}, timeout=60).status_code == 401
    )
