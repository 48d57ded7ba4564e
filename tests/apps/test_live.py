"""Releases with real git, uv, gunicorn, uvicorn and nginx, on loopback. Only systemd is made up: programs are started by the test."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))

from ansible_collections.vizgate.gateway.plugins.module_utils._core.apps.releases import Outcome
from ansible_collections.vizgate.gateway.plugins.module_utils._core.logs.usage import Pages
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App
from browsing import use_both
from chromium import Visit, chromium, visit  # noqa: F401  # the browser and the rig of other folders
from live import ALICE, HERE, LocalHost, deployer, git
from playwright.sync_api import expect
from rig import Rig, eventually

VISITORS = HERE.parents[1] / "molecule" / "apps" / "visitors.py"
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


class Apps:
    """Alice's apps on the gateway."""

    def __init__(self, rig: Rig, repositories: Path, host: LocalHost) -> None:
        self.rig, self.repositories, self.host = rig, repositories, host
        self.deployer = deployer(rig, host)

    def deploy(self, *apps: App) -> Outcome:
        """Declares exactly these."""
        found = tuple(app._replace(repo=str(self.repositories / app.name)) for app in apps)
        return self.deployer.converge({"alice": found})

    @contextlib.contextmanager
    def visited(self) -> Iterator[dict[str, Any]]:
        """Visitors of flasktasks come meanwhile; afterwards, what they have seen is in what is yielded."""
        over = self.rig.folder / "over"
        known = over.with_suffix(".seen")
        for file in (over, known):
            file.unlink(missing_ok=True)
        url = f"http://127.0.0.1:{self.rig.port}/alice/flasktasks/"
        visitors = subprocess.Popen(
            [sys.executable, VISITORS, url, "alice", over, "120"], stdout=subprocess.PIPE, text=True
        )
        found: dict[str, Any] = {}
        try:
            eventually(known.exists)
            yield found
        finally:
            over.touch()
            found.update(json.loads(visitors.communicate(timeout=180)[0]))


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
    assert about(apps)["version"] == "one"
