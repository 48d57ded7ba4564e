"""A certificate whose authority tells whether it has been revoked: the gateway asks, and browsers get the answer from it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import Rig, eventually, free_port

SYSTEM_STORE = "/etc/ssl/certs/ca-certificates.crt"


class Authority:
    """A root, and below it an authority, whose answers are signed by itself or by a `responder` that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._issue("root", "", "basicConstraints=critical,CA:TRUE")
        self._issue("authority", "root", "basicConstraints=critical,CA:TRUE")
        self._issue("responder", "authority", "extendedKeyUsage=OCSPSigning")
        url = f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{self.port}"
        self._issue("server", "authority", f"subjectAltName=IP:127.0.0.1\n{url}")
        serial = self._openssl("x509", "-in", "server.pem", "-noout", "-serial").split("=")[1].strip()
        (folder / "index.txt").write_text(f"V\t351231235959Z\t\t{serial}\tunknown\t/CN=server\n")
        self.chain = "".join((folder / f"{name}.pem").read_text() for name in ("server", "authority"))
        self.key = (folder / "server.key").read_text()
        self.root = folder / "root.pem"

    def answer(self, signer: str) -> subprocess.Popen[bytes]:
        """The server that tells whether the certificate has been revoked."""
        command = f"openssl ocsp -index index.txt -port {self.port} -CA authority.pem -rsigner {signer}.pem -rkey {signer}.key"
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command.split(), cwd=self.folder, stdin=quiet, stdout=quiet, stderr=quiet)

    def _issue(self, name: str, issuer: str, extensions: str) -> None:
        request = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"]
        self._openssl(*request, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / "extensions").write_text(extensions)
        signed = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"] if issuer else ["-key", f"{name}.key"]
        asked = ["x509", "-req", "-in", f"{name}.csr", "-days", "30", "-extfile", "extensions", "-out", f"{name}.pem"]
        self._openssl(*asked, *signed)

    def _openssl(self, *arguments: str) -> str:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stapling(authority: Authority) -> Iterator[Rig]:
    """A gateway with that certificate, which trusts that root as it does those of the system."""
    with Rig.temporary(
        {},
        gateway_tls=True,
        gateway_redirect_port=0,
        certificate_provider="files",
        certificate_chain=authority.chain,
        certificate_key=authority.key,
    ) as rig:
        rig.build()
        conf = rig.root / "etc/nginx/vizgate/gateway.conf"
        assert SYSTEM_STORE in conf.read_text()
        conf.write_text(conf.read_text().replace(SYSTEM_STORE, str(authority.root)))
        yield rig


def stapled(rig: Rig, authority: Authority) -> str:
    """What the gateway tells of its certificate, as openssl has understood it."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{rig.port}", "-status", "-CAfile", str(authority.root)]
    # what it has been told is in its output, however the connection ends
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=20)
    return "good" if "Cert Status: good" in done.stdout else done.stdout[:60].split("OCSP response: ")[-1]


def listens(port: int) -> bool:
    """Whether somebody listens there; to connect would be a request."""
    return f":{port:04X} " in Path("/proc/net/tcp6").read_text() + Path("/proc/net/tcp").read_text()


@pytest.mark.parametrize("signer", ["authority", "responder"])
def test_the_authoritys_answer_comes_with_the_certificate(stapling: Rig, authority: Authority, signer: str) -> None:
    server = authority.answer(signer)
    try:
        eventually(lambda: listens(authority.port))
        # a restart forgets the answer to the test before
        stapling.restart()
        # the first who connects makes nginx ask
        eventually(lambda: stapled(stapling, authority) == "good")
    finally:
        server.kill()
        server.wait()


def test_an_answer_of_somebody_else_does_not(stapling: Rig, authority: Authority) -> None:
    server = authority.answer("server")
    try:
        eventually(lambda: listens(authority.port))
        stapling.restart()
        log = stapling.root / "var/log/nginx/error.log"
        before = log.read_text().count("OCSP_basic_verify() failed")
        stapled(stapling, authority)
        eventually(lambda: log.read_text().count("OCSP_basic_verify() failed") > before)
        assert stapled(stapling, authority) != "good"
    finally:
        server.kill()
        server.wait()
