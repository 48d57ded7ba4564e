"""The gateway that each file has for its apps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live import ALICE
from rig import Rig


@pytest.fixture(scope="module")
def gate() -> Iterator[Rig]:
    """A rootless gateway with alice's login."""
    with Rig.temporary({"alice": {"logins": [{"name": ALICE[0], "password": ALICE[1]}]}}) as rig:
        rig.build()
        yield rig
