# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, made and judged by the real openssl."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import certificates
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.certificates import (
    coming,
    install,
    joined,
    look,
    self_signed,
    validate,
)

NAMES = ["gate.example.org", "10.0.0.5", "fd00::1"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the gateway's certificate has its place."""
    return str(tmp_path / "gateway.pem")


def parts(text: str) -> tuple[str, str]:
    """Chain and key."""
    chain, begin, key = text.partition("-----BEGIN PRIVATE KEY-----")
    return chain, begin + key


def ending(folder: Path, days: int, *options: str) -> tuple[str, str]:
    """A certificate for `gate` that ends in so many days, and its key."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj / -addext subjectAltName=DNS:gate"
    subprocess.run(
        [*command.split(), "-days", str(days), "-keyout", "key", "-out", "chain", *options],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "chain").read_text(encoding="ascii"), (folder / "key").read_text(encoding="ascii")


def refusal(chain: str, key: str) -> str:
    """Why they cannot be used."""
    with pytest.raises(InvalidData) as error:
        joined(chain, key)
    return str(error.value)


def test_a_self_signed_certificate_is_for_its_names(path: str) -> None:
    assert look(path) is None
    text = coming(path, "selfsigned", NAMES)
    assert text
    install(path, text)
    found = look(path)
    assert found
    assert (found.names, found.self_signed, found.ocsp) == (("10.0.0.5", "fd00::1", "gate.example.org"), True, False)
    assert os.stat(path).st_mode & 0o007 == 0
    assert not certificates.ends_within(path, 396)
    assert certificates.ends_within(path, 398), "browsers take no longer ones"


def test_it_is_made_anew_for_other_names_and_before_it_ends(path: str, tmp_path: Path) -> None:
    install(path, self_signed(NAMES))
    assert coming(path, "selfsigned", [*reversed(NAMES)]) is None
    assert coming(path, "selfsigned", ["GATE.example.org", *NAMES[1:]]) is None
    assert coming(path, "selfsigned", NAMES[:1]) is not None
    install(path, joined(*ending(tmp_path, 31)))
    assert coming(path, "selfsigned", ["gate"]) is None
    install(path, joined(*ending(tmp_path, 29)))
    assert coming(path, "selfsigned", ["gate"]) is not None


def test_an_authoritys_certificate_is_left_in_its_place(path: str, tmp_path: Path) -> None:
    assert coming(path, "acme", ["gate"]), "there is one to begin with"
    install(path, joined(*ending(tmp_path, 29)))
    assert coming(path, "acme", ["other"]) is None


def test_files_are_taken_as_they_are(path: str) -> None:
    chain, key = parts(self_signed(["gate"]))
    between = parts(self_signed(["authority"]))[0]
    text = coming(path, "files", (), f"a comment\r\n{chain}{between}".replace("\n", "\r\n"), key)
    assert text == chain + between + key
    install(path, text)
    assert coming(path, "files", (), chain + between, key) is None
    assert coming(path, "files", (), chain, key) == chain + key


def test_files_that_would_stop_nginx_are_refused(tmp_path: Path) -> None:
    chain, key = parts(self_signed(["gate"]))
    other, other_key = parts(self_signed(["other"]))
    assert (
        refusal(chain, other_key)
        == "key: it does not match the first certificate of the chain; the server certificate must come first"
    )
    assert refusal(other + chain, key).startswith("key: it does not match the first certificate")
    assert refusal("", key) == "certificate: 0 certificates and 1 keys found, in PEM; give a chain and its key"
    assert refusal(chain, "") == "certificate: 1 certificates and 0 keys found, in PEM; give a chain and its key"
    assert refusal(chain, key + other_key).startswith("certificate: 1 certificates and 2 keys found")
    torn = chain[:100] + chain[104:]
    assert "openssl says: " in refusal(torn, key)
    ended = (
        ending(tmp_path, 1, "-not_before", "20200101000000Z", "-not_after", "20200102000000Z")
        if _can_backdate()
        else None
    )
    if ended:
        assert refusal(*ended) == "certificate: it ended on Jan  2 00:00:00 2020 GMT"


def _can_backdate() -> bool:
    """Whether this openssl makes certificates of the past: from 3.4 on."""
    said = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.split()[1].split(".")[:2]) >= (3, 4)


@pytest.mark.parametrize("names", [[], ["no host"], ["gate", "a,DNS:evil"], ["10.0.0.5\n"]])
def test_names_that_are_none(path: str, names: list[str]) -> None:
    with pytest.raises(InvalidData, match=r"^names: "):
        coming(path, "selfsigned", names)


def test_what_is_told_without_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    chain, key = parts(self_signed(["gate"]))
    other_key = parts(self_signed(["other"]))[1]
    monkeypatch.setenv("PATH", "/nowhere")
    validate("files", (), chain, key)
    validate("files", (), chain, other_key)
    with pytest.raises(
        InvalidData, match=r"^certificate: 0 certificates and 0 keys found, in PEM; give a chain and its key$"
    ):
        validate("files", ["gate"])
    for provider in ("selfsigned", "acme"):
        validate(provider, ["gate", "*.gate", "::1"])
        with pytest.raises(InvalidData, match=r"^names: the list is empty$"):
            validate(provider, [])
        with pytest.raises(InvalidData, match=r"^names: 'a b' is neither an IP address nor a host name$"):
            validate(provider, ["gate", "a b"])


def test_a_file_that_is_no_certificate(path: str) -> None:
    Path(path).write_text("not a certificate", encoding="ascii")
    with pytest.raises(InvalidData, match=r"gateway\.pem: openssl says: "):
        look(path)
