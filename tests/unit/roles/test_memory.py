# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's shared memory for what was published: names that come and go do not use it up, and nothing comes back to life."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control as control_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import NotLive
from ansible_collections.vizgate.gateway.tests.unit.support import configure, serving, with_settings


@pytest.fixture(params=[-1])
def control(gateway: Gateway, request: pytest.FixtureRequest) -> Iterator[str]:
    """The control socket of a real nginx with little memory, for which everything is settled after so many seconds: at once."""
    configuration = configure(gateway, gateway_links_memory="128k")
    conf = Path(gateway.paths.includes, "gateway.conf")
    setting = f"vizgate.configure {{ settled_seconds = {request.param} }}"
    conf.write_text(with_settings(conf.read_text(encoding="utf-8"), setting), encoding="utf-8")
    Path(gateway.paths.includes, "links.d", "alice.map").write_text(
        '"alice/kept" "keep 127.0.0.1:9000";\n"alice/moved" "keep 127.0.0.1:9000";\n', encoding="utf-8"
    )
    with serving(gateway, configuration):
        deadline = time.monotonic() + 60
        while not os.path.exists(gateway.paths.control):
            assert time.monotonic() < deadline, "nginx has made no control socket"
            time.sleep(0.01)
        yield gateway.paths.control


def fill(control: str, rounds: range) -> int:
    """Publishes names that are gone again, until there is no room; how many were taken."""
    for number in rounds:
        try:
            control_module.publish(control, {f"mallory/{number:060}": ""})
        except NotLive:
            return number
    raise AssertionError("nginx's memory has no end")


def test_names_that_are_gone_make_room(control: str) -> None:
    control_module.publish(control, {"alice/kept": "keep 127.0.0.1:9000", "alice/moved": "keep 127.0.0.1:9001"})
    control_module.publish(control, {"bob/new": "keep 127.0.0.1:9002"})
    taken = fill(control, range(10_000))
    assert taken > 100
    control_module.tidy(control)
    assert fill(control, range(10_000, 20_000)) - 10_000 > taken - 10
    # what nginx has not read from a file is still the newest word
    assert control_module.served(control, ["alice/kept", "alice/moved", "bob/new"]) == {
        "alice/kept": "keep 127.0.0.1:9000",
        "alice/moved": "keep 127.0.0.1:9001",
        "bob/new": "keep 127.0.0.1:9002",
    }


@pytest.mark.parametrize("control", [3600], indirect=True)
def test_what_nginx_may_still_have_to_read_makes_no_room(control: str) -> None:
    fill(control, range(10_000))
    control_module.tidy(control)
    with pytest.raises(NotLive, match="answers 507: 0 published, 1 found no room"):
        control_module.publish(control, {f"mallory/{'x' * 60}": ""})


def test_what_nginx_has_read_and_is_gone_stays_gone(control: str) -> None:
    control_module.publish(control, {"alice/kept": ""})
    fill(control, range(10_000))
    control_module.tidy(control)
    assert control_module.served(control, ["alice/kept"]) == {"alice/kept": ""}
