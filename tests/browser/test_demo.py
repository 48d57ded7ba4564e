"""The demo in a real browser: what its users see, and that nobody else sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import visdom
from chromium import Visit
from playwright.sync_api import expect

Demo = dict[str, Any]


def log_in(visit: Callable[..., Visit], demo: Demo, user: str) -> Visit:
    return visit(demo["users"][user]["login"], demo["users"][user]["password"])


def test_index_tells_what_there_is_and_whether_it_answers(
    visit: Callable[..., Visit], demo: Demo, screenshots: Path
) -> None:
    page = log_in(visit, demo, "alice").page
    page.goto(f"{demo['gateway']}/alice/")
    link = page.locator("[data-link=training]")
    expect(link.locator("a")).to_have_text("training")
    expect(link.locator(".kind")).to_have_text("visdom")
    expect(link.locator(".description")).to_have_text("Loss curves of run 12")
    expect(link.locator(".status")).to_have_text(re.compile(r"^answers, \d+ ms$"))
    page.set_viewport_size({"width": 1000, "height": 260})
    page.screenshot(path=screenshots / "index.png")


@pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated")  # visdom's own
def test_plots_are_drawn_and_stay_live(visit: Callable[..., Visit], demo: Demo, screenshots: Path) -> None:
    alice = log_in(visit, demo, "alice")
    page = alice.page
    page.goto(f"{demo['gateway']}/alice/")
    page.get_by_role("link", name="training").click()

    plot = page.locator(".js-plotly-plot", has_text="Loss, run 12")
    drawing = plot.locator("svg.main-svg").first
    expect(drawing).to_be_visible(timeout=60_000)
    box = drawing.bounding_box()
    assert box
    assert box["width"] > 500
    assert box["height"] > 250
    curves = plot.locator(".scatterlayer path.js-line")
    expect(curves).to_have_count(2)
    for curve in curves.all():
        assert curve.evaluate("path => path.getTotalLength()") > 500
    page.screenshot(path=screenshots / "visdom.png")

    # A page without a websocket would show all this too. What is posted now comes through it.
    before = alice.live_frames("/alice/training/socket")
    assert before > 0
    server, port = demo["gateway"].rsplit(":", 1)
    login = f"{demo['users']['alice']['login']}:{demo['users']['alice']['password']}@"
    client = visdom.Visdom(
        server=server.replace("://", f"://{login}"),
        port=int(port),
        base_url="/alice/training",
        use_incoming_socket=False,
        raise_exceptions=True,
    )
    try:
        client.text("posted while you look", win="browser-test")
        expect(page.get_by_text("posted while you look")).to_be_visible()
    finally:
        client.close("browser-test")
    expect(page.get_by_text("posted while you look")).to_have_count(0)
    assert alice.live_frames("/alice/training/socket") > before
    assert not [failure for failure in alice.failures if not failure.endswith("favicon.png")]


@pytest.mark.parametrize("user", ["bob", "nobody", ""])
@pytest.mark.parametrize("path", ["/alice/", "/alice/training/", "/alice/training/socket", "/alice/-/status/training"])
def test_alices_pages_are_closed_to_others(visit: Callable[..., Visit], demo: Demo, user: str, path: str) -> None:
    password = demo["users"].get(user, {}).get("password", "guess")
    page = (visit(user, password) if user else visit()).page
    answer = page.request.get(demo["gateway"] + path)
    assert answer.status == 401
    assert "visdom" not in answer.text()


def test_alices_websocket_is_closed_to_bobs_page(visit: Callable[..., Visit], demo: Demo) -> None:
    page = log_in(visit, demo, "bob").page
    page.goto(f"{demo['gateway']}/bob/")
    outcome = """path => new Promise(tell => {
        const socket = new WebSocket(path);
        socket.onopen = () => tell("open");
        socket.onerror = () => tell("refused");
    })"""
    assert page.evaluate(outcome, "/bob/experiments/socket") == "open"
    assert page.evaluate(outcome, "/alice/training/socket") == "refused"


def test_bob_opens_his_own(visit: Callable[..., Visit], demo: Demo, screenshots: Path) -> None:
    page = log_in(visit, demo, "bob").page
    page.goto(demo["users"]["bob"]["links"]["experiments"])
    expect(page.locator(".js-plotly-plot svg.main-svg").first).to_be_visible(timeout=60_000)
    expect(page.locator(".js-plotly-plot", has_text="Two sources").locator(".hm image")).to_be_visible()
    page.screenshot(path=screenshots / "visdom-bob.png")
