"""The running demo, and a browser to look at it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium, visit  # noqa: F401
from webkit import webkit  # noqa: F401  # a fixture for the tests beside

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def demo() -> dict[str, Any]:
    """What `make demo-info` says."""
    command = [sys.executable, str(ROOT / "demo/demo.py"), "info"]
    return dict(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder for pictures of the demo."""
    folder = ROOT / ".build/screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
