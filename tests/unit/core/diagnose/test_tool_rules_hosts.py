# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says about links with a host name of their own, and about tools that need one."""

from __future__ import annotations

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.doctor import diagnose
from ansible_collections.vizgate.gateway.tests.unit.core.diagnose.tools import (
    ABSOLUTE,
    HOST,
    OPTUNA,
    OWN_HOST,
    SOCKET,
    VISDOM,
    Answer,
    answer,
    curl,
    file,
    go,
    page,
    running,
    says,
    started,
    triples,
    with_hosts,
    with_own_host,
)
from ansible_collections.vizgate.gateway.tests.unit.support import free_port


def test_a_tool_without_a_base_path_gets_a_host_name() -> None:
    pages = {"/": go("/dashboard"), "/dashboard": page(OPTUNA), "/static/bundle.js": file()}
    with running(pages) as tool:
        text = (
            "Optuna's dashboard has no option for a base path, so it does not work below /run/;"
            " give the link a host name of its own"
        )
        for prefix in ("strip", "keep"):
            assert says(with_hosts(tool.port, prefix=prefix)) == [("error", text, "vizgate edit run --prefix host")]
        shown = with_hosts(tool.port, url="/run.1_a/", name="run.1_a")
        ((_, _, fix),) = triples(diagnose(shown, "run.1_a"))
        assert fix == "vizgate edit run.1_a --name run-1-a --prefix host"
        ((severity, text, fix),) = says(with_own_host(tool.port))
        assert (severity, fix) == ("ok", "")
        assert text.startswith(f"{OWN_HOST}/ works: ")
        # asked as the gateway asks: by that host, and without a prefix
        for _, headers in tool.requests[-3:]:
            assert (headers["Host"], headers.get("X-Forwarded-Prefix")) == (f"run--alice.{HOST}", None)
            # Optuna's dashboard answers 500 without
            assert headers["Accept-Encoding"] == "identity"


def test_any_tool_that_looks_outside_may_have_no_base_path() -> None:
    with running({"/": page('<script src="/static/main.js"></script>')}) as tool:
        text = (
            "the page loads, but looks for /static/main.js outside of the link: tell the tool its base path /run"
            " (most have a flag for that; for one that has none, vizgate edit run --prefix host), and then"
        )
        assert says(with_hosts(tool.port)) == [("error", text, "vizgate edit run --prefix keep")]


BASE_PATH = ": as the link has a host name of its own, the tool's addresses begin at /, without a base path"


@pytest.mark.parametrize(
    ("pages", "text"),
    [
        ({"/run/": page()}, f"it answers 404 at /{BASE_PATH}"),
        ({"/": go("/")}, f"/ is in a redirect loop{BASE_PATH}"),
        ({"/": page("", 503)}, "it answers 503 at /"),
        ({"/": page(ABSOLUTE)}, "the page loads, but /static/main.js does not"),
        (
            {"/": page('<script src="http://127.0.0.1:{port}/main.js"></script>')},
            "the page loads, but looks for http://127.0.0.1:{port}/main.js outside of the link: tell the tool its own address"
            f" {OWN_HOST}/",
        ),
    ],
)
def test_what_does_not_work_on_a_host_of_its_own(pages: dict[str, Answer], text: str) -> None:
    with running({}) as tool:
        tool.pages = {
            path: (status, head, body.replace("{port}", str(tool.port))) for path, (status, head, body) in pages.items()
        }
        ((severity, finding, fix), *_) = says(with_own_host(tool.port))
        assert (severity, finding) == ("error", text.replace("{port}", str(tool.port)))
        assert fix == curl(tool.port, "/").replace(HOST, f"run--alice.{HOST}")
        # nothing is asked for below a prefix that there is not
        assert {path for path, _ in tool.requests} <= {"/", "/static/main.js", "/static/main.css"}


def test_a_kind_on_a_host_of_its_own_starts_without_a_base_path() -> None:
    with running({"/run/": page(VISDOM)}) as tool:
        ((_, text, fix),) = says(with_own_host(tool.port, "visdom"))
        assert (text, fix) == (f"it answers 404 at /{BASE_PATH}", started("visdom", tool.port, base=""))
        tool.pages = {"/": page(VISDOM), "/socket": SOCKET}
        assert [severity for severity, _, _ in says(with_own_host(tool.port, "visdom"))] == ["ok"]
        # another process at another port is not taken for this link's tool
        ((_, text, _),) = says(with_own_host(free_port(), "visdom"))
        assert text.startswith("nothing listens on")


def test_a_host_name_where_users_have_paths() -> None:
    """Nobody can declare that; the style may have been changed by hand."""
    with running({"/": page()}) as tool:
        ((severity, text, fix),) = says(answer(tool.port, prefix="host"))
    assert (severity, fix) == ("error", "vizgate edit run --prefix strip")
    assert text.startswith(
        "the site policy no longer allows this link: prefix 'host' needs url_style subdomain, but this gateway uses paths"
    )
