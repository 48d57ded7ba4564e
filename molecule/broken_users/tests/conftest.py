"""What both phases share: who has broken what, and what the administrator has read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def said():
    """What the administrator's converge has printed, for all hosts."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "converged").read_text(encoding="utf-8")
