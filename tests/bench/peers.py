"""What the gateway is measured beside: its own nginx with one fixed upstream, and HAProxy with a map of links."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from load import GATEWAY_CORE, pin
from rig import eventually, free_port

_FIXED = """\
upstream fixed {{ server 127.0.0.1:{backend}; keepalive 256; }}
server {{
    listen 127.0.0.1:{port};
    access_log {folder}/fixed.log combined buffer=32k flush=100ms;
    client_max_body_size 0;
    proxy_http_version 1.1;
    location / {{
        proxy_set_header Connection "";
        proxy_pass http://fixed;
    }}
    location /user0/link0/ {{
        proxy_set_header Connection "";
        proxy_pass http://fixed/;
    }}
    location /user0/socket/ {{
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
        proxy_pass http://127.0.0.1:{socket}/;
    }}
}}
"""
_HAPROXY = """\
global
    nbthread 1
    maxconn 4096
    log ring@requests local0
ring requests
    format raw
    maxlen 1024
    size 4194304
    backing-file {folder}/haproxy.log
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend gate
    bind 127.0.0.1:{port}
    http-request set-var(txn.link) path,field(2,/,2),map_str({folder}/links.map)
    http-request deny unless {{ var(txn.link) -m found }}
    http-request replace-path /[^/]+/[^/]+/(.*) /\\1
    use_backend %[var(txn.link)]
{backends}"""
HAPROXY = "/usr/sbin/haproxy"


def fixed_server(folder: Path, port: int, backend: int, socket: int = 0) -> str:
    """nginx's configuration of a server without logins, as its manual has it: everything goes to one port, a websocket to another."""
    return _FIXED.format(folder=folder, port=port, backend=backend, socket=socket or backend)


@contextlib.contextmanager
def haproxy(links: dict[str, int], ports: Sequence[int]) -> Iterator[tuple[int, int]]:
    """HAProxy without logins, on the gateway's processor: `links` is `user/link` → port of a backend, one of `ports`.

    Gives its process and its port. It logs to a ring in shared memory, which is as much buffer as a log can have.
    """
    folder = Path(tempfile.mkdtemp(prefix="vg-", dir="/tmp"))
    port = free_port()
    folder.joinpath("links.map").write_text("".join(f"{link} port{target}\n" for link, target in links.items()))
    backends = "".join(f"backend port{target}\n    server s 127.0.0.1:{target}\n" for target in ports)
    config = folder / "haproxy.cfg"
    config.write_text(_HAPROXY.format(folder=folder, port=port, backends=backends))
    with subprocess.Popen([HAPROXY, "-f", config], stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: _listens(process.pid, port))
            pin([int(name) for name in os.listdir(f"/proc/{process.pid}/task")], GATEWAY_CORE)
            yield process.pid, port
        finally:
            process.kill()
    shutil.rmtree(folder)


def _listens(pid: int, port: int) -> bool:
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z", "HAProxy has ended"
    return any(line.split()[1].endswith(f":{port:04X}") for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
