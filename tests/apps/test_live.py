"""Releases with real git, uv, gunicorn, uvicorn and nginx, on loopback. Only systemd is made up: programs are started by the test."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from ansible_collections.vizgate.gateway.plugins.module_utils import _sockets
from ansible_collections.vizgate.gateway.plugins.module_utils._app_host import Host
from ansible_collections.vizgate.gateway.plugins.module_utils._apps import App
from ansible_collections.vizgate.gateway.plugins.module_utils._releases import Deployer, Outcome, Settings
from ansible_collections.vizgate.gateway.plugins.module_utils._usage import Pages
from browsing import use_both
from chromium import Visit, chromium, visit  # noqa: F401  # the browser and the rig of other folders
from playwright.sync_api import expect
from rig import Rig, eventually

HERE = Path(__file__).resolve().parent
UV = Path(sys.executable).parent / "uv"
VISITORS = HERE.parents[1] / "molecule" / "apps" / "visitors.py"
ALICE = ("alice", "alice-secret")
TASKS = App(
    name="flasktasks",
    repo="",
    entry="wsgi:application",
    version="v1.0",
    subdirectory="server",
    migrate="flask db upgrade",
    secrets=(("SECRET_KEY", "generate"),),
    health="/healthz",
    shared=("uploads",),
)
SURVEY = App(
    name="survey",
    repo="",
    entry="survey:application",
    version="v1.0",
    asgi=True,
    migrate="python -m survey",
    health="/healthz",
)


class LocalHost(Host):
    """This host, with units that are processes of the test's."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.home = rig, rig.folder / "home"
        self.home.mkdir(exist_ok=True)
        self.files: dict[str, str] = {}
        self.enabled: set[str] = set()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def account(self, user: str) -> tuple[int, int, str] | None:
        return 1501, 1501, str(self.home)

    def log(self, path: str, uid: int, gid: int) -> int:
        return super().log(path, os.getuid(), os.getgid())

    def run(self, command: Any, log: str) -> int:
        words = list(command)
        given = dict(word.split("=", 1) for flag, word in itertools.pairwise(words) if flag == "-p")
        script = [word.replace("$$", "$") for word in words[words.index("--") + 1 :]]
        return super().run(self._within(given["EnvironmentFile"], given["WorkingDirectory"], script), log)

    def _within(self, file: str, folder: str, command: list[str]) -> list[str]:
        home = f"HOME={self.home}"
        lines = f'set -a; . "{file}"; cd "{folder}"; exec "$@"'
        return ["env", "-i", home, "PATH=/usr/local/bin:/usr/bin:/bin", "sh", "-euc", lines, "sh", *command]

    def systemctl(self, *words: str, check: bool = True) -> str:
        action, unit = words[0], words[-1]
        if action == "start" and self.state(unit)[0] != "active":
            self._start(unit)
        elif (action == "stop" or "--now" in words) and unit in self.processes:
            self.processes[unit].terminate()
            if "--no-block" not in words:
                self.processes[unit].wait(40)
        if action in ("enable", "disable"):
            (self.enabled.add if action == "enable" else self.enabled.discard)(unit)
        return ""

    def _start(self, unit: str) -> None:
        found = dict(line.split("=", 1) for line in self.files[unit].splitlines() if "=" in line)
        folder = self.rig.core.paths.sockets("alice")
        _sockets.make_folder(folder, "alice", rootless=True)
        log = open(found["StandardOutput"].removeprefix("append:"), "ab")  # noqa: SIM115  # the process has it from now on
        command = self._within(found["EnvironmentFile"], found["WorkingDirectory"], found["ExecStart"].split())
        self.processes[unit] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

    def state(self, unit: str) -> tuple[str, int]:
        process = self.processes.get(unit)
        return ("active" if process and process.poll() is None else "inactive"), 0

    def units(self, prefix: str) -> list[str]:
        return [unit for unit in self.files if unit.startswith(prefix)]

    def write_unit(self, unit: str, text: str) -> None:
        self.files[unit] = text

    def remove_unit(self, unit: str) -> None:
        self.systemctl("disable", "--now", unit)
        self.files.pop(unit, None)

    def is_enabled(self, unit: str) -> bool:
        return unit in self.enabled

    def journal(self, unit: str) -> list[str]:
        return []

    def stop(self) -> None:
        """Ends everything."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)


def git(folder: Path, *words: str) -> None:
    who = {f"GIT_{role}_{what}": "tests@example.test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *words], cwd=folder, env={**os.environ, **who}, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repositories of both apps, with releases as tags."""
    folder = tmp_path_factory.mktemp("git")
    for name in ("flasktasks", "survey"):
        source = folder / name
        shutil.copytree(HERE / name, source, ignore=shutil.ignore_patterns("__pycache__"))
        git(source, "init", "-q", "-b", "main")
        git(source, "add", ".")
        git(source, "commit", "-q", "-m", "one")
        git(source, "tag", "v1.0")
    tasks = folder / "flasktasks"
    (tasks / "server" / "VERSION").write_text("two\n", encoding="utf-8")
    git(tasks, "commit", "-q", "-a", "-m", "two")
    git(tasks, "tag", "v1.1")
    (tasks / "server" / "migrations" / "versions" / "0002_bad.py").write_text(
        "revision = '0002'\ndown_revision = '0001'\n\n\ndef upgrade():\n    raise SystemExit('the table is on fire')\n",
        encoding="utf-8",
    )
    git(tasks, "add", ".")
    git(tasks, "commit", "-q", "-m", "three")
    git(tasks, "tag", "v1.2")
    return folder


@pytest.fixture(scope="module")
def gate() -> Iterator[Rig]:
    """A rootless gateway with alice's login."""
    with Rig.temporary({"alice": {"logins": [{"name": ALICE[0], "password": ALICE[1]}]}}) as rig:
        rig.build()
        yield rig


class Apps:
    """Alice's apps on the gateway."""

    def __init__(self, rig: Rig, repositories: Path, host: LocalHost) -> None:
        self.rig, self.repositories, self.host = rig, repositories, host
        environment = tuple(
            (name, os.environ[name]) for name in ("SSL_CERT_FILE", "UV_INDEX_URL") if name in os.environ
        )
        # as on a host that nobody else shares: nginx of a rootless gateway has its owner's rights
        host.ask = staticmethod(self._ask)  # type: ignore[method-assign]
        self.deployer = Deployer(rig.core, Settings(uv=str(UV), python=sys.executable, environment=environment), host)

    @staticmethod
    def _ask(path: str, url: str, headers: dict[str, str]) -> int | str:
        said = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", "--unix-socket", path]
            + [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
            + [f"http://gate{url}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return int(said.stdout) or "no answer"

    def deploy(self, *apps: App) -> Outcome:
        """Declares exactly these."""
        found = tuple(app._replace(repo=str(self.repositories / app.name)) for app in apps)
        return self.deployer.converge({"alice": found})

    @contextlib.contextmanager
    def visited(self) -> Iterator[dict[str, Any]]:
        """Visitors of flasktasks come meanwhile; afterwards, what they have seen is in what is yielded."""
        over = self.rig.folder / "over"
        over.unlink(missing_ok=True)
        url = f"http://127.0.0.1:{self.rig.port}/alice/flasktasks/"
        visitors = subprocess.Popen(
            [sys.executable, VISITORS, url, "alice", over, "120"], stdout=subprocess.PIPE, text=True
        )
        found: dict[str, Any] = {}
        try:
            time.sleep(2)
            yield found
            time.sleep(4)
        finally:
            over.touch()
            found.update(json.loads(visitors.communicate(timeout=60)[0]))


@pytest.fixture(scope="module")
def apps(gate: Rig, repositories: Path) -> Iterator[Apps]:
    """Both apps, deployed."""
    host = LocalHost(gate)
    found = Apps(gate, repositories, host)
    try:
        assert found.deploy(TASKS, SURVEY).problems == []
        yield found
    finally:
        host.stop()


def about(apps: Apps) -> dict[str, Any]:
    found: dict[str, Any] = apps.rig.get("/alice/flasktasks/about", ALICE).json()
    return found


def test_wsgi_app_knows_where_it_is(apps: Apps) -> None:
    page = apps.rig.get("/alice/flasktasks/", ALICE)
    assert page.status == 200
    style = re.search(r'href="(.*style\.css)"', page.text)
    assert style
    assert style[1] == "/alice/flasktasks/static/style.css"
    assert "rebeccapurple" in apps.rig.get(style[1], ALICE).text
    assert about(apps)["version"] == "one"


def test_asgi_app_knows_where_it_is(apps: Apps) -> None:
    page = apps.rig.get("/alice/survey/", ALICE)
    assert 'action="/alice/survey/answers"' in page.text


def test_in_a_browser(apps: Apps, visit: Callable[..., Visit], tmp_path: Path) -> None:  # noqa: F811
    browser = visit(*ALICE)
    use_both(browser, f"http://127.0.0.1:{apps.rig.port}/alice", tmp_path)
    assert browser.failures == []


@pytest.mark.skipif(not shutil.which("goaccess"), reason="needs goaccess")
def test_page_about_use_in_a_browser(apps: Apps, visit: Callable[..., Visit]) -> None:  # noqa: F811
    root = apps.rig.root
    for _ in range(5):
        apps.rig.get("/alice/flasktasks/about", ALICE)
    eventually(lambda: "flasktasks/about" in (root / "var/log/nginx/vizgate.jsonl").read_text())
    assert Pages(str(root / "var/lib/vizgate-usage"), str(root / "var/log/nginx/vizgate.jsonl")).refresh() == []
    browser = visit(*ALICE)
    browser.page.goto(f"http://127.0.0.1:{apps.rig.port}/alice/_usage/")
    expect(browser.page.locator("body")).to_contain_text("flasktasks")
    pictures = HERE.parents[1] / ".build" / "screenshots"
    pictures.mkdir(parents=True, exist_ok=True)
    browser.page.screenshot(path=pictures / "usage.png", full_page=True)
    assert browser.page.evaluate("window.origin") == "null"
    assert browser.failures == []


def test_second_run_changes_nothing(apps: Apps) -> None:
    assert apps.deploy(TASKS, SURVEY) == Outcome([], [])


def test_failed_migration_leaves_the_app_serving(apps: Apps) -> None:
    (problem,) = apps.deploy(TASKS._replace(version="v1.2"), SURVEY).problems
    assert "step migrate: exit code 1" in problem
    assert "the table is on fire" in problem
    assert about(apps)["version"] == "one"


def test_no_request_fails_during_an_update_and_a_rollback(apps: Apps) -> None:
    with apps.visited() as update:
        assert apps.deploy(TASKS._replace(version="v1.1"), SURVEY).problems == []
    with apps.visited() as rollback:
        assert apps.deployer.roll_back("alice", "flasktasks").problems == []
    print(update, rollback)
    for found, order in ((update, ("one", "two")), (rollback, ("two", "one"))):
        assert found["wrong"] == {}
        assert set(found["slow"]) == {"done"}
        assert all(found["seen"][version] > 50 for version in order)
        assert found["rate"] > 80
    assert about(apps)["version"] == "one"
