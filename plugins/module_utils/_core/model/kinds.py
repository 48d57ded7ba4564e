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
        "without -bind_local it listens on all interfaces, which is necessary on another host than the gateway;"
        " the Python client needs the login in the server URL, and use_incoming_socket=False",
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
        "the token must be empty, because Jupyter's page would send it in the Authorization header, instead of the gateway's"
        " login; everybody who can connect to the port directly gets a shell, so on a shared host set a password with"
        " 'jupyter server password'",
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
        "panel",
        KEEP,
        "panel serve app.py --address {host} --port {port} --prefix {prefix}"
        " --allow-websocket-origin {origin} --use-xheaders",
        "the origin is what the browser's address bar shows",
    ),
    Kind(
        "dask",
        STRIP,
        "dask scheduler --host {host} --port 0 --dashboard-address {host}:{port}",
        "do not set --dashboard-prefix, because the link strips the prefix; the scheduler prints the port for workers and"
        " clients when it starts",
    ),
    Kind(
        "gradio",
        STRIP,
        "env GRADIO_SERVER_NAME={host} GRADIO_SERVER_PORT={port} GRADIO_ROOT_PATH={prefix} python3 app.py",
        "app.py calls launch() without an address, port and root_path of its own",
    ),
    Kind(
        "dash",
        KEEP,
        "env HOST={host} PORT={port} DASH_URL_BASE_PATHNAME={prefix}/ python3 app.py",
        "app.py calls run() without a host and port of its own; with gunicorn, leave HOST and PORT out",
    ),
    Kind(
        "shiny",
        STRIP,
        "shiny run --host {host} --port {port} app.py",
        "Shiny for Python; in R, shiny::runApp('.', host = HOST, port = PORT)",
    ),
    Kind(
        "nicegui",
        STRIP,
        "python3 app.py --host {host} --port {port}",
        "app.py passes both on to ui.run(host=, port=), which otherwise listens on all addresses",
    ),
    Kind(
        "viser",
        STRIP,
        "python3 app.py --host {host} --port {port}",
        "app.py passes both on to viser.ViserServer(host=, port=), which otherwise listens on all addresses",
    ),
    Kind(
        "marimo",
        KEEP,
        "marimo edit app.py --headless --host {host} --port {port} --base-url {prefix} --no-token",
        "marimo run app.py instead of marimo edit shows one notebook as an app; everybody who can connect to the port"
        " of marimo edit directly gets a shell",
    ),
    Kind(
        "voila",
        KEEP,
        "voila app.ipynb --no-browser --Voila.ip={host} --port={port} --base_url={prefix}/",
        "each visit of a page starts a kernel",
    ),
    Kind(
        "mlflow",
        KEEP,
        "mlflow server --workers 1 --host {host} --port {port} --static-prefix {prefix}"
        " --allowed-hosts {origin},{host}:{port},localhost:{port} --cors-allowed-origins http://{origin},https://{origin}",
        "it refuses requests that name other hosts",
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
OTHERS = (
    "use http, start the tool with the link's path as its base path, and ask vizgate doctor"
    " (docs/guide/links.md has a table of tools); kinds: " + ", ".join(KINDS)
)
"""What to do about a tool that has no kind."""
