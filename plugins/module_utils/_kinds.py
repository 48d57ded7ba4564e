# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets that know what each visualisation tool needs behind a path prefix."""

from __future__ import annotations

import dataclasses
import shlex

KEEP = "keep"
STRIP = "strip"


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a tool needs: `prefix` says whether it sees the link's prefix in its URLs (keep) or not (strip),
    `start` is the command line that makes it fit, with {prefix} (no trailing slash), {host}, {port} and {origin}
    (the gateway's host:port as the browser writes it)."""

    name: str
    prefix: str
    start: str
    note: str = ""

    def command(self, prefix: str, host: str, port: int, origin: str) -> list[str]:
        """The words of the command that starts the tool for one link."""
        return [word.format(prefix=prefix, host=host, port=port, origin=origin) for word in shlex.split(self.start)]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("http", STRIP, "python3 -m http.server --bind {host} {port}", "any server with relative URLs"),
        Kind("visdom", KEEP, "visdom --hostname {host} -port {port} -base_url {prefix}"),
        Kind("tensorboard", KEEP, "tensorboard --host {host} --port {port} --path_prefix {prefix} --logdir runs"),
        Kind("jupyter", KEEP, "jupyter server --ip {host} --port {port} --ServerApp.base_url={prefix}"),
        Kind(
            "bokeh",
            KEEP,
            "bokeh serve --address {host} --port {port} --prefix {prefix} --allow-websocket-origin {origin} app.py",
        ),
        Kind(
            "streamlit",
            KEEP,
            "streamlit run --server.address {host} --server.port {port} --server.baseUrlPath {prefix} app.py",
        ),
        Kind("trame", STRIP, "python3 app.py --server --host {host} --port {port}"),
        Kind("novnc", STRIP, "websockify --web /usr/share/novnc {host}:{port} localhost:5901"),
        Kind("wsgi", STRIP, "gunicorn --bind {host}:{port} app:app", "X-Forwarded-Prefix carries the prefix"),
    )
}
