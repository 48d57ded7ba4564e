# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be declared: links, logins, users, site policy. Parsing is strict and reports every problem at once."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from ..errors import InvalidData
from .kinds import KEEP, KINDS, OTHERS, STRIP
from .urls import HOST, SUBDOMAIN, label_of
from .vault import Decrypt, NotDecrypted, no_vault, revealed

USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
HTTP, HTTPS = "http", "https"
LINK = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
OLD_LINK = re.compile(r"(?=.*[A-Z])[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""What an imported link may have been called and can be no longer: a name with capital letters."""
LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,62}")
SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
SOCKET = re.compile(r"(?:/[A-Za-z0-9._-]+)+")
SOCKET_CHARACTERS = 107
DESCRIPTION_CHARACTERS = 200
LABEL_CHARACTERS = 63
"""Of a host name, what stands before a dot."""
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's file of the authorities that it trusts."""
PROBLEMS = 100
"""How many problems of one file are reported: who sees so many does not read on, and a file may have any number."""
PASSWORD_BYTES = 72
"""bcrypt looks at no more."""

RESERVED_USERS = frozenset({"api", "login", "logout", "paraview", "proxy", "static", "vizgate"})
RESERVED_LINKS = frozenset({"favicon.ico", "index.html", "robots.txt"})

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_OF_LINK = re.compile(r"[a-z0-9-]+")
# one star in a label: a regular expression of many can take for ever to say no
_PATTERN_LABEL = re.compile(r"[a-z0-9][a-z0-9-]*\*?[a-z0-9-]*|\*[a-z0-9-]*")
_NUMERIC = re.compile(r"[0-9.]+")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
# What htpasswd, mkpasswd and passwd write. Other parameters are refused: some stop libcrypt with an error, and others keep
# the one process that checks everybody's passwords busy for minutes.
_HASHES = (
    re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-2])\$[./A-Za-z0-9]{53}"),
    re.compile(r"\$y\$j(?:[78]5|[7-9AB]T)\$[./A-Za-z0-9]{21}[./01]\$[./A-Za-z0-9]{43}"),
    re.compile(r"\$6\$(?:rounds=[1-9][0-9]{3,4}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}"),
    re.compile(r"\$5\$(?:rounds=[1-9][0-9]{3,4}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}"),
)

# What htpasswd wrote for the old script, by default and with -s. Both are quickly guessed by who has the hash; what it writes with -d
# looks at eight characters alone, and is taken from nobody.
_LEGACY_HASHES = (
    re.compile(r"\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}"),
    re.compile(r"\{SHA\}[A-Za-z0-9+/]{27}="),
)

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

# Never a target, whatever the policy says: cloud metadata lives there, and nothing that anyone would publish.
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "0.0.0.0/8",
        "::/128",
        "224.0.0.0/3",
        "ff00::/8",
    )
)
_WRAPPING = tuple(ipaddress.ip_network(network) for network in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48"))


class Problem(NamedTuple):
    """One thing wrong with declared data: `path` leads to it inside the data, `text` names object, value and fix."""

    path: tuple[str | int, ...]
    text: str


class Link(NamedTuple):
    """A published target: `http://gateway/<user>/<name>/` leads to `host`:`port`, or to a unix `socket`."""

    name: str
    port: int = 0
    kind: str = "http"
    host: str = "127.0.0.1"
    description: str = ""
    prefix: str = ""
    """`keep`, `strip`, `host`, or nothing for what the kind says."""
    socket: str = ""
    scheme: str = "http"
    """What the target speaks: `http` or `https`."""
    verify: bool = True
    """With `https`, whether the target's certificate has to be good for `host`."""

    @property
    def mode(self) -> str:
        """Whether the backend sees the link's prefix, `keep` or `strip`; or `host` for a link with a host name of its own."""
        return self.prefix or KINDS[self.kind].prefix

    @property
    def target(self) -> str:
        """`host:port`, `https://host:port` or `unix:<path>`, as people write it."""
        if self.socket:
            return f"unix:{self.socket}"
        place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return f"https://{place}" if self.scheme == HTTPS else place

    def as_json(self) -> dict[str, Any]:
        """All of it in plain types; of host and port, socket, scheme and verify, those that count."""
        idle = [*(("host", "port") if self.socket else ("socket",))]
        idle += [] if self.scheme == HTTPS else ["scheme", "verify"]
        return {key: value for key, value in self._asdict().items() if key not in idle}


class Login(NamedTuple):
    """A name and password that open a user's links. A clear password is hashed before it is stored."""

    name: str
    password_hash: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Login(name={self.name!r})"

    @property
    def is_legacy(self) -> bool:
        """Whether the hash is of a kind that is only imported, and that a policy may end."""
        return any(pattern.fullmatch(self.password_hash) for pattern in _LEGACY_HASHES)


class UserData(NamedTuple):
    """What one source declares for one user."""

    links: tuple[Link, ...] = ()
    logins: tuple[Login, ...] = ()
    moving: tuple[str, ...] = ()
    """Names of links that source `inventory` takes over for good as soon as it declares them."""
    renamed: tuple[tuple[str, str], ...] = ()
    """Names that links had before they were imported, like `Run-B`, and what they are called now."""

    def as_json(self) -> dict[str, Any]:
        """The same in plain types, defaults left out; `parse_user` reads it back."""
        found: dict[str, list[Any]] = {
            "links": [_plain(link) for link in self.links],
            "logins": [_plain(login) for login in self.logins],
        }
        more: dict[str, Any] = {"moving": list(self.moving)} if self.moving else {}
        return {**found, **more, **({"renamed": dict(self.renamed)} if self.renamed else {})}


def _plain(item: Link | Login) -> dict[str, Any]:
    return {key: value for key, value in item._asdict().items() if value != item._field_defaults.get(key)}


class _TooManyProblems(Exception):
    """Ends the reading of data."""


class _Reader:
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

    def refuse(self, path: tuple[str | int, ...], text: str) -> None:
        if len(self.problems) == PROBLEMS:
            raise _TooManyProblems
        self.problems.append(Problem(path, text))

    def revealed(self, path: tuple[str | int, ...], label: str, value: object) -> object:
        """The text of a value that may be vaulted; None for one that cannot be decrypted, which is refused."""
        try:
            return revealed(value, self.decrypt)
        except NotDecrypted as error:
            self.refuse(path, f"{label}: {error}")
            return None

    def keys(self, path: tuple[str | int, ...], label: str, data: Mapping[Any, Any], known: Iterable[str]) -> None:
        known = list(known)
        for key in data:
            if key not in known:
                advice = _did_you_mean(key, known, 0.5) or "known keys: " + ", ".join(known)
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


_SHORT = reprlib.Repr()
_SHORT.maxlevel = 3


def shown(value: object) -> str:
    """A value as an error message shows it: quoted, on one line, of bounded length."""
    try:
        # reprlib bounds what nests or repeats, as a few lines of YAML aliases can say a billion things
        text = str(value) if isinstance(value, (str, int, float)) or hasattr(value, "isoformat") else _SHORT.repr(value)
    except (ValueError, RecursionError):
        text = f"{type(value).__name__} too big to show"
    text = ascii(text)
    return text if len(text) <= 82 else text[:78] + "…'"


def _did_you_mean(value: object, known: Iterable[str], likeness: float) -> str:
    import difflib  # only by who has mistyped

    near = difflib.get_close_matches(shown(value)[1:-1], known, 1, likeness)
    return f"did you mean '{near[0]}'?" if near else ""


def printable(text: str) -> str:
    """A text on one line, with escapes for what a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def name_problem(what: str, name: object) -> str | None:
    """Why `name` cannot name a user, link, login or source (`what`), or nothing."""
    pattern, reserved = {
        "user": (USER, RESERVED_USERS),
        "link": (LINK, RESERVED_LINKS),
        "login": (LOGIN, frozenset[str]()),
        "source": (SOURCE, frozenset[str]()),
    }[what]
    if not isinstance(name, str) or not pattern.fullmatch(name):
        return f"{what} {shown(name)}: the name is not of the form {pattern.pattern}"
    if name in reserved:
        return f"{what} {shown(name)}: the name is reserved; take another"
    return None


def host_problem(host: object) -> str | None:
    """Why `host` is neither an IP address nor an RFC 1123 name, or nothing."""
    if not isinstance(host, str):
        return f"host {shown(host)} is not a text; quote it"
    if parse_address(host):
        return None
    labels = host.lower().split(".")
    # ASCII first: there are other letters whose small form is, like the Kelvin sign's
    if (
        not host.isascii()
        or len(host) > 253
        or not all(_LABEL.fullmatch(label) for label in labels)
        or _NUMERIC_LABEL.fullmatch(labels[-1])
    ):
        return f"host {shown(host)} is neither an IP address nor a host name (letters, digits, '-' and '.')"
    return None


def socket_problem(path: object) -> str | None:
    """Why `path` cannot be a unix socket's, or nothing. Whose folder it has to be in is the gateway's to say."""
    if not isinstance(path, str) or not SOCKET.fullmatch(path) or {".", ".."} & set(path.split("/")):
        return f"socket {shown(path)} is not an absolute path of letters, digits, '.', '_' and '-'"
    if len(path) > SOCKET_CHARACTERS:
        return f"socket {shown(path)} has {len(path)} characters; {SOCKET_CHARACTERS} is the limit"
    return None


@functools.lru_cache(maxsize=4096)
def parse_address(host: str) -> Address | None:
    """The IP address that `host` is, if it is one. Zones (`fe80::1%eth0`) are none."""
    if "%" in host:
        return None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


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


def _check_target(reader: _Reader, path: tuple[str | int, ...], label: str, data: Mapping[Any, Any]) -> None:
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


def _check_scheme(reader: _Reader, path: tuple[str | int, ...], label: str, data: Mapping[Any, Any]) -> None:
    """Refuses what is wrong with `scheme` and `verify`."""
    scheme, verify = data.get("scheme", HTTP), data.get("verify", True)
    if scheme not in (HTTP, HTTPS):
        reader.refuse((*path, "scheme"), f"{label}: scheme {shown(scheme)} is neither 'http' nor 'https'")
    elif scheme == HTTPS and data.get("socket") is not None:
        reader.refuse((*path, "scheme"), f"{label}: a socket needs no https, as nobody reads along; drop the scheme")
    if not isinstance(verify, bool):
        reader.refuse((*path, "verify"), f"{label}: verify {shown(verify)} is neither true nor false")
    elif scheme == HTTP and not verify:
        reader.refuse((*path, "verify"), f"{label}: verify is for scheme 'https'; there is no certificate otherwise")
    elif scheme == HTTPS and verify and not data.get("socket") and parse_address(str(data.get("host", "127.0.0.1"))):
        # nginx compares names alone
        reader.refuse(
            (*path, "scheme"),
            f"{label}: a certificate is verified for a host name; give the host as a name, or verify: false",
        )


def _parse_link(reader: _Reader, path: tuple[str | int, ...], data: Mapping[Any, Any]) -> Link | None:
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
        advice = _did_you_mean(kind, KINDS, 0.64) or OTHERS
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


def _parse_login(
    reader: _Reader, path: tuple[str | int, ...], data: Mapping[Any, Any], stored: bool = False
) -> Login | None:
    before = len(reader.problems)
    hashes = _HASHES + (_LEGACY_HASHES if stored else ())
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
    reader = _Reader(decrypt)
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
    reader: _Reader, data: Mapping[Any, Any], policy: Policy | None, user: str, links: dict[str, Link]
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


def _read_logins(reader: _Reader, data: Mapping[Any, Any], logins: dict[str, Login], stored: bool) -> None:
    for index, item in reader.items(data, "logins"):
        login = _parse_login(reader, ("logins", index), item, stored)
        if login and login.name in logins:
            reader.refuse(("logins", index), f"login {shown(login.name)}: declared twice")
        elif login:
            logins[login.name] = login


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address merely wraps, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if int(address) > 1 and any(address in network for network in _WRAPPING):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


DAY = re.compile(r"(?:[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))?")
"""A day as it is written in a policy, or none."""
PATH = "path"
"""With SUBDOMAIN, how users' addresses differ: https://gate.example.org/alice/train/, or https://alice.gate.example.org/train/."""
_RANGE_KEYS = ("port_range_start", "port_range_size", "port_range_users")
_POLICY_KEYS = (
    "allowed_hosts",
    "allowed_ports",
    "url",
    "backend_ca",
    "url_style",
    "self_service",
    "links_per_user",
    "logins_per_user",
    "legacy_hashes_until",
    "old_addresses",
    *_RANGE_KEYS,
)
_CALLED: dict[type, str] = {str: "text", bool: "truth value", int: "whole number"}


class Policy:
    """What the administrator allows as a target. A `*` in a host pattern stands for one whole or part of a label."""

    def __init__(
        self,
        allowed_hosts: tuple[str, ...] = (),
        allowed_ports: tuple[str, ...] = (),
        origin: str = "the site policy",
        *,
        url: str = "",
        backend_ca: str = SYSTEM_CA,
        url_style: str = PATH,
        self_service: bool = False,
        links_per_user: int = 200,
        logins_per_user: int = 50,
        port_range_start: int = 0,
        port_range_size: int = 100,
        port_range_users: int = 100,
        legacy_hashes_until: str = "",
        old_addresses: bool = True,
    ) -> None:
        """`origin`: where it was read from, for messages. `url`: where browsers find the gateway, like
        `http://gate.example.org:1234`. `url_style`: whether users have paths there, or host names below it. `backend_ca`: a
        file of the authorities whose certificates targets may have.
        `self_service`: whether users declare links and logins of their own, by the command
        `vizgate`, and how many. `port_range_start`: the first port of users' own ranges, 0 for a gateway without;
        `port_range_size`: how many ports a range has; `port_range_users`: how many ranges there are.
        `legacy_hashes_until`: the last day, like `2027-03-31`, on which logins with the hashes of the old script open anything;
        "" for no end. `old_addresses`: whether the former names of imported links redirect to the links."""
        self.allowed_hosts, self.allowed_ports, self.origin = allowed_hosts, allowed_ports, origin
        self.url, self.url_style, self.backend_ca, self.self_service = url, url_style, backend_ca, self_service
        self.links_per_user, self.logins_per_user = links_per_user, logins_per_user
        self.port_range_start, self.port_range_size = port_range_start, port_range_size
        self.port_range_users, self.legacy_hashes_until = port_range_users, legacy_hashes_until
        self.old_addresses = old_addresses
        networks: list[Network] = []
        names: list[str] = []
        ranges: list[range] = []
        problems = []
        for line in self.allowed_hosts:
            labels = line.lower().split(".") if line.isascii() and len(line) <= 253 else [""]
            if all(_PATTERN_LABEL.fullmatch(label) for label in labels) and not _NUMERIC.fullmatch(line):
                names.append(re.escape(line.lower()).replace(r"\*", "[a-z0-9-]+"))
            elif re.fullmatch(r"[0-9a-fA-F.:]*(?:/[0-9]+)?", line) and line:
                try:
                    networks.append(ipaddress.ip_network(line))
                except ValueError as error:
                    problems.append(f"{self.origin}: allowed_hosts: {error}")
            else:
                problems.append(f"{self.origin}: allowed_hosts: {shown(line)} is neither a network nor a name pattern")
        for line in self.allowed_ports:
            match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", line)
            if match and 1 <= int(match[1]) <= int(match[2] or match[1]) <= 65535:
                ranges.append(range(int(match[1]), int(match[2] or match[1]) + 1))
            else:
                problems.append(
                    f"{self.origin}: allowed_ports: {shown(line)} is neither a port nor a range like 1024-65535"
                )
        if url_style not in (PATH, SUBDOMAIN):
            problems.append(f"{self.origin}: url_style {shown(url_style)} is neither {PATH} nor {SUBDOMAIN}")
        if not DAY.fullmatch(legacy_hashes_until):
            problems.append(
                f"{self.origin}: legacy_hashes_until {shown(legacy_hashes_until)} is not a day like 2027-03-31, or empty"
            )
        problems += self._range_problems(ranges)
        if problems:
            raise InvalidData(problems)
        self._networks, self._ranges = networks, ranges
        self._names = re.compile("|".join(names) or r"(?!)")

    @classmethod
    def parse(cls, data: object, origin: str) -> Policy:
        """Reads `{allowed_hosts: [text], allowed_ports: [text or number], url: text, url_style: text, backend_ca: text,
        self_service: bool, legacy_hashes_until: text, old_addresses: bool}`, and numbers `links_per_user`, `logins_per_user`,
        `port_range_start`, `port_range_size` and `port_range_users`, all but the first two optional; raises InvalidData."""
        if not isinstance(data, Mapping):
            raise InvalidData([f"{origin}: {shown(data)} is not a mapping"])
        reader = _Reader()
        reader.keys((), origin, data, _POLICY_KEYS)
        for key, kinds in (("allowed_hosts", (str,)), ("allowed_ports", (str, int))):
            lines = data.get(key)
            if not isinstance(lines, list):
                reader.refuse((key,), f"{origin}: {key} is not a list")
                continue
            for line in lines:
                if isinstance(line, bool) or not isinstance(line, kinds):
                    reader.refuse((key,), f"{origin}: {key}: {shown(line)} is not a text; quote it")
        more: dict[str, Any] = {}
        kinds_of = {
            "url": str,
            "backend_ca": str,
            "url_style": str,
            "legacy_hashes_until": str,
            "self_service": bool,
            "old_addresses": bool,
            **dict.fromkeys(("links_per_user", "logins_per_user", *_RANGE_KEYS), int),
        }
        for key, kind in kinds_of.items():
            if key in data:
                more[key] = data[key]
                if not isinstance(more[key], kind) or isinstance(more[key], bool) != (kind is bool):
                    reader.refuse((key,), f"{origin}: {key}: {shown(more[key])} is no {_CALLED[kind]}")
        if reader.problems:
            raise InvalidData(problem.text for problem in reader.problems)
        return cls(
            tuple(str(line) for line in data["allowed_hosts"]),
            tuple(str(line) for line in data["allowed_ports"]),
            origin,
            **more,
        )

    def _range_problems(self, allowed: Iterable[range]) -> list[str]:
        """What is wrong with users' port ranges, if the policy has any."""
        start, size, users = (getattr(self, key) for key in _RANGE_KEYS)
        if start == 0:
            return []
        last = start + size * users - 1
        if min(size, users) < 1 or start < 1024 or last > 65535:
            return [
                f"{self.origin}: {users} port ranges of {size} from {start} on are ports {start}-{last}; choose"
                " port_range_start, port_range_size and port_range_users so that they lie in 1024-65535"
            ]
        port, found = start, True
        while found and port <= last:
            reached = [ports.stop for ports in allowed if port in ports]
            found, port = bool(reached), max(reached, default=port)
        if not found:
            return [
                f"{self.origin}: port {port} of users' port ranges {start}-{last} is not in allowed_ports; allow it"
            ]
        return []

    def user_problem(self, user: str) -> str | None:
        """Why a user of a valid name can have no address here, or nothing: not every name can be a host's."""
        if self.url_style != SUBDOMAIN:
            return None
        if "--" in user:
            return (
                f"user {shown(user)}: in host names '--' stands between a link and its user (url_style {SUBDOMAIN},"
                f" {self.origin}); take another name"
            )
        if "_" in user or user.endswith("-"):
            return (
                f"user {shown(user)}: no host can be named so, and this gateway gives every user a host name"
                f" (url_style {SUBDOMAIN}, {self.origin}); take another name"
            )
        return None

    def link_problem(self, link: Link, user: str = "") -> str | None:
        """Why the policy refuses a link of the user's, with the policy line that does, or nothing."""
        problem = self._host_name_problem(link, user) if link.mode == HOST else None
        if problem:
            return f"link {shown(link.name)}: {problem}"
        if link.socket:
            return None
        address = parse_address(link.host)
        if address:
            problem = self.address_problem(address)
            if problem:
                return f"link {shown(link.name)}: {problem}"
        if not self._allows(link.host, address):
            return (
                f"link {shown(link.name)}: host {shown(link.host)} is not in"
                f" allowed_hosts: {', '.join(self.allowed_hosts)} ({self.origin})"
            )
        if not any(link.port in ports for ports in self._ranges):
            return (
                f"link {shown(link.name)}: port {link.port} is not in"
                f" allowed_ports: {', '.join(self.allowed_ports)} ({self.origin})"
            )
        return None

    def _host_name_problem(self, link: Link, user: str) -> str | None:
        """Why a link can have no host name of its own, or nothing."""
        if self.url_style != SUBDOMAIN:
            return (
                f"prefix 'host' needs a gateway whose users have host names, and here they have paths (url_style"
                f" {self.url_style}, {self.origin}); take 'keep' or 'strip', or have the administrator set"
                f" gateway_url_style: {SUBDOMAIN}"
            )
        label = label_of(user, link.name)
        if not _LABEL_OF_LINK.fullmatch(link.name):
            return f"with prefix 'host' the name is a part of host name {shown(label)}; take one of letters, digits and '-'"
        if label.startswith("xn--"):
            return (
                f"browsers read host name {shown(label)} as one of foreign letters, for its 'xn--'; take another name"
            )
        if len(label) > LABEL_CHARACTERS:
            return (
                f"host name {shown(label)} has {len(label)} characters, and {LABEL_CHARACTERS} is the limit; take a shorter"
                " name"
            )
        return None

    def _allows(self, host: str, address: Address | None) -> bool:
        if address is None:
            return self._names.fullmatch(host) is not None
        address = _unwrapped(address)
        return any(address in network for network in self._networks)

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def address_problem(address: Address) -> str | None:
        """Why no link may ever lead to an address, or nothing: link-local, cloud metadata, multicast, unspecified."""
        unwrapped = _unwrapped(address)
        for network in _NEVER:
            if unwrapped in network:
                return f"address {address} is never a target (built-in rule {network})"
        return None
