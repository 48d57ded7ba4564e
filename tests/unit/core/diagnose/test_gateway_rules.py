# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says about the gateway's side of a link."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.tests.unit.core.diagnose.tools import ME, Tool, answer, page, running, says
from ansible_collections.vizgate.gateway.tests.unit.support import free_port


@pytest.fixture
def tool() -> Iterator[Tool]:
    """One that works for links of kind http."""
    with running({"/": page("hello")}) as tool:
        yield tool


def test_the_gateway_does_not_run(tool: Tool) -> None:
    text = "the gateway's nginx does not run"
    shown = {**answer(tool.port, live=False), "serving": False}
    assert says(shown) == [("error", text, "sudo service nginx start, which only an administrator can run")]
    shown["sockets"] = "/home/alice/gate/run/vizgate/sockets/alice"
    command = "/home/alice/gate/usr/local/lib/vizgate/bin/vizgate-rootless start"
    assert says(shown) == [("error", text, command)]
    assert says(shown | {"sockets": "/run/vizgate/sockets/alice"})[0][2].startswith("sudo service")


def test_the_link_is_not_rendered(tool: Tool) -> None:
    text = f"the include files of {ME} differ from the declared links; any change of a link rewrites them"
    expected = [("error", text, "vizgate edit run --description 'Loss curves '")]
    assert says(answer(tool.port, rendered=False, live=False)) == expected


def test_the_link_is_not_live(tool: Tool) -> None:
    expected = [("error", "nginx does not serve the link yet", "sudo service nginx reload")]
    assert says(answer(tool.port, live=False)) == expected


def test_inventory_has_a_link_of_the_same_name(tool: Tool) -> None:
    mine = answer(free_port(), yields_to="inventory", rendered=False, live=False)["links"]
    text = (
        f"your own link 'run' to {mine[0]['target']} is not served, because source 'inventory' declares the same name"
    )
    fix = "vizgate edit run --name run-2"
    assert says(answer(tool.port, source="inventory", links=mine)) == [("warning", text, fix)]


@pytest.mark.parametrize(
    ("site", "text", "changes"),
    [
        (
            {"allowed_hosts": ["10.0.0.0/8"]},
            "host '127.0.0.1' is not in allowed_hosts: 10.0.0.0/8 (the site policy)",
            "",
        ),
        (
            {"allowed_ports": ["1024-1030"]},
            "port {port} is not in allowed_ports: 1024-1030 (the site policy)",
            "--port 1024",
        ),
    ],
)
def test_the_policy_refuses_the_link(tool: Tool, site: dict[str, Any], text: str, changes: str) -> None:
    shown = answer(tool.port)
    shown["site"].update(site)
    ((severity, finding, fix),) = says(shown)
    assert (severity, finding) == (
        "error",
        "the site policy no longer allows this link: " + text.format(port=tool.port),
    )
    assert fix == (
        f"vizgate edit run {changes}" if changes else f"ask the administrator to allow 127.0.0.1:{tool.port}"
    )
    # and nothing is said about the tool
    shown["links"][0]["host"] = "127.0.0.9"
    assert len(says(shown)) == 1
