# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor and the real tools, started right and wrong: it finds what is wrong, and its advice makes the link work."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import backends
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.advice import Finding
from ansible_collections.vizgate.gateway.plugins.module_utils._core.diagnose.doctor import diagnose
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.kinds import KINDS
from backends import Gateway, running
from conftest import free_ports

ME = pwd.getpwuid(os.getuid()).pw_name


@contextlib.contextmanager
def started(kind: str, words: str, gateway: Gateway, tools: Path, folder: Path) -> Iterator[None]:
    """Runs the tool of a kind by other words than the kind's own; {port} and {prefix} are filled in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, "KINDS", {kind: KINDS[kind]._replace(start=words)})
        with running(kind, gateway, tools, folder):
            yield


def answer(gateway: Gateway, kind: str, declared: str, prefix: str) -> dict[str, Any]:
    """What `show` tells of a link of kind `declared` to the tool of a kind."""
    port = gateway.ports[kind]
    link = {
        "name": kind,
        "url": gateway.prefix(kind) + "/",
        "kind": declared,
        "host": "127.0.0.1",
        "port": port,
        "target": f"127.0.0.1:{port}",
        "prefix": prefix or KINDS[declared].prefix,
        "description": "",
        "source": "self",
        "rendered": True,
        "live": True,
        "yields_to": "",
        "moving": False,
    }
    site = {"url": f"http://{gateway.origin}", "url_style": "path"}
    site |= {"allowed_hosts": ["127.0.0.0/8"], "allowed_ports": ["1024-65535"]}
    return {"user": ME, "site": site, "serving": True, "links": [link]}


@dataclasses.dataclass(frozen=True)
class Link:
    """A link of kind `declared` and in mode `prefix`, or of the tool's own where they are "", for which these are the
    `findings`, with {base} and {origin} filled in and no process named."""

    findings: tuple[str, ...]
    declared: str = ""
    prefix: str = ""


KIND = "the page is %s's, but the link's kind is %s"

RIGHT = {
    "visdom": (
        Link((KIND % ("visdom", "http"),), "http"),
        Link((KIND % ("visdom", "jupyter"),), "jupyter"),
        Link(("visdom needs {base}/ in request paths, but the link strips it",), prefix="strip"),
    ),
    "tensorboard": (Link((KIND % ("tensorboard", "http"),), "http"),),
    "jupyter": (
        Link((KIND % ("jupyter", "http"),), "http"),
        Link((KIND % ("jupyter", "visdom"),), "visdom"),
    ),
    "bokeh": (Link((KIND % ("bokeh", "trame"),), "trame"),),
    "streamlit": (Link((KIND % ("streamlit", "http"),), "http"),),
    "trame": (
        Link(
            ("it answers 404 at {base}/ and 200 at /index.html: the tool's addresses begin at /index.html",),
            prefix="keep",
        ),
        Link((KIND % ("trame", "visdom"),), "visdom"),
    ),
    "wsgi": (Link(("it answers 500 at / and 200 at {base}/: the tool's addresses begin at {base}/",), "http"),),
    "http": (Link(("it answers 404 at {base}/ and 200 at /: the tool's addresses begin at /",), prefix="keep"),),
    "panel": (Link((KIND % ("panel", "http"),), "http"),),
    "dask": (Link((KIND % ("dask", "visdom"),), "visdom"),),
    "gradio": (Link((KIND % ("gradio", "visdom"),), "visdom"),),
    "dash": (Link((KIND % ("dash", "http"),), "http"),),
    "shiny": (Link((KIND % ("shiny", "visdom"),), "visdom"),),
    "nicegui": (Link((KIND % ("nicegui", "visdom"),), "visdom"),),
    "viser": (Link((KIND % ("viser", "visdom"),), "visdom"),),
    "marimo": (Link((KIND % ("marimo", "http"),), "http"),),
    "mlflow": (Link((KIND % ("mlflow", "http"),), "http"),),
}
"""By the tool that its kind's own command has started."""


@pytest.mark.parametrize("kind", RIGHT)
def test_what_is_started_right(kind: str, tools: Path, tmp_path: Path) -> None:
    """Where the link is wrong the advice makes it right, and the tool bears to be looked at again and again."""
    port, site_port = free_ports(2)
    gateway = Gateway(site_port, {kind: port})
    with running(kind, gateway, tools, tmp_path):
        for link in RIGHT[kind]:
            shown = answer(gateway, kind, link.declared or kind, link.prefix)
            findings = diagnose(shown, kind)
            assert texts(findings) == expected(link, gateway, kind)
            changed, words = followed(findings, shown["links"][0])
            assert words == ""
            assert severities(diagnose({**shown, "links": [changed]}, kind)) == ["ok"]
        # visdom answers no websocket any more once one has gone away without a goodbye
        for _ in range(5):
            assert severities(diagnose(answer(gateway, kind, kind, ""), kind)) == ["ok"]


FLAG = "it answers 404 at {base}/ and 200 at /: %s was not started for {base}"
CIRCLE = "{base}/ is in a redirect loop: %s was not started for {base}"
BOKEH = "bokeh serve app.py --address 127.0.0.1 --port {port}"
JUPYTER = "jupyter lab --no-browser --ServerApp.port={port} --ServerApp.port_retries=0"
STREAMLIT = (
    "streamlit run app.py --server.address 127.0.0.1 --server.port {port}"
    " --server.headless true --browser.gatherUsageStats false"
)
VISDOM = "visdom -port {port} -bind_local"

WRONG = {
    "visdom without its flag": (
        "visdom",
        VISDOM,
        Link(
            (
                "the page loads, but looks for /static/css/bootstrap.min.css outside of the link:"
                " visdom was not started for {base}",
            )
        ),
    ),
    "visdom for another link": (
        "visdom",
        VISDOM + " -base_url /alice/old",
        Link(("it answers 404 at {base}/ and 404 at /: visdom was not started for {base}",)),
    ),
    "tensorboard without its flag": (
        "tensorboard",
        "tensorboard --logdir runs --host 127.0.0.1 --port {port}",
        Link((KIND % ("tensorboard", "visdom"), FLAG % "tensorboard"), "visdom"),
    ),
    "jupyter as anybody starts it": (
        "jupyter",
        JUPYTER,
        Link(
            (
                CIRCLE % "jupyter"
                + "; it refuses requests with Host {origin} (403), but accepts them with Host localhost",
            )
        ),
    ),
    "jupyter with its token": (
        "jupyter",
        JUPYTER + " --ServerApp.base_url={prefix} --ServerApp.allow_remote_access=True",
        Link(
            (
                KIND % ("jupyter", "http"),
                "jupyter asks for a token, and its page then sends the token instead of the gateway's login",
            ),
            "http",
        ),
    ),
    "bokeh without its flags": (
        "bokeh",
        BOKEH,
        Link(("it answers 404 at {base}/ and 200 at /app: bokeh was not started for {base}",)),
    ),
    "bokeh for another origin": (
        "bokeh",
        BOKEH + " --prefix {prefix}",
        Link(("the page loads, but its websocket {base}/app/ws is refused (403); it has to accept pages of {origin}",)),
    ),
    "streamlit without its flag": ("streamlit", STREAMLIT, Link((CIRCLE % "streamlit",))),
    "gunicorn without its prefix": ("wsgi", "gunicorn --bind 127.0.0.1:{port} app:app", Link((FLAG % "the app",))),
}
"""Name → the tool's kind, how it is started, the link."""


@pytest.mark.parametrize("name", WRONG)
def test_what_is_started_wrong(name: str, tools: Path, tmp_path: Path) -> None:
    """The advice is the kind's own command, for a link that fits it."""
    kind, words, link = WRONG[name]
    port, site_port = free_ports(2)
    gateway = Gateway(site_port, {kind: port})
    shown = answer(gateway, kind, link.declared or kind, link.prefix)
    with started(kind, words, gateway, tools, tmp_path):
        findings = diagnose(shown, kind)
    assert texts(findings) == expected(link, gateway, kind)
    assert followed(findings, shown["links"][0]) == (
        answer(gateway, kind, kind, "")["links"][0],
        shlex.join(KINDS[kind].command(gateway.prefix(kind), "127.0.0.1", port, gateway.origin)),
    )


def expected(link: Link, gateway: Gateway, kind: str) -> list[str]:
    return [text.format(base=gateway.prefix(kind), origin=gateway.origin) for text in link.findings]


def severities(findings: list[Finding]) -> list[str]:
    return [finding["severity"] for finding in findings]


def texts(findings: list[Finding]) -> list[str]:
    """What was found, without the number of the process."""
    return [re.sub(r"; stop process \d+ first$", "", finding["finding"]) for finding in findings]


def followed(findings: list[Finding], link: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Types what the doctor says: the link afterwards, and what is to be run instead, if anything."""
    words, changed = "", dict(link)
    for finding in findings:
        typed = shlex.split(finding["fix"])
        if typed[:3] != ["vizgate", "edit", link["name"]]:
            assert words == ""
            words = finding["fix"]
            continue
        for option, value in zip(typed[3::2], typed[4::2], strict=True):
            changed[option.removeprefix("--")] = value
            if option == "--kind":
                changed["prefix"] = KINDS[value].prefix
    return changed, words
