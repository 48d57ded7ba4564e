# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody does with both apps in a browser: forms, redirects, pictures, addresses that restore a state, websockets."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from chromium import Visit
from playwright.sync_api import expect


def use_both(browser: Visit, site: str, folder: Path) -> None:
    """Uses flasktasks and survey below the user's address `site`; what goes over the network is in `browser`'s record."""
    page, tasks, survey = browser.page, f"{site}/flasktasks/", f"{site}/survey/"
    page.goto(tasks)
    # the style sheet is there, and the websocket
    expect(page.locator("h1")).to_have_css("color", "rgb(102, 51, 153)")
    expect(page.locator("#echo")).to_have_text("hello")
    title = f"buy <milk> {uuid.uuid4()}"
    page.fill("#add input", title)
    page.click("#add button")
    expect(page.locator("#tasks li", has_text=title)).to_have_count(1)
    assert page.url == tasks
    page.fill("#share input[name=ratio]", "7")
    page.click("#share button")
    expect(page.locator("#view")).to_have_text("model mosaic, ratio 7")
    shared = page.url
    assert re.search(r"\?token=[0-9a-f-]{36}$", shared)
    picture = folder / "a.png"
    page.screenshot(path=picture)
    page.set_input_files("#upload input", picture)
    page.click("#upload button")
    assert re.search(r"/flasktasks/images/[0-9a-f-]{36}\.png$", page.url)
    name = page.url.rpartition("/")[2]
    page.goto(shared)
    expect(page.locator("#view")).to_have_text("model mosaic, ratio 7")
    assert page.eval_on_selector(f"img[src$='{name}']", "image => image.naturalWidth") == 1280
    page.click("text=Use of this page")
    expect(page.locator("#use")).to_contain_text("mosaic")
    page.goto(survey)
    answer = f"yes{uuid.uuid4().hex}"
    page.fill("input[name=text]", answer)
    page.press("input[name=text]", "Enter")
    expect(page.locator("li", has_text=answer)).to_have_text(f"{answer}: 1")
    assert page.url == survey
