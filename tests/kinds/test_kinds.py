"""Every kind's start command, run as documented: the page works behind the gateway, and so does its websocket."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from backends import Backend, Gateway, listeners, running
from chromium import Visit
from playwright.sync_api import Page, expect
from webkit import eventually

expect.set_options(timeout=60_000)


def click_count(page: Page, _: Backend) -> None:
    """Our small apps have a button, or a link, whose clicks the server counts."""
    page.get_by_text("count", exact=True).click(timeout=60_000)
    expect(page.get_by_text("clicks: 1")).to_be_visible()


def see_the_scheduler(page: Page, backend: Backend) -> None:
    """The front page leads to the scheduler's, whose figures are drawn; its links stay below the prefix."""
    expect(page).to_have_url(f"{backend.url}status")
    page.get_by_role("link", name="Workers").first.click()
    expect(page).to_have_url(f"{backend.url}workers")
    expect(page.locator(".bk-Figure, .bk-DataTable").first).to_be_visible()


def click_without_pixels(page: Page, _: Backend) -> None:
    """As `click_count`, on a page that draws a scene all the time, so that nothing on it is ever stable to Playwright."""
    page.get_by_text("count", exact=True).dispatch_event("click", timeout=60_000)
    expect(page.get_by_text("clicks: 1")).to_be_visible(timeout=60_000)


def see_the_experiments(page: Page, backend: Backend) -> None:
    """The list of experiments, which the page has asked for."""
    page.goto(f"{backend.url}#/experiments")
    expect(page.get_by_role("link", name="Default").first).to_be_visible()


def wait_for_the_kernel(page: Page, backend: Backend) -> None:
    """A notebook shown as a page: its widgets are there when its kernel has run."""
    expect(page.get_by_text("clicks: 0")).to_be_visible(timeout=90_000)
    click_count(page, backend)


def post_to_visdom(page: Page, backend: Backend) -> None:
    """What visdom's Python client posts through the gateway appears on the open page."""
    expect(page.get_by_text("online", exact=True)).to_be_visible()
    gateway = backend.gateway
    server = f"http://{gateway.user}:{gateway.password}@127.0.0.1"
    backend.run("python", "post.py", server, str(gateway.port), gateway.prefix("visdom"))
    expect(page.get_by_text("clicks: 1")).to_be_visible()


def run_a_cell(page: Page, _: Backend) -> None:
    """A new notebook; its kernel computes."""
    # Dash, in the same environment, brings an extension that Jupyter offers to build in
    page.add_locator_handler(page.locator(".jp-Dialog"), lambda dialog: dialog.get_by_text("Cancel").click())
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=60_000)
    # a notebook takes the focus away, and with it what is typed, when its kernel is ready
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    cell = page.locator(".jp-Notebook .cm-content").first
    cell.fill("6 * 7", timeout=60_000)
    expect(cell).to_have_text("6 * 7")
    cell.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output")).to_have_text("42")


def see_the_curve(page: Page, _: Backend) -> None:
    """The curve of the run is drawn, from numbers that the page asked for."""
    expect(page.get_by_text("loss", exact=True).first).to_be_visible()
    expect(page.locator("line-chart").first).to_be_visible()


def see_the_desktop(page: Page, backend: Backend) -> None:
    """The page shows what stands on the desktop, whose background is red."""
    path = f"{backend.gateway.prefix('novnc')[1:]}/websockify"
    page.goto(f"{backend.url}vnc.html?autoconnect=true&path={path}")
    middle = "canvas => [...canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data]"
    canvas = page.locator("#noVNC_container canvas")
    expect(canvas).to_be_visible()
    deadline = time.monotonic() + 60
    while (seen := canvas.evaluate(middle)) != [255, 0, 0, 255] and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert seen == [255, 0, 0, 255]


@contextlib.contextmanager
def desktop() -> Iterator[None]:
    """An X server of TigerVNC's with a red background, at the port that the kind's command names."""
    with subprocess.Popen(["Xtigervnc", ":37", "-rfbport", "5901", "-localhost", "-SecurityTypes", "None"]) as server:
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(["xsetroot", "-display", ":37", "-solid", "#ff0000"], check=False).returncode != 0:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield
        finally:
            server.terminate()


@dataclasses.dataclass(frozen=True)
class Case:
    """`use` does what a person would do on the page; `socket` is the path of its websocket below the link, if any;
    `data` the start of what it asks for otherwise; `missing` what it asks for in vain, with or without a gateway;
    `beside` what the tool needs to run beside it."""

    use: Callable[[Page, Backend], None]
    socket: str = ""
    data: str = ""
    missing: str = ""
    beside: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext


CASES = {
    "http": Case(click_count, data="second.html", missing="/favicon.ico"),
    "visdom": Case(post_to_visdom, socket="socket", missing="/favicon.png"),
    # TensorBoard has no websocket: its pages poll.
    "tensorboard": Case(see_the_curve, data="data/", missing="/font-roboto/"),
    "jupyter": Case(run_a_cell, socket="/channels"),
    "bokeh": Case(click_count, socket="app/ws"),
    "streamlit": Case(click_count, socket="_stcore/stream"),
    "trame": Case(click_count, socket="ws", missing="/paraview/"),
    "novnc": Case(see_the_desktop, socket="/websockify", missing="/package.json", beside=desktop),
    "wsgi": Case(click_count, data="count", missing="/favicon.ico"),
    "panel": Case(click_count, socket="app/ws"),
    "dask": Case(see_the_scheduler, socket="workers/ws"),
    # Gradio's answers are a stream of events, Dash's are polled
    "gradio": Case(click_count, data="gradio_api/queue/data"),
    "dash": Case(click_count, data="_dash-update-component"),
    "shiny": Case(click_count, socket="websocket/"),
    "nicegui": Case(click_count, socket="_nicegui_ws/socket.io/"),
    "viser": Case(click_without_pixels, socket="viser"),
    "marimo": Case(click_count, socket="ws"),
    "voila": Case(wait_for_the_kernel, socket="/channels", missing="https://cdn.jsdelivr.net/"),
    "mlflow": Case(see_the_experiments, data="ajax-api/", missing="/users/current"),
}


def test_every_kind_has_a_case() -> None:
    assert set(CASES) == set(KINDS)


@pytest.mark.parametrize("kind", CASES)
def test_kind_works(kind: str, gateway: Gateway, tools: Path, visit: Callable[..., Visit], tmp_path: Path) -> None:
    case = CASES[kind]
    with case.beside(), running(kind, gateway, tools, tmp_path) as backend:
        # Whoever reaches the port itself needs no login: no other machine may.
        assert listeners(backend.port) == {"0100007F"}
        alice = visit(gateway.user, gateway.password)
        alice.page.goto(backend.url)
        case.use(alice.page, backend)
        prefix = gateway.prefix(kind)
        assert [f for f in alice.failures if not (case.missing and case.missing in f)] == []
        if case.socket:
            assert alice.live_frames(case.socket) > 1
            # viser opens its websocket at the address without the slash
            assert all(f"{gateway.origin}{prefix}/" in f"{socket.url}/" for socket in alice.sockets)
        else:
            assert alice.sockets == []
            assert any(f"{prefix}/{case.data}" in answer.url for answer in alice.answers)


def test_index_tells_who_answers(gateway: Gateway, tools: Path, visit: Callable[..., Visit], tmp_path: Path) -> None:
    with running("http", gateway, tools, tmp_path):
        page = visit(gateway.user, gateway.password).page
        page.goto(f"http://{gateway.origin}/{gateway.user}/")
        expect(page.locator("[data-link=http] .status")).to_contain_text("answers, ")
        expect(page.locator("[data-link=bokeh] .status")).to_have_text("does not answer")


def test_no_kind_opens_without_login(gateway: Gateway) -> None:
    for kind in KINDS:
        assert requests.get(f"http://127.0.0.1:{gateway.port}{gateway.prefix(kind)}/", timeout=60).status_code == 401


def test_frames_of_the_gateway_alone(
    gateway: Gateway, tools: Path, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    with running("http", gateway, tools, tmp_path) as backend:
        (backend.folder / "frame.html").write_text('<iframe src="second.html"></iframe>')
        alice = visit(gateway.user, gateway.password)
        alice.page.goto(backend.url + "frame.html")
        expect(alice.page.frame_locator("iframe").get_by_text("clicks: 1")).to_be_visible()
        assert [failure for failure in alice.failures if "favicon" not in failure] == []
        # the same page from an address that is not the gateway's
        (backend.folder / "frame.html").write_text(f'<iframe src="{backend.url}second.html"></iframe>')
        alice.page.goto(f"http://127.0.0.1:{backend.port}/frame.html")
        eventually(
            lambda: alice.page.wait_for_timeout(20) or any("frame-ancestors" in failure for failure in alice.failures)
        )
        assert alice.page.frame_locator("iframe").get_by_text("clicks: 1").count() == 0
