# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SECURITY.md names the test of every promise, trust-boundaries.md that of every place, and there are such tests."""

from __future__ import annotations

import re

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION

TEXT = (COLLECTION / "SECURITY.md").read_text(encoding="utf-8")
PROMISES = TEXT.partition("## What is promised")[2].partition("\n## ")[0].splitlines()[6:]
BOUNDARIES = (COLLECTION / "docs/trust-boundaries.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`((?:tests|molecule)/[^`]+)`", TEXT + BOUNDARIES)))


@pytest.mark.parametrize("test", TESTS)
def test_every_test_that_is_named_exists(test: str) -> None:
    path, _colons, name = test.partition("::")
    assert (COLLECTION / path).exists()
    assert not name or f"\ndef {name}(" in (COLLECTION / path).read_text(encoding="utf-8")


def test_every_promise_names_a_test() -> None:
    promises = [line for line in PROMISES if line.startswith("| ")]
    assert len(promises) > 20
    assert [line for line in promises if not re.search(r"`(?:tests|molecule)/", line)] == []


def test_every_trust_boundary_names_a_test() -> None:
    places = [line for line in BOUNDARIES.splitlines() if line.startswith("| ") and not line.startswith("| what ")]
    assert len(places) > 40
    assert [line for line in places if not re.search(r"`(?:tests|molecule)/", line)] == []
