"""Shared by both phases: the output that the administrator gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def said():
    """The output of site.yml, for all hosts."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "converged").read_text(encoding="utf-8")
