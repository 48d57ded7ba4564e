"""The page about the use of a user's links, as role usage leaves it: the user's own logins open it, and it has no origin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import ALICE, BOB, Rig


@pytest.fixture
def gate_with_page(gate: Rig) -> Iterator[Rig]:
    """A gateway with a page of alice's."""
    folder = gate.root / "var/lib/vizgate-usage/pages"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "alice.html"
    page.write_text("use of alice's links", encoding="utf-8")
    yield gate
    page.unlink()


def test_the_owners_login_opens_it_alone(gate_with_page: Rig) -> None:
    answer = gate_with_page.get("/alice/_usage/", ALICE)
    assert (answer.status, answer.text) == (200, "use of alice's links")
    assert answer.all("Cache-Control") == ["no-store"]
    assert answer.all("Content-Security-Policy")[0].startswith("sandbox allow-scripts; default-src 'none'")
    assert gate_with_page.get("/alice/_usage/", BOB).status == 401
    assert gate_with_page.get("/alice/_usage/").status == 401


def test_no_link_in_the_folder_of_pages_leads_out_of_it(gate_with_page: Rig) -> None:
    """Pages are made by an account of their own, which reads less than nginx does."""
    other = Path(gate_with_page.core.paths.includes, "pages", "alice.html")
    assert other.exists()
    page = gate_with_page.root / "var/lib/vizgate-usage/pages/bob.html"
    page.symlink_to(other)
    try:
        assert gate_with_page.get("/bob/_usage/", BOB).status in (403, 404)
    finally:
        page.unlink()


def test_where_there_is_none_it_is_not_found(gate_with_page: Rig) -> None:
    assert gate_with_page.get("/bob/_usage/", BOB).status == 404


@pytest.mark.parametrize(
    "path",
    ["/-/usage", "/bob/../alice/_usage/", "/alice/_usage/../../bob/_usage/", "//alice/_usage/", "/alice%2F_usage/"],
)
def test_no_other_spelling_leads_there(gate_with_page: Rig, path: str) -> None:
    assert gate_with_page.get(path, BOB).status in (400, 401, 404)
