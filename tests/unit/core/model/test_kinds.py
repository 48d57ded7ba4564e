# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds: each one is complete, and its start command is filled in as words of a shell."""

from __future__ import annotations

import re

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KEEP, KINDS, STRIP, Kind


@pytest.mark.parametrize(
    "name",
    [
        *("http", "visdom", "tensorboard", "jupyter", "bokeh", "streamlit", "trame", "novnc", "wsgi"),
        *("panel", "dask", "gradio", "dash", "shiny", "nicegui", "viser", "marimo", "voila", "mlflow"),
    ],
)
def test_the_kinds_that_are_promised(name: str) -> None:
    assert KINDS[name].name == name


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_says_what_its_tool_needs(kind: Kind) -> None:
    assert re.fullmatch("[a-z]+", kind.name)
    assert kind.prefix in (KEEP, STRIP)
    words = kind.command("/alice/run1", "127.0.0.1", 8097, "gate.example:1234")
    assert any("8097" in word for word in words)
    assert not any("{" in word or "}" in word for word in words)
    assert not any(word.endswith("=None") for word in words)
    # a tool that sees the prefix has to know it; one that does not makes no use of it, but for Gradio's addresses in full
    assert any("/alice/run1" in word for word in words) == (kind.prefix == KEEP or kind.name == "gradio")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("visdom", ["visdom", "-port", "8097", "-base_url", "/alice/run1", "-bind_local"]),
        ("wsgi", ["gunicorn", "--bind", "127.0.0.1:8097", "-e", "SCRIPT_NAME=/alice/run1", "app:app"]),
    ],
)
def test_a_command_in_full(name: str, command: list[str]) -> None:
    assert KINDS[name].command("/alice/run1", "127.0.0.1", 8097, "gate.example:1234") == command


def test_an_origin_is_filled_in() -> None:
    assert "gate.example:1234" in KINDS["bokeh"].command("/alice/run1", "127.0.0.1", 8097, "gate.example:1234")


def test_a_value_never_becomes_two_words() -> None:
    kind = Kind("x", KEEP, "run --to {prefix} '{host} {port}'")
    assert kind.command("/a b", "h", 1, "o") == ["run", "--to", "/a b", "h 1"]


def test_a_visdom_that_others_have_to_reach_does_not_listen_on_loopback_alone() -> None:
    assert "-bind_local" not in KINDS["visdom"].command("/alice/run1", "10.0.0.5", 8097, "gate:1234")
