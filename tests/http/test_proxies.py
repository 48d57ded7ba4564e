"""Behind another proxy: visitors' addresses, scheme and host are taken from it, and from nobody else. A real Apache ends TLS."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._certificate import self_signed
from conftest import Backends
from rig import ALICE, Answer, Rig, basic, eventually, free_port

APACHE = shutil.which("apache2", path=os.environ.get("PATH", "") + ":/usr/sbin")
NAME = "gate.example"
FORGED = {
    "X-Forwarded-For": "192.0.2.66",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": "192.0.2.66",
    "Forwarded": "for=192.0.2.66;proto=http;host=evil.example",
}
STRANGER = 4711
"""The number of an account that is nobody's, and no service's."""

CONFIGURATION = """
ServerRoot {folder}
ServerName {name}
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/log
Mutex file:{folder}
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule ssl_module {modules}/mod_ssl.so
SSLEngine on
SSLCertificateFile {folder}/certificate
ProxyPass / http://127.0.0.1:{gateway}/ upgrade=websocket
RequestHeader set X-Forwarded-Proto https
"""
"""As the guide has it. Apache adds visitors' address and host by itself, to what the client has sent."""


class Site:
    """A gateway, and an Apache in front of it that ends TLS."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig, self.folder, self.port = rig, folder, free_port()
        (folder / "certificate").write_text(self_signed([NAME]))
        self.trust = ssl.create_default_context(cafile=folder / "certificate")

    def serve(self) -> contextlib.AbstractContextManager[object]:
        """Apache, as long as the context lasts."""
        assert APACHE, "there is no Apache: apt-get install apache2"
        text = CONFIGURATION.format(
            folder=self.folder,
            name=NAME,
            port=self.port,
            gateway=self.rig.port,
            modules="/usr/lib/apache2/modules",
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
        )
        (self.folder / "conf").write_text(text)
        return _running([APACHE, "-f", str(self.folder / "conf"), "-DFOREGROUND"], self.port)

    def dial(self, source: str) -> ssl.SSLSocket:
        """A connection to Apache from one of this host's many addresses."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(source, 0))
        return self.trust.wrap_socket(plain, server_hostname=NAME)

    def get(
        self, path: str, password: str = ALICE[1], source: str = "127.2.0.1", method: str = "GET", **headers: str
    ) -> Answer:
        """One request of a browser's that goes by Apache."""
        connection = http.client.HTTPConnection(NAME, self.port)
        connection.sock = self.dial(source)
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, path, headers={"Host": NAME, "Authorization": basic((ALICE[0], password)), **sent})
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read(), 0)
        connection.close()
        return answer

    def logged(self, path: str) -> dict[str, Any]:
        """The line of the access log about a request."""
        log = self.rig.root / "var/log/nginx/vizgate.jsonl"
        eventually(lambda: f'"{path}"' in log.read_text())
        (line,) = [json.loads(text) for text in log.read_text().splitlines() if f'"{path}"' in text]
        return dict(line)


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    def listens() -> bool:
        assert process.poll() is None, f"{command} has ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    with subprocess.Popen(command) as process:
        try:
            eventually(listens, 30)
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def site(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    links = [
        {"name": "echo", "port": backends.alice.port},
        {"name": "keep", "port": backends.alice.port, "prefix": "keep"},
        {"name": "ws", "port": backends.websocket.port},
    ]
    users = {"alice": {"links": links, "logins": [{"name": ALICE[0], "password": ALICE[1]}]}}
    proxies = ["127.0.0.1", "2001:db8::/64"]
    with Rig.temporary(users, gateway_trusted_proxies=proxies) as rig:
        rig.build()
        made = Site(rig, tmp_path_factory.mktemp("apache"))
        with made.serve():
            yield made


@pytest.fixture(autouse=True)
def forgotten(backends: Backends) -> None:
    backends.alice.seen.clear()


_NUMBERS = itertools.count()


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


@pytest.mark.parametrize("link", ["echo", "keep"])
def test_backends_learn_who_the_visitor_is(site: Site, backends: Backends, link: str) -> None:
    for source in ("127.2.0.1", "127.2.0.2"):
        assert site.get(f"/alice/{link}/", source=source).status == 200
        assert told(backends) == truth(source)


@pytest.mark.parametrize("names", [list(FORGED), ["X-Forwarded-For"], ["X-Forwarded-Host"], ["X-Forwarded-Proto"]])
def test_no_visitor_of_a_proxy_forges_anything(site: Site, backends: Backends, names: list[str]) -> None:
    answer = site.get("/alice/echo/", **{name.replace("-", "_"): FORGED[name] for name in names})
    assert (answer.status, told(backends)) == (200, truth("127.2.0.1"))


def test_no_visitor_that_comes_directly_forges_anything(site: Site, backends: Backends) -> None:
    """Its address is not that of a trusted proxy."""
    answer = site.rig.get("/alice/echo/", ALICE, headers={**FORGED, "Host": "gate:1"}, source="127.2.0.3")
    assert (answer.status, told(backends)) == (200, truth("127.2.0.3", "http", "gate:1"))
    assert site.rig.get("/alice/direct", headers=FORGED, source="127.2.0.3").status == 401
    assert site.logged("/alice/direct")["address"] == "127.2.0.3"


@pytest.mark.parametrize("name", list(FORGED)[:3])
def test_no_other_account_of_this_host_is_a_proxy(site: Site, backends: Backends, name: str) -> None:
    """A proxy on this host is a service; everybody else here can come from its address."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another account")

    def ask(**headers: str) -> str:
        sent = {"Authorization": basic(ALICE), **headers}
        lines = [word for name, value in sent.items() for word in ("-H", f"{name}: {value}")]
        command = ["curl", "-sS", "-w", "%{http_code}", *lines, f"http://127.0.0.1:{site.rig.port}/alice/echo/"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, user=STRANGER, group=STRANGER, extra_groups=[], cwd="/"
        )
        return done.stdout

    assert ask().endswith("}200")
    backends.alice.seen.clear()
    answer = ask(**{name: FORGED[name]})
    assert answer.endswith("403")
    assert "Only proxies say where others come from" in answer
    assert backends.alice.seen == []


def test_who_has_closed_the_connection_is_no_proxy(site: Site, backends: Backends) -> None:
    """Some kernels say root of a connection that no program has open any more."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another account")
    lines = [
        "GET /alice/echo/closed HTTP/1.1",
        "Host: gate",
        f"Authorization: {basic(ALICE)}",
        "X-Forwarded-For: 192.0.2.66",
    ]
    request = "".join(line + r"\r\n" for line in [*lines, ""])
    script = (
        f"for n in $(seq 50); do exec 3<>/dev/tcp/127.0.0.1/{site.rig.port}; printf '{request}' >&3; exec 3>&-; done"
    )
    subprocess.run(["bash", "-c", script], check=True, user=STRANGER, group=STRANGER, extra_groups=[], cwd="/")
    log = site.rig.root / "var/log/nginx/vizgate.jsonl"
    eventually(lambda: log.read_text().count('"/alice/echo/closed"') == 50)
    assert {json.loads(line)["status"] for line in log.read_text().splitlines() if "/echo/closed" in line} == {403}
    assert backends.alice.seen == []


@pytest.mark.parametrize(
    ("chain", "visitor"),
    [
        ("192.0.2.66, 192.0.2.7", "192.0.2.7"),
        # a proxy behind a proxy; what stands before the first that is not trusted is the client's own
        ("192.0.2.66, 192.0.2.7, 127.0.0.1", "192.0.2.7"),
        ("192.0.2.66, 192.0.2.7, 2001:db8::1", "192.0.2.7"),
        ("192.0.2.66, 2001:db9::1", "2001:db9::1"),
        ("nonsense", "127.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxys_counts(site: Site, backends: Backends, chain: str, visitor: str) -> None:
    assert site.rig.get("/alice/echo/", ALICE, headers={"X-Forwarded-For": chain, "Host": NAME}).status == 200
    assert told(backends) == truth(visitor, "http")


@pytest.mark.parametrize(
    ("headers", "scheme", "host"),
    [
        (["X-Forwarded-Host: evil.example, other.example:8443"], "http", "other.example:8443"),
        (["X-Forwarded-Host: evil.example", "X-Forwarded-Host: other.example"], "http", "other.example"),
        (["X-Forwarded-Proto: http", "X-Forwarded-Proto: https"], "https", "gate"),
        (["X-Forwarded-Proto: http,https"], "https", "gate"),
        (["X-Forwarded-Proto: https, ftp"], "http", "gate"),
        (["X-Forwarded-Host: <b>"], "http", "gate"),
        (["X-Forwarded-Host: " + "x" * 300], "http", "gate"),
    ],
)
def test_the_last_word_of_a_proxy_counts(
    site: Site, backends: Backends, headers: list[str], scheme: str, host: str
) -> None:
    assert site.rig.raw("/alice/echo/", ALICE, *headers).status == 200
    assert told(backends) == truth("127.0.0.1", scheme, host)


def test_no_number_of_headers_hides_the_proxys(site: Site) -> None:
    lines = [f"X-{number}: 1" for number in range(300)]
    for scheme, status in (("https", 404), ("http", 403)):
        answer = site.rig.raw("/alice/nolink/", ALICE, *lines, f"X-Forwarded-Proto: {scheme}", "Origin: https://gate")
        assert answer.status == status


def test_logs_have_the_visitors_address(site: Site) -> None:
    assert site.get("/alice/echo/logged", source="127.2.0.9", **{"X-Forwarded-For": "192.0.2.66"}).status == 200
    assert site.logged("/alice/echo/logged")["address"] == "127.2.0.9"


def test_each_visitor_has_a_lock_of_their_own(site: Site) -> None:
    log = site.rig.root / "var/log/nginx/vizgate-logins.jsonl"

    def guess(source: str, forged: str = "192.0.2.66") -> int:
        return site.get("/alice/echo/", f"guess {next(_NUMBERS)}", source, X_Forwarded_For=forged).status

    # another address each time, which changes nothing
    assert [guess("127.2.1.1", f"192.0.2.{number}") for number in range(11)] == [401] * 10 + [429]
    assert guess("127.2.1.2") == 401
    assert site.get("/alice/echo/", source="127.2.1.2").status == 200
    eventually(lambda: "127.2.1.2" in log.read_text())
    addresses = [json.loads(line)["address"] for line in log.read_text().splitlines()]
    assert (addresses.count("127.2.1.1"), "192.0.2" in str(addresses)) == (10, False)


def test_cookies_and_redirects_are_for_the_browsers_address(site: Site) -> None:
    answer = site.get("/alice/echo/?status=302&header=Set-Cookie:+s=1&header=Location:+https://gate.example/login")
    assert answer.all("Location") == ["/alice/echo/login"]
    (cookie,) = answer.all("Set-Cookie")
    assert cookie.endswith("; Secure; HttpOnly")
    assert "Secure" not in site.rig.get("/alice/echo/?header=Set-Cookie:+s=1", ALICE).all("Set-Cookie")[0]


@pytest.mark.parametrize("origin", [f"https://{NAME}", f"https://{NAME}:1", "https://evil.example", "null"])
def test_an_origin_is_compared_with_the_browsers_address(site: Site, origin: str) -> None:
    own = origin == f"https://{NAME}"
    for headers in ({}, {"X_Forwarded_Host": "evil.example"}):
        assert site.get("/alice/echo/", method="POST", Origin=origin, **headers).status == (200 if own else 403)
    page = {"Referer": f"https://{NAME}/alice/echo/", "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Dest": "image"}
    assert site.get("/alice/echo/", **page).status == 200


@pytest.mark.parametrize(
    ("origin", "status", "greeting"), [(f"https://{NAME}", b"101", b"/room"), ("https://evil.example", b"403", b"")]
)
def test_websockets_go_by_the_proxy(site: Site, origin: str, status: bytes, greeting: bytes) -> None:
    lines = [
        "GET /alice/ws/room HTTP/1.1",
        f"Host: {NAME}",
        f"Origin: {origin}",
        f"Authorization: {basic(ALICE)}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    with site.dial("127.2.0.1") as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        with client.makefile("rb") as answer:
            assert answer.readline().split()[1] == status
            while answer.readline() != b"\r\n":
                pass
            # a frame begins with two bytes: text, and its length
            assert not greeting or answer.read(2 + len(greeting)) == b"\x81\x05" + greeting


def test_what_is_no_proxys_address_is_refused(site: Site) -> None:
    wrong = json.dumps({"gateway_trusted_proxies": ["10.0.0.7", "0.0.0.0/0"]})
    done = site.rig.run("ansible-playbook", "-i", str(site.rig.inventory), "playbooks/site.yml", "-e", wrong)
    assert "gateway_trusted_proxies has '0.0.0.0/0', which is not an IP address" in done.stdout
    assert (done.returncode, "changed=0" in done.stdout) == (2, True)
