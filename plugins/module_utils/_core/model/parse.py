# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what is declared for a user. Parsing is strict and reports every problem at once."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..text import did_you_mean, shown
from .entities import LEGACY_HASHES, Link, Login, UserData
from .kinds import KEEP, KINDS, OTHERS, STRIP
from .names import OLD_LINK, name_problem
from .targets import HTTP, HTTPS, host_problem, parse_address, socket_problem
from .urls import HOST
from .vault import Decrypt, NotDecrypted, no_vault, revealed

if TYPE_CHECKING:
    from .policy import Policy


DESCRIPTION_CHARACTERS = 200
PROBLEMS = 100
"""How many problems of one file are reported: who sees so many does not read on, and a file may have any number."""
PASSWORD_BYTES = 72
"""bcrypt looks at no more."""

# What htpasswd, mkpasswd and passwd write. Other parameters are refused: some stop libcrypt with an error, and others keep
# the one process that checks everybody's passwords busy for minutes.
_HASHES = (
    re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-2])\$[./A-Za-z0-9]{53}"),
    re.compile(r"\$y\$j(?:[78]5|[7-9AB]T)\$[./A-Za-z0-9]{21}[./01]\$[./A-Za-z0-9]{43}"),
    re.compile(r"\$6\$(?:rounds=[1-9][0-9]{3,4}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}"),
    re.compile(r"\$5\$(?:rounds=[1-9][0-9]{3,4}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}"),
)

Path: TypeAlias = "tuple[str | int, ...]"
"""The keys and indices that lead to a place inside the data."""


class Problem(NamedTuple):
    """One thing wrong with declared data: `path` leads to it inside the data, `text` names object, value and fix."""

    path: Path
    text: str


class _TooManyProblems(Exception):
    """Ends the reading of data."""


class Reader:
    """Collects the problems of one piece of data while it is read."""

    def __init__(self, decrypt: Decrypt = no_vault) -> None:
        self.problems: list[Problem] = []
        self.decrypt = decrypt

    @contextlib.contextmanager
    def bounded(self) -> Iterator[None]:
        """Ends what is done here once there are too many problems."""
        try:
            yield
        except _TooManyProblems:
            self.problems.append(Problem((), f"there are more problems than these {PROBLEMS}; solve these first"))

    def refuse(self, path: Path, text: str) -> None:
        if len(self.problems) == PROBLEMS:
            raise _TooManyProblems
        self.problems.append(Problem(path, text))

    def revealed(self, path: Path, label: str, value: object) -> object:
        """The text of a value that may be vaulted; None for one that cannot be decrypted, which is refused."""
        try:
            return revealed(value, self.decrypt)
        except NotDecrypted as error:
            self.refuse(path, f"{label}: {error}")
            return None

    def keys(self, path: Path, label: str, data: Mapping[Any, Any], known: Iterable[str]) -> None:
        known = list(known)
        for key in data:
            if key not in known:
                advice = did_you_mean(key, known, 0.5) or "known keys: " + ", ".join(known)
                self.refuse((*path, key), f"{label}: unknown key {shown(key)}; {advice}")

    def items(self, data: Mapping[Any, Any], key: str) -> list[tuple[int, Mapping[Any, Any]]]:
        found = data.get(key)
        if found is None:
            return []
        if not isinstance(found, list):
            self.refuse((key,), f"{key}: {shown(found)} is not a list of {key}")
            return []
        for index, item in enumerate(found):
            if not isinstance(item, Mapping):
                self.refuse((key, index), f"{key}: {shown(item)} is not a mapping like '- name: …'")
        return [(index, item) for index, item in enumerate(found) if isinstance(item, Mapping)]


def password_problem(password: object) -> str | None:
    """Why a clear password cannot be used, or nothing. Never shows it."""
    if not isinstance(password, str) or not password:
        return "the password is not a text; quote it"
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        return "the password is not valid Unicode"
    if size > PASSWORD_BYTES:
        return f"the password has {size} bytes; bcrypt takes {PASSWORD_BYTES} at most"
    if any(ord(character) < 32 or ord(character) == 127 for character in password):
        return "the password holds a control character"
    return None


def _check_target(reader: Reader, path: Path, label: str, data: Mapping[Any, Any]) -> None:
    """Refuses what is wrong with `host` and `port`, or with the `socket` that stands for both."""
    problem = host_problem(data.get("host", "127.0.0.1"))
    if problem:
        reader.refuse((*path, "host"), f"{label}: {problem}")
    port, socket = data.get("port"), data.get("socket")
    if socket is not None:
        reasons = [socket_problem(socket)] + [
            f"it has both socket and {key}; keep one" for key in ("host", "port") if data.get(key) is not None
        ]
        for reason in filter(None, reasons):
            reader.refuse((*path, "socket"), f"{label}: {reason}")
    elif port is None:
        reader.refuse(path, f"{label}: it has no port")
    elif isinstance(port, bool) or not isinstance(port, int):
        reader.refuse((*path, "port"), f"{label}: port {shown(port)} is not a number; write it without quotes")
    elif not 1 <= port <= 65535:
        reader.refuse((*path, "port"), f"{label}: port {port if abs(port) < 10**9 else shown(port)} is not in 1-65535")


def _check_scheme(reader: Reader, path: Path, label: str, data: Mapping[Any, Any]) -> None:
    """Refuses what is wrong with `scheme` and `verify`."""
    scheme, verify = data.get("scheme", HTTP), data.get("verify", True)
    if scheme not in (HTTP, HTTPS):
        reader.refuse((*path, "scheme"), f"{label}: scheme {shown(scheme)} is neither 'http' nor 'https'")
    elif scheme == HTTPS and data.get("socket") is not None:
        reader.refuse((*path, "scheme"), f"{label}: a unix socket does not need https; remove scheme")
    if not isinstance(verify, bool):
        reader.refuse((*path, "verify"), f"{label}: verify {shown(verify)} is neither true nor false")
    elif scheme == HTTP and not verify:
        reader.refuse(
            (*path, "verify"),
            f"{label}: verify has no effect without scheme 'https'; remove verify, or set scheme: https",
        )
    elif scheme == HTTPS and verify and not data.get("socket") and parse_address(str(data.get("host", "127.0.0.1"))):
        # nginx compares names alone
        reader.refuse(
            (*path, "scheme"),
            f"{label}: a certificate is verified for a host name; give the host as a name, or verify: false",
        )


def _parse_link(reader: Reader, path: Path, data: Mapping[Any, Any]) -> Link | None:
    before = len(reader.problems)
    name = data.get("name")
    label = f"link {shown(name)}"
    reader.keys(path, label, data, Link._fields)
    problem = name_problem("link", name)
    if problem:
        reader.refuse((*path, "name"), problem if "name" in data else "link: it has no name")
    kind = data.get("kind", "http")
    if not isinstance(kind, str) or kind not in KINDS:
        # above what rstudio and gradio have in common
        advice = did_you_mean(kind, KINDS, 0.64) or OTHERS
        reader.refuse((*path, "kind"), f"{label}: kind {shown(kind)} is not known; {advice}")
    _check_target(reader, path, label, data)
    _check_scheme(reader, path, label, data)
    description = data.get("description", "")
    if not isinstance(description, str):
        reader.refuse((*path, "description"), f"{label}: description {shown(description)} is not a text; quote it")
    elif len(description) > DESCRIPTION_CHARACTERS:
        reader.refuse(
            (*path, "description"),
            f"{label}: the description has {len(description)} characters; {DESCRIPTION_CHARACTERS} is the limit",
        )
    elif any(0xD800 <= ord(character) <= 0xDFFF for character in description):
        reader.refuse((*path, "description"), f"{label}: the description is not valid Unicode")
    prefix = data.get("prefix", "")
    if prefix not in (KEEP, STRIP, HOST, ""):
        reader.refuse((*path, "prefix"), f"{label}: prefix {shown(prefix)} is not 'keep', 'strip' or 'host'")
    if len(reader.problems) > before:
        return None
    host = str(data.get("host", "127.0.0.1"))
    address = parse_address(host)
    return Link(
        name=str(name),
        kind=str(kind),
        host=str(address) if address else host.lower(),
        port=data.get("port") or 0,
        socket=data.get("socket") or "",
        description=str(description),
        prefix=str(prefix),
        scheme=str(data.get("scheme", HTTP)),
        verify=bool(data.get("verify", True)),
    )


def _parse_login(reader: Reader, path: Path, data: Mapping[Any, Any], stored: bool = False) -> Login | None:
    before = len(reader.problems)
    hashes = _HASHES + (LEGACY_HASHES if stored else ())
    name = data.get("name")
    label = f"login {shown(name)}"
    reader.keys(path, label, data, Login._fields)
    problem = name_problem("login", name)
    if problem:
        reader.refuse((*path, "name"), problem if "name" in data else "login: it has no name")
    password, hashed = data.get("password"), data.get("password_hash")
    if (password is None) == (hashed is None):
        reader.refuse(path, f"{label}: give either password or password_hash")
    elif password is not None:
        password = reader.revealed((*path, "password"), label, password)
        problem = password_problem(password) if password is not None else None
        if problem:
            reader.refuse((*path, "password"), f"{label}: {problem}")
    elif not isinstance(hashed, str) or not any(pattern.fullmatch(hashed) for pattern in hashes):
        reader.refuse(
            (*path, "password_hash"),
            f"{label}: password_hash is no bcrypt, yescrypt or SHA-crypt hash; make one with 'htpasswd -nBC 10 NAME'",
        )
    if len(reader.problems) > before:
        return None
    return Login(name=str(name), password_hash=str(hashed or ""), password=str(password or ""))


def parse_user(
    data: object, policy: Policy | None = None, *, user: str = "", stored: bool = False, decrypt: Decrypt = no_vault
) -> tuple[UserData, list[Problem]]:
    """Reads what one source declares for one user: a mapping with the lists `links` and `logins`, both optional.

    Returns what is good, and a problem for everything that is not; with a `policy`, also for links that it refuses
    to `user`.
    What the registry has `stored` may also say which links are `moving`, and have the hashes of old logins.
    `decrypt` opens vaulted passwords.
    """
    reader = Reader(decrypt)
    if data is None:
        return UserData(), []
    if not isinstance(data, Mapping):
        return UserData(), [Problem((), f"{shown(data)} is not a mapping with the keys links and logins")]
    links: dict[str, Link] = {}
    logins: dict[str, Login] = {}
    with reader.bounded():
        # what apps are is for `app` to say, as the registry has none
        reader.keys((), "the file", data, ("links", "logins", *(("moving", "renamed") if stored else ("apps",))))
        _read_links(reader, data, policy, user, links)
        _read_logins(reader, data, logins, stored)
    return (
        UserData(
            tuple(links[name] for name in sorted(links)),
            tuple(logins[name] for name in sorted(logins)),
            tuple(sorted(links.keys() & set(map(str, data.get("moving") or ())))) if stored else (),
            _renamed(data.get("renamed"), links) if stored else (),
        ),
        reader.problems,
    )


def _renamed(found: object, links: Mapping[str, Link]) -> tuple[tuple[str, str], ...]:
    """The old names that an address can have, of links that are there."""
    pairs = sorted(found.items()) if isinstance(found, Mapping) else []
    return tuple((str(old), str(new)) for old, new in pairs if OLD_LINK.fullmatch(str(old)) and str(new) in links)


def _read_links(
    reader: Reader, data: Mapping[Any, Any], policy: Policy | None, user: str, links: dict[str, Link]
) -> None:
    for index, item in reader.items(data, "links"):
        link = _parse_link(reader, ("links", index), item)
        refused = policy.link_problem(link, user) if link and policy else None
        if refused:
            reader.refuse(("links", index), refused)
        if link and link.name in links:
            reader.refuse(("links", index), f"link {shown(link.name)}: declared twice")
        elif link:
            links[link.name] = link


def _read_logins(reader: Reader, data: Mapping[Any, Any], logins: dict[str, Login], stored: bool) -> None:
    for index, item in reader.items(data, "logins"):
        login = _parse_login(reader, ("logins", index), item, stored)
        if login and login.name in logins:
            reader.refuse(("logins", index), f"login {shown(login.name)}: declared twice")
        elif login:
            logins[login.name] = login
