# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents agree with each other and with the files that they name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

PAGES = sorted(path for path in COLLECTION.glob("*.md") if path.name != "CHANGELOG.md")
PAGES += sorted([*COLLECTION.glob("docs/**/*.md"), *COLLECTION.glob("roles/*/README.md")])
NAMES = [str(path.relative_to(COLLECTION)) for path in PAGES]


def without_code(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", without_code(page.read_text(encoding="utf-8")))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _hash, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_folder_in_the_map_exists() -> None:
    text = (COLLECTION / "docs/architecture.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:plugins|roles|tests)/[\w/.-]+)`", text))
    assert len(paths) > 8
    assert [path for path in sorted(paths) if not (COLLECTION / path).exists()] == []


def test_the_picture_is_what_its_script_draws() -> None:
    drawn = subprocess.run(
        [sys.executable, COLLECTION / "docs/images/architecture.py"], check=True, capture_output=True, text=True
    ).stdout
    assert drawn == (COLLECTION / "docs/images/architecture.svg").read_text(encoding="utf-8")


def test_decisions_are_numbered_and_listed_with_their_status() -> None:
    folder = COLLECTION / "docs/decisions"
    records = sorted(folder.glob("[0-9]*.md"))
    assert [path.name[:4] for path in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    rows = []
    for number, path in enumerate(records, 1):
        title, _blank, status = path.read_text(encoding="utf-8").splitlines()[:3]
        match = re.fullmatch(r"Status: ((?:accepted|superseded by \[\d+\]\([\w.-]+\)), \d{4}-\d\d-\d\d)", status)
        assert match, f"{path.name}: {status}"
        assert title.startswith(f"# {number}. ")
        rows.append(f"| {number} | [{title.partition('. ')[2]}]({path.name}) | {match[1]} |")
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [line for line in index.splitlines() if re.match(r"\| \d", line)] == rows


def test_every_page_that_code_names_exists() -> None:
    command = ["git", "grep", "--untracked", "-ohIE", r"\bdocs/[a-z0-9/-]+\.md\b", "--", ".", ":!*.md", ":!collections"]
    names = set(subprocess.run(command, cwd=COLLECTION, check=True, capture_output=True, text=True).stdout.split())
    assert "docs/architecture.md" in names
    assert [name for name in sorted(names) if not (COLLECTION / name).exists()] == []


def test_troubleshooting_has_every_error_page() -> None:
    page = (COLLECTION / "roles/gateway/files/pages/error.html").read_text(encoding="utf-8")
    titles = [re.sub(r"<!--.*?-->", "", title).strip() for title in re.findall(r"<h1>(.*?)</h1>", page)]
    text = (COLLECTION / "docs/troubleshooting.md").read_text(encoding="utf-8")
    assert len(titles) > 10
    assert [title for title in titles if title not in text] == []


def test_every_make_target_is_described() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (COLLECTION / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    table = (COLLECTION / "docs/development.md").read_text(encoding="utf-8").partition("| target | does |")[2]
    assert [name for name in targets if f"`{name}`" not in table.partition("\n\n")[0]] == []
