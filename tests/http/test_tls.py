"""A gateway that speaks HTTPS: versions, certificates that change, redirects, and what backends and cookies are told."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets.sync.client
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.certificates import self_signed
from conftest import Backends
from rig import ALICE, Rig, basic, eventually, free_port


@pytest.fixture(scope="module")
def tls(backends: Backends) -> Iterator[Rig]:
    """A gateway with a self-signed certificate, for nothing but 127.0.0.1."""
    links = [{"name": "echo", "port": backends.alice.port}, {"name": "ws", "port": backends.websocket.port}]
    users = {"alice": {"links": links, "logins": [{"name": ALICE[0], "password": ALICE[1]}]}}
    with Rig.temporary(
        users,
        gateway_tls=True,
        gateway_redirect_port=free_port(),
        gateway_hsts_seconds=86400,
        certificate_names=["127.0.0.1"],
    ) as rig:
        rig.build()
        yield rig


def certificate(tls: Rig) -> str:
    return str(tls.root / "etc/vizgate/tls/gateway.pem")


def trust(tls: Rig) -> ssl.SSLContext:
    """A client that trusts the gateway's certificate, and nothing else."""
    return ssl.create_default_context(cafile=certificate(tls))


def get(tls: Rig, path: str, *, secure: bool = True, port: int = 0, **headers: str) -> http.client.HTTPResponse:
    """One request; the answer has been read."""
    port = port or tls.port
    if secure:
        client: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=20, context=trust(tls)
        )
    else:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", path, headers={key.replace("_", "-"): value for key, value in headers.items()})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer


def websocket(tls: Rig) -> websockets.sync.client.ClientConnection:
    """An open websocket of alice's; her password may have to be hashed first."""
    return websockets.sync.client.connect(
        f"wss://127.0.0.1:{tls.port}/alice/ws/",
        ssl=trust(tls),
        additional_headers={"Authorization": basic(ALICE)},
        open_timeout=30,
        proxy=None,
    )


def curl(tls: Rig, path: str, password: str, *options: str) -> str:
    """`VERSION STATUS` of one request of alice's, by a client that likes HTTP/2 best."""
    done = subprocess.run(
        ["curl", "-sS", "--http2", "--cacert", certificate(tls), "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
         "-u", f"alice:{password}", *options, f"https://127.0.0.1:{tls.port}{path}"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return done.stdout


def test_browsers_speak_http2_and_log_in(tls: Rig) -> None:
    assert curl(tls, "/alice/echo/", ALICE[1]) == "2 200"
    assert curl(tls, "/alice/echo/", "wrong") == "2 401"
    assert curl(tls, "/alice/", ALICE[1]) == "2 200"
    assert curl(tls, "/alice/echo/", ALICE[1], "--data-binary", "x" * 100_000) == "2 200"
    assert curl(tls, "/alice/echo/", ALICE[1], "--http1.1") == "1.1 200"


def test_websockets_are_encrypted_too(tls: Rig) -> None:
    with websocket(tls) as client:
        client.send("hello")
        assert "hello" in (client.recv(10), client.recv(10))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(tls: Rig, version: ssl.TLSVersion) -> None:
    context = trust(tls)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", tls.port), 10) as plain,
        pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"])
def test_old_ciphers_are_refused(tls: Rig, cipher: str) -> None:
    context = trust(tls)
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", tls.port), 10) as plain,
        pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_http_is_sent_to_https(tls: Rig) -> None:
    address = f"https://gate:{tls.port}/alice/echo/?a=b%20c"
    for port in (tls.port, int(str(tls.host["gateway_redirect_port"]))):
        answer = get(tls, "/alice/echo/?a=b%20c", secure=False, port=port, Host="evil.example")
        assert (answer.status, answer.getheader("Location")) == (308, address), "not where the client's Host says"


def test_redirects_stay_below_the_link_by_either_scheme(tls: Rig) -> None:
    """Many tools take the scheme of their own connection, which is http, for the browser's."""
    login = basic(ALICE)
    for scheme in ("http", "https"):
        path = f"/alice/echo/?status=302&header=Location:+{scheme}://gate.example/login"
        answer = get(tls, path, Host="gate.example", Authorization=login)
        assert (answer.status, answer.getheader("Location")) == (302, "/alice/echo/login")


def test_what_an_authority_looks_for_is_served_without_encryption(tls: Rig) -> None:
    folder = tls.root / "run/vizgate/acme/.well-known/acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token").write_text("proof")
    port = int(str(tls.host["gateway_redirect_port"]))
    assert get(tls, "/.well-known/acme-challenge/token", secure=False, port=port).status == 200
    assert get(tls, "/.well-known/acme-challenge/other", secure=False, port=port).status == 404
    # which is another path
    assert get(tls, "/.well-known/acme-challenge/..%2f..%2f", secure=False, port=port).status == 308


def test_backends_and_cookies_know_of_https(tls: Rig, backends: Backends) -> None:
    login = basic(ALICE)
    answer = get(tls, "/alice/echo/?header=Set-Cookie:+session=1;+Path=/", Authorization=login)
    attributes = [part.strip() for part in answer.getheader("Set-Cookie", "").split(";")][1:]
    assert attributes == ["Path=/alice/echo/", "Secure", "HttpOnly"]
    assert answer.getheader("Strict-Transport-Security") == "max-age=86400"
    assert backends.alice.seen[-1].header("X-Forwarded-Proto") == "https"
    for path in ("/alice/", "/nobody/"):
        assert get(tls, path, Authorization=login).getheader("Strict-Transport-Security") == "max-age=86400"


def test_a_renewed_certificate_is_taken_into_use(tls: Rig, tmp_path: Path) -> None:
    with websocket(tls) as open_before:
        before = ssl.get_server_certificate(("127.0.0.1", tls.port))
        chain, _begin, key = self_signed(["127.0.0.1"]).partition("-----BEGIN PRIVATE KEY-----")
        (tmp_path / "fullchain.pem").write_text(chain)
        (tmp_path / "privkey.pem").write_text(_begin + key)
        assert renew(tls, tmp_path) == (0, "installed\n", "")
        eventually(lambda: ssl.get_server_certificate(("127.0.0.1", tls.port)) != before)
        assert renew(tls, tmp_path) == (0, "", ""), "nginx is left in peace where nothing has changed"
        assert curl(tls, "/alice/echo/", ALICE[1]) == "2 200"
        open_before.send("still there")
        assert "still there" in (open_before.recv(10), open_before.recv(10))

    now = Path(certificate(tls)).read_text()
    (tmp_path / "privkey.pem").write_text(self_signed(["127.0.0.1"]).partition("-----BEGIN PRIVATE KEY-----")[2])
    code, out, error = renew(tls, tmp_path)
    assert (code, out) == (1, "")
    assert error.startswith("vizgate-certificate: ")
    assert Path(certificate(tls)).read_text() == now


def test_a_certificate_that_nginx_was_not_told_of_is_told_again(tls: Rig, tmp_path: Path) -> None:
    """A reload that fails for whatever reason does not leave the former certificate in use until it ends."""
    conf = tls.root / "etc/nginx/vizgate/gateway.conf"
    usual, before = conf.read_text(), ssl.get_server_certificate(("127.0.0.1", tls.port))
    chain, _begin, key = self_signed(["127.0.0.1"]).partition("-----BEGIN PRIVATE KEY-----")
    (tmp_path / "fullchain.pem").write_text(chain)
    (tmp_path / "privkey.pem").write_text(_begin + key)
    conf.write_text(usual + "\nnonsense;\n")
    try:
        for _ in range(2):
            code, _out, error = renew(tls, tmp_path)
            assert (code, "vizgate-rootless" in error) == (1, True)
        assert ssl.get_server_certificate(("127.0.0.1", tls.port)) == before
    finally:
        conf.write_text(usual)
    assert renew(tls, tmp_path) == (0, "installed\n", "")
    eventually(lambda: ssl.get_server_certificate(("127.0.0.1", tls.port)) == chain)
    assert renew(tls, tmp_path) == (0, "", "")


def renew(tls: Rig, lineage: Path) -> tuple[int, str, str]:
    """What certbot does after a renewal."""
    program = tls.root / "usr/local/lib/vizgate/bin/vizgate-certificate"
    environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "RENEWED_LINEAGE": str(lineage)}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


WHOLE_HOST = {"gateway_rootless_dir": "", "ansible_become": False}
WILDCARD = {"certificate_provider": "acme", "certificate_names": ["gate.example.org", "*.gate.example.org"]}


@pytest.mark.parametrize(
    ("variables", "options", "told"),
    [
        ({"certificate_provider": "acme"}, [], "certificate_provider is acme, which needs port 80 and root"),
        ({"certificate_provider": "acme"}, ["--check"], "certificate_provider is acme, which needs port 80 and root"),
        ({"certificate_provider": "letsencrypt"}, [], "value of certificate_provider must be one of"),
        ({"certificate_provider": "files"}, [], "0 certificates and 0 keys found, in PEM"),
        ({"certificate_names": ["https://gate.example.org"]}, [], "is neither an IP address nor a host name"),
        # nothing but a check may be run of a whole host's gateway, as this is the developers' machine
        ({**WHOLE_HOST, **WILDCARD}, ["--check"], "a name with * needs certificate_acme_dns"),
        ({**WHOLE_HOST, **WILDCARD, "certificate_acme_dns": "a b"}, ["--check"], "certificate_acme_dns is 'a b'"),
    ],
)
def test_a_certificate_that_nobody_gives_is_refused_before_anything_is_touched(
    variables: dict[str, object], options: list[str], told: str
) -> None:
    with Rig.temporary({}, gateway_tls=True, **variables) as rig:
        # without this, a user other than root would get the error for missing root privileges
        options = [*options, "-e", '{"__gateway_privileged": true}']
        done = rig.run("ansible-playbook", "-i", str(rig.inventory), "playbooks/site.yml", *options)
        assert done.returncode != 0
        assert told in " ".join(done.stdout.split()), done.stdout + done.stderr
        assert "List the installed packages" not in done.stdout
        assert not rig.root.exists()
