# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's certificate: one file with chain and key, so that nginx never meets a key that is not the certificate's.

Looks at certificates, and makes them, with Debian's openssl.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence

from .. import fs
from ..errors import InvalidData
from ..model.targets import host_problem, parse_address
from ..text import shown

DAYS = 397
"""Browsers take no longer ones."""
RENEW_DAYS = 30
"""A self-signed certificate that ends sooner is made anew."""

_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\n[A-Za-z0-9+/=\n]+-----END \1-----\n?")


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What the first certificate of a file says."""

    names: tuple[str, ...]
    """The host names and IP addresses that it is for, sorted."""
    ends: str
    """As openssl writes it: `Jan  1 00:00:00 2027 GMT`."""
    self_signed: bool
    ocsp: bool
    """Whether its authority answers questions about it."""


def look(path: str) -> Certificate | None:
    """The certificate in a file; None where there is no file. Raises InvalidData for a file without one."""
    if not os.path.exists(path):
        return None
    return _described(path)


def ends_within(path: str, days: int) -> bool:
    """Whether the certificate in a file ends in so many days."""
    return _run("x509", "-in", path, "-noout", "-checkend", str(days * 86400)).returncode != 0


def validate(provider: str, names: Sequence[str], chain: str = "", key: str = "") -> None:
    """Raises InvalidData for what nobody could make a certificate of, as far as that can be told without openssl."""
    if provider == "files":
        _blocks(chain, key)
    else:
        _validate_names(names)


def self_signed(names: Sequence[str]) -> str:
    """A new key and a certificate for these names that is signed by it. Raises InvalidData."""
    _validate_names(names)
    alternatives = ",".join(f"{'IP' if parse_address(name) else 'DNS'}:{name}" for name in names)
    with tempfile.TemporaryDirectory(prefix="vizgate-") as folder:
        key, certificate = os.path.join(folder, "key"), os.path.join(folder, "certificate")
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"),
            # curl takes no issuer without a name
            *("-days", str(DAYS), "-subj", "/CN=vizgate", "-addext", f"subjectAltName={alternatives}"),
            *("-keyout", key, "-out", certificate),
            about="openssl req",
        )
        return _text(certificate) + _text(key)


def joined(chain: str, key: str) -> str:
    """Chain and key as one text. Raises InvalidData where they do not belong together, or the certificate has ended."""
    text = "\n".join(_blocks(chain, key)) + "\n"
    with tempfile.TemporaryDirectory(prefix="vizgate-") as folder:
        path = os.path.join(folder, "joined")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        of_certificate = _openssl("x509", "-in", path, "-noout", "-pubkey", about="certificate")
        if of_certificate != _openssl("pkey", "-in", path, "-pubout", "-passin", "pass:", about="key"):
            raise InvalidData(
                ["key: it does not match the first certificate of the chain; the server certificate must come first"]
            )
        if ends_within(path, 0):
            raise InvalidData([f"certificate: it ended on {_described(path).ends}"])
    return text


def coming(path: str, provider: str, names: Sequence[str], chain: str = "", key: str = "") -> str | None:
    """The text that the file at `path` has to get, or None where what it has will do.

    `provider` is `files` (chain and key are given), `selfsigned`, or `acme`, for which any certificate will do until the
    authority's own is there. Raises InvalidData.
    """
    if provider == "files":
        text = joined(chain, key)
        return None if os.path.exists(path) and _text(path) == text else text
    present = look(path)
    if present and provider == "acme":
        return None
    wanted = tuple(sorted(str(parse_address(name) or name.lower()) for name in names))
    if present and present.self_signed and present.names == wanted and not ends_within(path, RENEW_DAYS):
        return None
    return self_signed(names)


def install(path: str, text: str) -> None:
    """Puts chain and key in place, at once."""
    fs.write(path, text)


_QUESTIONS = ("-noout", "-ext", "subjectAltName", "-enddate", "-subject_hash", "-issuer_hash")


def _described(path: str) -> Certificate:
    said = _openssl("x509", "-in", path, *_QUESTIONS, about=path)
    # beside -ext, openssl 3.0 leaves this out
    ocsp = _openssl("x509", "-in", path, "-noout", "-ocsp_uri", about=path)
    lines = [line.strip() for line in said.splitlines()]
    found = re.findall(r"(?:DNS|IP Address):([^,\s]+)", said)
    ends = next(line.partition("=")[2] for line in lines if line.startswith("notAfter="))
    hashes = [line for line in lines if re.fullmatch(r"[0-9a-f]{8}", line)]
    names = tuple(sorted(str(parse_address(name) or name.lower()) for name in found))
    return Certificate(names, ends, hashes[:1] == hashes[1:2], ocsp.startswith("http"))


def _blocks(chain: str, key: str) -> list[str]:
    """The PEM blocks of one or more certificates, and that of the key. Raises InvalidData."""
    blocks = [match for text in (chain, key) for match in _BLOCK.finditer(text.replace("\r\n", "\n"))]
    certificates = [match[0].rstrip() for match in blocks if match[1] == "CERTIFICATE"]
    keys = [match[0].rstrip() for match in blocks if match[1].endswith("PRIVATE KEY")]
    if not certificates or len(keys) != 1:
        raise InvalidData(
            [
                f"certificate: {len(certificates)} certificates and {len(keys)} keys found, in PEM; give a chain and its key"
            ]
        )
    return [*certificates, *keys]


def _validate_names(names: Sequence[str]) -> None:
    problems = [problem for problem in map(_name_problem, names) if problem]
    if problems or not names:
        raise InvalidData(problems or ["names: the list is empty"])


def _name_problem(name: str) -> str | None:
    wildcard = name.removeprefix("*.")
    return host_problem(wildcard) and f"names: {shown(name)} is neither an IP address nor a host name"


def _text(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        raise InvalidData(["openssl is missing; install it"]) from None


def _openssl(*arguments: str, about: str) -> str:
    done = _run(*arguments)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["no reason given"]
        raise InvalidData([f"{about}: openssl says: {words[0]}"])
    return done.stdout
