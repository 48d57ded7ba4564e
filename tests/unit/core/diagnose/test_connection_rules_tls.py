# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says about tools that speak TLS, and about links with scheme https."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.tests.unit.core.diagnose.tools import ME, Tool, answer, page, running, says


def test_it_speaks_tls(tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=tool"]
    subprocess.run([*command, *files], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with Tool({"/": page()}) as tool:
        tool.socket = context.wrap_socket(tool.socket, server_side=True)
        threading.Thread(target=tool.serve_forever, args=(0.01,), daemon=True).start()
        ((severity, text, fix),) = says(answer(tool.port, "jupyter"))
        tool.shutdown()
    assert (severity, fix) == ("error", "vizgate edit run --scheme https --insecure")
    assert text.endswith(
        f"uses TLS (https) on 127.0.0.1:{tool.port}, but the link has scheme http; the gateway would not trust the tool: a"
        " certificate is verified for a host name, and the link has an address"
    )


@contextlib.contextmanager
def encrypted(folder: Path, host: str = "127.0.0.1") -> Iterator[Tool]:
    """A tool that speaks TLS, its certificate for the name `tool` in cert.pem of the folder."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=tool"]
    subprocess.run([*command, *files], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with Tool({"/": page()}, host) as tool:
        tool.socket = context.wrap_socket(tool.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=tool.serve_forever, args=(0.01,), daemon=True).start()
        yield tool
        tool.shutdown()


@pytest.mark.parametrize(
    ("link", "text", "fix"),
    [
        ({"host": "tool"}, "but the link has scheme http", "vizgate edit run --scheme https"),
        (
            {"host": "other"},
            "certificate is not valid for 'other'.",
            "vizgate edit run --scheme https --insecure",
        ),
        (
            {"host": "other", "scheme": "https", "verify": True},
            "certificate is not valid for 'other'.; ask the administrator to add its CA certificate to gateway_backend_ca, or"
            " switch off the verification",
            "vizgate edit run --insecure",
        ),
        (
            {"host": "other", "source": "inventory"},
            "certificate is not valid for 'other'.",
            f"in the users file {ME}.yml, link 'run': scheme: https, verify: false; then run the playbook links",
        ),
        ({"host": "tool", "scheme": "https"}, "", ""),
        ({"host": "other", "scheme": "https", "verify": False}, "", ""),
    ],
)
def test_https(tmp_path: Path, names: dict[str, list[str]], link: dict[str, Any], text: str, fix: str) -> None:
    names.update(tool=["127.0.0.1"], other=["127.0.0.1"])
    with encrypted(tmp_path) as tool:
        shown = answer(tool.port, **link)
        shown["site"]["backend_ca"] = str(tmp_path / "cert.pem")
        ((severity, finding, found),) = says(shown)
    assert (severity, found) == ("error" if fix else "ok", fix)
    assert finding.endswith(text)


def test_https_where_there_is_none(names: dict[str, list[str]]) -> None:
    names["tool"] = ["127.0.0.1"]
    with running({"/": page()}) as tool:
        ((severity, finding, fix),) = says(answer(tool.port, host="tool", scheme="https"))
    assert (severity, fix) == ("error", "vizgate edit run --scheme http")
    assert "does not use TLS" in finding
