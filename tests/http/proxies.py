"""Real proxies in front of a gateway, as the guide has them, and a host of its own for proxies and visitors."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.certificates import self_signed
from conftest import Backends
from rig import ALICE, REPOSITORY, Answer, Rig, basic, eventually, free_port

NAME = "gate.example"
SECONDS = 30
CLONE_NEWNET = 0x40000000
GUIDE = (REPOSITORY / "docs/guide/behind-a-proxy.md").read_text()

APACHE = """
ServerRoot {folder}
ServerName {name}
Listen {address}:{port}
PidFile {folder}/pid
ErrorLog {folder}/log
Mutex file:{folder}
{user}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
{lines}
"""
APACHE_TLS = "SSLEngine on\nSSLCertificateFile {folder}/certificate"
NGINX = """
{user}
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    {map}
    server {{
        listen {address}:{port} ssl;
        ssl_certificate {folder}/certificate;
        ssl_certificate_key {folder}/certificate;
        {location}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 7d
listen gateway
    bind {address}:{port} ssl crt {folder}/certificate
    server gateway {target}
    {lines}
"""
USER = {"apache": "User www-data\nGroup www-data", "nginx": "user www-data;", "haproxy": ""}
"""How each is told to run as the account of a service."""


def guide(proxy: str, target: str = "") -> str:
    """What the guide has for this proxy, with the gateway's address where it has one."""
    (text,) = re.findall(rf"^```{proxy}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return text.replace("gate-internal.example.org:1234", target)


class Network:
    """Another host: programs in it see nothing of this one but the address at the other end of its cable."""

    def __init__(self) -> None:
        self.name = f"vizgate-{os.getpid()}"
        number = random.randrange(1, 255)
        self._prefix, self._prefix6 = f"198.18.{number}.", f"fd00:{number:x}::"

    def address(self, number: int, family: int = 4) -> str:
        """One of the network's addresses; 1 is this host's."""
        return f"{self._prefix if family == 4 else self._prefix6}{number}"

    @classmethod
    @contextlib.contextmanager
    def cabled(cls, numbers: Sequence[int]) -> Iterator[Self]:
        """One whose other host has the addresses of these numbers."""
        network = cls()
        here = f"vg{os.getpid()}"
        ip = ["ip", "-batch", "-"]
        commands = [
            f"netns add {network.name}",
            f"link add {here} type veth peer name cable netns {network.name}",
            f"addr add {network.address(1)}/24 dev {here}",
            f"addr add {network.address(1, 6)}/64 dev {here} nodad",
            f"link set {here} up",
        ]
        inside = [
            "link set lo up",
            *(f"addr add {network.address(number)}/24 dev cable" for number in numbers),
            *(f"addr add {network.address(number, 6)}/64 dev cable nodad" for number in numbers),
            "link set cable up",
        ]
        try:
            subprocess.run(ip, input="\n".join(commands), text=True, check=True)
            subprocess.run(["ip", "-n", network.name, "-batch", "-"], input="\n".join(inside), text=True, check=True)
            yield network
        finally:
            # its end of the cable goes with it, and so does the other
            subprocess.run(["ip", "netns", "del", network.name], check=True)

    def dial(self, address: str, port: int, source: str) -> socket.socket:
        """A connection from the other host: a socket stays in the network of the thread that has made it."""
        sockets: list[socket.socket] = []

        def connect() -> None:
            with open(f"/run/netns/{self.name}") as file:
                assert ctypes.CDLL(None).setns(file.fileno(), CLONE_NEWNET) == 0
            sockets.append(socket.create_connection((address, port), SECONDS, (source, 0)))

        thread = threading.Thread(target=connect)
        thread.start()
        thread.join()
        return sockets[0]


class Site:
    """A gateway, and a proxy in front of it as the guide has it: an Apache unless told, which ends TLS."""

    def __init__(
        self,
        rig: Rig,
        folder: Path,
        *,
        kind: str = "apache",
        names: Sequence[str] = (NAME,),
        lines: Sequence[str] = (),
        is_inner: bool = False,
        address: str = "127.0.0.1",
        target: str = "",
        network: Network | None = None,
    ) -> None:
        """It has a certificate for these names, and listens at `address`, of the other host if there is a `network`. An Apache
        has more `lines`, and passes requests on to `target`, the gateway unless told; an inner one takes them from another."""
        self.rig, self.folder, self.kind, self.network = rig, folder, kind, network
        self.address, self.port = address, free_port()
        self._lines, self._is_inner, self._target = lines, is_inner, target or f"127.0.0.1:{rig.port}"
        folder.mkdir(exist_ok=True)
        (folder / "certificate").write_text(self_signed(list(names)))
        self.trust = ssl.create_default_context(cafile=folder / "certificate")

    @property
    def place(self) -> str:
        """Where it listens, as in a URL."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def _command(self) -> list[str]:
        """The program and its options; writes its configuration."""
        conf, found = str(self.folder / "conf"), guide(self.kind, self._target)
        values = {
            "folder": self.folder,
            "name": NAME,
            "address": self.place.rpartition(":")[0],
            "port": self.port,
            "target": self._target,
            "user": USER[self.kind] if os.geteuid() == 0 else "",
        }
        if self.kind == "apache":
            if self._is_inner:
                found = "".join(line for line in found.splitlines(True) if "X-Forwarded-Proto" not in line)
            else:
                found += APACHE_TLS.format(**values)
            text = APACHE.format(lines="\n".join([found, *self._lines]), **values)
            command = ["apache2", "-f", conf, "-DFOREGROUND"]
        elif self.kind == "nginx":
            upgrade, _, location = found.partition("location")
            text = NGINX.format(map=upgrade, location="location" + location, **values)
            command = ["nginx", "-e", str(self.folder / "log"), "-c", conf, "-g", "daemon off;"]
        else:
            text = HAPROXY.format(lines=found.replace("\n", "\n    "), **values)
            command = ["haproxy", "-f", conf]
        Path(conf).write_text(text)
        program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin")
        assert program, f"there is no {command[0]}: run tests/packages"
        return [program, *command[1:]]

    @contextlib.contextmanager
    def serve(self) -> Iterator[Self]:
        """The proxy, as long as the context lasts."""
        inside = ["ip", "netns", "exec", self.network.name] if self.network else []
        command = [*inside, *self._command()]

        def listens() -> bool:
            assert process.poll() is None, f"{command} has ended"
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port)):
                return True
            return False

        with subprocess.Popen(command) as process:
            try:
                eventually(listens, 30)
                yield self
            finally:
                process.terminate()

    def dial(self, source: str, name: str = NAME) -> ssl.SSLSocket:
        """A connection to the proxy from one of this host's many addresses, or one of the other's."""
        if self.network and source != self.network.address(1):
            plain = self.network.dial(self.address, self.port, source)
        else:
            plain = socket.create_connection((self.address, self.port), SECONDS, (source, 0))
        return self.trust.wrap_socket(plain, server_hostname=name)

    def get(
        self,
        path: str,
        password: str = ALICE[1],
        source: str = "127.2.0.1",
        method: str = "GET",
        host: str = NAME,
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """One request of a browser's that goes by the proxy; without an `Authorization` where there is no password."""
        connection = http.client.HTTPConnection(host, self.port)
        connection.sock = self.dial(source, host)
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        login = {"Authorization": basic((ALICE[0], password))} if password else {}
        connection.request(method, path, body, headers={"Host": host, **login, **sent})
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read(), 0)
        connection.close()
        return answer

    def websocket(self, path: str, origin: str, source: str = "127.2.0.1", host: str = NAME) -> tuple[int, bytes]:
        """The status of a websocket that a page of this origin opens, and the first word in it."""
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            f"Origin: {origin}",
            f"Authorization: {basic(ALICE)}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        with self.dial(source, host) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            with client.makefile("rb") as answer:
                status = int(answer.readline().split()[1])
                while answer.readline() != b"\r\n":
                    pass
                # a frame begins with two bytes: text, and its length
                return status, answer.read(answer.read(2)[1]) if status == 101 else b""

    def logged(self, path: str) -> dict[str, Any]:
        """The line of the access log about a request."""
        log = self.rig.root / "var/log/nginx/vizgate.jsonl"
        eventually(lambda: f'"{path}"' in log.read_text())
        (line,) = [json.loads(text) for text in log.read_text().splitlines() if f'"{path}"' in text]
        return dict(line)


def told(backends: Backends) -> dict[str, str]:
    """What the backend has been told about the visitor by the last request."""
    names = ("X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Host", "Forwarded")
    found = {name: backends.alice.seen[-1].header(name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def truth(address: str, scheme: str = "https", host: str = NAME) -> dict[str, str]:
    """What a backend learns about a visitor."""
    return {
        "X-Real-IP": address,
        "X-Forwarded-For": address,
        "X-Forwarded-Proto": scheme,
        "X-Forwarded-Host": host,
        "Host": host,
    }
