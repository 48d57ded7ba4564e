# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets that know what each visualisation tool needs behind a path prefix."""

from __future__ import annotations

from typing import NamedTuple

KEEP = "keep"
STRIP = "strip"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Kind(NamedTuple):
    """What a tool needs: `prefix` says whether it sees the link's prefix in its URLs (keep) or not (strip),
    `start` is the command line that makes it fit, with {prefix} (no trailing slash), {host}, {port} and {origin}
    (the gateway's host:port as the browser writes it)."""

    name: str
    prefix: str
    start: str
    note: str = ""

    def command(self, prefix: str, host: str, port: int, origin: str) -> list[str]:
        """The words of the command that starts the tool for one link."""
        import shlex  # only by who starts a tool

        words = [word.format(prefix=prefix, host=host, port=port, origin=origin) for word in shlex.split(self.start)]
        # visdom listens on loopback or on all addresses
        return [word for word in words if word != "-bind_local" or host in _LOOPBACK]


_KINDS = (
    Kind(
        "http",
        STRIP,
        "python3 -m http.server --bind {host} {port}",
        "any server whose pages use relative addresses",
    ),
    Kind(
        "visdom",
        KEEP,
        "visdom -port {port} -base_url {prefix} -bind_local",
        "without -bind_local it listens on all interfaces, which a visdom on another host has to;"
        " its Python client takes the login in its server address and use_incoming_socket=False",
    ),
    Kind(
        "tensorboard",
        KEEP,
        "tensorboard --logdir runs --host {host} --port {port} --path_prefix {prefix}",
    ),
    Kind(
        "jupyter",
        KEEP,
        "jupyter lab --no-browser --ServerApp.ip={host} --ServerApp.port={port} --ServerApp.port_retries=0"
        " --ServerApp.base_url={prefix} --ServerApp.allow_remote_access=True --IdentityProvider.token=",
        "the empty token is a must, as its own would displace the gateway's login; who reaches the port past the"
        " gateway has a shell, so on a shared host set a password with 'jupyter server password'",
    ),
    Kind(
        "bokeh",
        KEEP,
        "bokeh serve app.py --address {host} --port {port} --prefix {prefix}"
        " --allow-websocket-origin {origin} --use-xheaders",
        "the origin is what the browser's address bar shows",
    ),
    Kind(
        "streamlit",
        KEEP,
        "streamlit run app.py --server.address {host} --server.port {port} --server.baseUrlPath {prefix}"
        " --server.headless true --browser.gatherUsageStats false",
    ),
    Kind(
        "trame",
        STRIP,
        "python3 app.py --server --host {host} --port {port} --timeout 0",
        "one process is one shared state for all visitors",
    ),
    Kind(
        "novnc",
        STRIP,
        "websockify --web /usr/share/novnc {host}:{port} localhost:5901",
        "open vnc.html?path=USER/LINK/websockify below the link; where users have host names, path=LINK/websockify",
    ),
    Kind(
        "wsgi",
        KEEP,
        "gunicorn --bind {host}:{port} -e SCRIPT_NAME={prefix} app:app",
        "gunicorn takes SCRIPT_NAME off the path, so the app needs no change",
    ),
)

KINDS = {kind.name: kind for kind in _KINDS}
