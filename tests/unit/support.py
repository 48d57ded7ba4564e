# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit tests share: a gateway's tree, the role's templates rendered by Ansible, a real nginx, a control socket."""

from __future__ import annotations

import contextlib
import functools
import http.server
import io
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths

COLLECTION = Path(__file__).resolve().parents[2]
ROLE = COLLECTION / "roles" / "gateway"
TEMPLATES = ROLE / "templates" / "include"
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

HASH = "$2y$10$4bQ711Ii7aERP5b7CdIYB.pVoVki5jvTewC7WJNB7Aqa1qtNOoRaa"
OTHER_HASH = "$2y$10$uFJCLrubqDA8so/VGJ0uuOb.vVJpJm.XvwiQJCGVZ68JW1k0N2d4C"
POLICY = {
    "allowed_hosts": ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8", "*"],
    "allowed_ports": ["1024-65535"],
    "url": "http://gate:1234",
    "self_service": True,
    "links_per_user": 200,
    "logins_per_user": 50,
}


@contextlib.contextmanager
def short_folder() -> Iterator[str]:
    """An empty folder whose path is short enough for sockets below it; in memory, as thousands of files come and go."""
    path = tempfile.mkdtemp(prefix="vizgate-unit-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def make_gateway(root: str, policy: dict[str, Any] | None = None) -> Gateway:
    """A gateway's tree below `root` as the role leaves it, with the role's templates and nothing declared."""
    paths = Paths(root)
    for folder in (
        os.path.dirname(paths.policy),
        paths.users,
        paths.includes,
        os.path.dirname(paths.templates),
        os.path.dirname(paths.control),
    ):
        os.makedirs(folder)
    os.symlink(TEMPLATES, paths.templates)
    Path(paths.policy).write_text(json.dumps(POLICY if policy is None else policy), encoding="utf-8")
    return Gateway(paths)


def data(*links: dict[str, Any], logins: list[dict[str, Any]] | None = None) -> UserData:
    """What a source declares for a user, from plain data that has to be right."""
    found, problems = parse_user({"links": list(links), "logins": logins or []})
    assert problems == []
    return found


def tree(root: str) -> dict[str, bytes]:
    """Every file below a folder: path → content. The lock is left out, as it comes with any run."""
    files = (path for path in sorted(Path(root).rglob("*")) if path.is_file() and path.name != "lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


class Killed(BaseException):
    """The process ends here, as far as the code under test can tell: nothing catches this."""


class Faulty:
    """Stands for `os` and `open` in a module: the call number `at` that touches a file fails with `error`.

    A write that fails has written half of its text before.
    """

    CALLS = frozenset(
        ("fchmod", "fchown", "fsync", "makedirs", "open", "rename", "rmdir", "stat", "fstat", "sync", "unlink")
    )

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, at: int, error: BaseException) -> None:
        self.at, self.error, self.calls = at, error, 0
        monkeypatch.setattr(module, "os", self)
        monkeypatch.setattr(module, "open", self._open, raising=False)

    @property
    def happened(self) -> bool:
        """Whether there were as many calls as it took to fail."""
        return self.calls >= self.at

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.CALLS:
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            self._count()
            return real(*arguments, **options)

        return call

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise self.error

    def _open(self, file: Any, mode: str = "r", **options: Any) -> Any:
        if not isinstance(file, int):
            return open(file, mode, **options)
        written = _Torn(os.fdopen(file, mode + "b"), **options)
        written.faulty = self
        return written


class _Torn(io.TextIOWrapper):
    faulty: Faulty

    def write(self, text: str) -> int:
        self.faulty.calls += 1
        if self.faulty.calls != self.faulty.at:
            return super().write(text)
        super().write(text[: len(text) // 2])
        raise self.faulty.error


class Control(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Speaks on a socket as the gateway's nginx does on its control socket; `entries` is what it was told."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.entries: dict[str, str] = {}
        self.bodies: list[str] = []
        self.status = 200
        self.before = lambda: None
        super().__init__(path, _Answer)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that goes away early is what some tests are about."""

    def stop(self) -> None:
        """Ends the server and takes its socket away."""
        self.shutdown()
        self.server_close()
        os.unlink(str(self.server_address))


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Control
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        text = self._body()
        self.server.before()
        self.server.bodies.append(text)
        if self.server.status == 200:
            self.server.entries.update(line.split("\t") for line in text.splitlines())
        self._say(f"{text.count(chr(10))} published\n")

    def do_POST(self) -> None:
        self._say("".join(self.server.entries.get(key, "") + "\n" for key in self._body().splitlines()))

    def do_DELETE(self) -> None:
        self._say("0 forgotten\n")

    def _body(self) -> str:
        return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()

    def _say(self, text: str) -> None:
        # only what is to be published can find no room
        self.send_response(200 if self.server.status == 507 and self.command != "PUT" else self.server.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@functools.cache
def _role_variables(role: Path) -> dict[str, Any]:
    from ansible.template import trust_as_template

    def trusted(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: trusted(item) for key, item in value.items()}
        if isinstance(value, list):
            return [trusted(item) for item in value]
        return trust_as_template(value) if isinstance(value, str) else value

    found: dict[str, Any] = {}
    for folder in ("defaults", "vars"):
        found.update(trusted(yaml.safe_load((role / folder / "main.yml").read_text(encoding="utf-8"))))
    return found


def rendered(template: str, **variables: Any) -> str:
    """One of the role's templates as Ansible renders it, from the role's own defaults and vars."""
    return evaluated((ROLE / "templates" / template).read_text(encoding="utf-8"), **variables)


def evaluated(text: str, *, role: Path = ROLE, **variables: Any) -> str:
    """A text as Ansible templates it, from a role's own defaults and vars."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar, trust_as_template

    given = {
        "inventory_hostname": "gate",
        "ansible_facts": {"user_id": "root", "python": {"executable": "/usr/bin/python3"}},
        "ansible_managed": "Ansible managed",
        "__gateway_listen": ["127.0.0.1"],
    }
    templar = Templar(loader=DataLoader(), variables={**_role_variables(role), **given, **variables})
    # where the parts of a template are
    templar = templar.copy_with_new_env(searchpath=[str(role / "templates")])
    return str(templar.template(trust_as_template(text)))


def free_port() -> int:
    """A TCP port of loopback on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def configure(gateway: Gateway, **variables: Any) -> str:
    """Writes the whole nginx configuration of a rootless gateway below its root; returns the path of its nginx.conf."""
    paths = gateway.paths
    user = "root" if os.getuid() == 0 else "somebody"
    variables = {
        "gateway_rootless_dir": paths.root,
        "gateway_listen_port": free_port(),
        "ansible_facts": {"user_id": user, "python": {"executable": "/usr/bin/python3"}},
        **variables,
    }
    for folder in ("links.d", "logins.d", "pages"):
        os.makedirs(os.path.join(paths.includes, folder), exist_ok=True)
    for folder in ("var/log/nginx", "run/vizgate/auth"):
        os.makedirs(os.path.join(paths.root, folder), exist_ok=True)
    for name, template in (
        ("gateway.conf", "gateway.conf"),
        ("auth.conf", "auth.conf"),
        ("nginx.conf", "rootless.conf"),
    ):
        text = rendered(f"nginx/{template}.j2", **variables)
        Path(paths.includes, name).write_text(text, encoding="utf-8")
    for folder in ("lua", "pages"):
        if not os.path.exists(os.path.join(paths.lib, folder)):
            os.symlink(ROLE / "files" / folder, os.path.join(paths.lib, folder))
    return os.path.join(paths.includes, "nginx.conf")


def with_settings(configuration: str, *statements: str) -> str:
    """The text of gateway.conf, with more statements at the end of what starts the request logic; config.lua has the settings."""
    added = "".join(f"    {statement}\n" for statement in statements)
    text, count = re.subn(r"(?ms)(^init_by_lua_block \{$.*?)^\}$", lambda match: f"{match[1]}{added}}}", configuration)
    assert count == 1
    return text


def refusal(configuration: str) -> str:
    """What `nginx -t` says against a configuration; "" where it accepts it."""
    assert NGINX, "these tests need nginx"
    done = subprocess.run(
        [NGINX, "-t", "-q", "-e", "stderr", "-c", configuration],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stderr.strip() if done.returncode else ""


@contextlib.contextmanager
def serving(gateway: Gateway, configuration: str) -> Iterator[None]:
    """A real nginx that runs on a configuration from `configure`."""
    assert NGINX, "these tests need nginx"
    subprocess.run([NGINX, "-e", "stderr", "-c", configuration], check=True, timeout=60)
    pid_file = Path(gateway.paths.root, "run/vizgate/nginx.pid")
    process = int(pid_file.read_text(encoding="utf-8"))
    try:
        yield
    finally:
        os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + 60
        # the process itself stays in the table until whoever inherited it looks
        while (pid_file.exists() or os.path.exists(gateway.paths.control)) and time.monotonic() < deadline:
            time.sleep(0.005)
