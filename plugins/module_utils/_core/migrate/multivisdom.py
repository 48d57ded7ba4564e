# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what multivisdom_proxy's script has left: `<user>.conf` with its `###path||server||description` lines, and
`<user>.htpasswd`. Their folder could be written by everybody, so nothing in it is trusted."""

from __future__ import annotations

import dataclasses
import errno
import grp
import os
import pwd
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from ..errors import InvalidData
from ..host.system_accounts import account_problem
from ..model.entities import Link, Login, UserData
from ..model.kinds import KEEP
from ..model.names import LINK, LOGIN, OLD_LINK, name_problem
from ..model.parse import DESCRIPTION_CHARACTERS, parse_user
from ..model.policy import Policy
from ..model.sources import SELF
from ..text import shown

FILE_BYTES = 2**20
LINES_SHOWN, ALL_LINES_SHOWN = 50, 1000
"""Of so many things wrong with one file, or with all, each is told."""

Item: TypeAlias = "tuple[str, Link | Login]"
"""The file and line of a link or login, and the link or login."""

_MARK = "###"
_SERVER = re.compile(r"(https?://)?(\[[0-9a-f:.]+\]|[^][/:@\s]+)(?::([0-9]{1,5}))?(/?)", re.IGNORECASE | re.ASCII)
_LOCATION = re.compile(r'\s*location\s+(?:[=~^*]+\s*)?"?([^\s"{]+)')
_OTHER_HASHES = (
    ("$apr1$", "apr1"),
    ("$1$", "MD5"),
    ("$2", "bcrypt of a cost that is not in 4-12"),
    ("{SHA}", "SHA-1"),
    ("{SSHA}", "SHA-1"),
    ("{PLAIN}", "the clear password"),
)


@dataclasses.dataclass
class Found:
    """What the files hold, by user, and one line (`alice.conf:3: …`) for each thing that was adapted or refused."""

    items: dict[str, list[Item]] = dataclasses.field(default_factory=dict)
    adapted: list[str] = dataclasses.field(default_factory=list)
    refused: list[str] = dataclasses.field(default_factory=list)
    renamed: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """Of each user, the names of links that can be an address and no name of a link, and what became of them."""


class _Refused(Exception):
    """A file or line that is not imported; the message says why."""


class _File:
    """One user's file while it is read: its lines, what is found in them, and what is to be said about them."""

    def __init__(self, user: str, name: str) -> None:
        self.user, self.name = user, name
        self.items: list[Item] = []
        self.renamed: dict[str, str] = {}
        self._adapted: list[tuple[int, str]] = []
        self._refused: list[tuple[int, str]] = []

    def take(self, line: int, item: Link | Login) -> None:
        self.items.append((f"{self.name}:{line}", item))

    def adapt(self, line: int, text: str) -> None:
        self._adapted.append((line, text))

    def refuse(self, line: int, text: str) -> None:
        self._refused.append((line, text))

    def lines(self, data: bytes) -> Iterator[tuple[int, str]]:
        """The lines with their numbers; those that are not UTF-8 are refused."""
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            try:
                yield number, line.decode().strip()
            except UnicodeDecodeError:
                self.refuse(number, "this line is not UTF-8; correct it")

    def report(self, found: Found) -> None:
        found.items.setdefault(self.user, []).extend(self.items)
        if self.renamed:
            found.renamed[self.user] = self.renamed
        for told, lines in ((found.adapted, self._adapted), (found.refused, self._refused)):
            texts = [f"{self.name}:{line}: {text}" if line else f"{self.name}: {text}" for line, text in sorted(lines)]
            told += bounded(texts, LINES_SHOWN, f"{self.name}: ")


def unix_account(user: str) -> int | None:
    """The user id of the account of that name, if there is one; a service's is refused."""
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        return None
    problem = account_problem(user, uid)
    if problem:
        raise _Refused(problem)
    return uid


def read(folder: str, policy: Policy, account: Callable[[str], int | None] | None = unix_account) -> Found:
    """Reads all files of the folder `<nginx>/sites-available/multivisdom`.

    `account` gives the user id that a user's files have to belong to (root's are taken as well, if only root can write the
    folder), None for a user without account, who is refused; where it is None itself, as in a rootless gateway, users need
    no account and files no owner.
    Raises InvalidData for a folder that cannot be read, and nothing for what is in it.
    """
    found = Found()
    nobodys = []
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidData(
            [
                f"folder {shown(folder)} cannot be read ({error.strerror}); give the folder that the multivisdom script wrote"
            ]
        ) from None
    try:
        for name in sorted(os.listdir(directory)):
            user, ending = os.path.splitext(name)
            if ending in _READERS:
                file = _File(user, ascii(name)[1:-1])
                try:
                    owner = _owner(user, account)
                except _Refused as error:
                    nobodys.append(f"{file.name}: {error}")
                    continue
                try:
                    _READERS[ending](file, _content(directory, name, user, owner), policy)
                except _Refused as error:
                    file.refuse(0, str(error))
                file.report(found)
    finally:
        os.close(directory)
    # last, as anybody can leave any number of these
    found.refused += nobodys
    found.items = {user: items for user, items in found.items.items() if items}
    return found


def merge(
    found: Found, sources: Callable[[str], Mapping[str, UserData]], policy: Policy
) -> tuple[dict[str, UserData], list[str]]:
    """What source `self` declares for each user once what was found has been added, and what was refused.

    `sources` tells what all sources declare for a user. Names that are there stay as they are: a link or login that is
    there already and the same is passed over, another of its name is refused.
    """
    declared, refused = {}, []
    for user, items in found.items.items():
        there = sources(user)
        own = there.get(SELF, UserData())
        owners = {
            (kind, item.name): (source, item)
            for source, data in there.items()
            for kind, group in ((Link, data.links), (Login, data.logins))
            for item in group
        }
        links, logins = list(own.links), list(own.logins)
        problems = []
        for place, item in items:
            coming: list[Any] = links if isinstance(item, Link) else logins
            what, limit = (
                ("link", policy.links_per_user) if isinstance(item, Link) else ("login", policy.logins_per_user)
            )
            source, other = owners.get((type(item), item.name), ("", None))
            if other and other != item:
                problems.append(
                    f"{place}: {what} {shown(item.name)}: {user} has another of that name (source {shown(source)}),"
                    " which stays; remove it first, or add this one by another name"
                )
            elif not other and len(coming) >= limit:
                problems.append(f"{place}: {what} {shown(item.name)}: {user} has {limit}, which is the site's limit")
            elif not other:
                coming.append(item)
        refused += bounded(problems, LINES_SHOWN, f"{user}: ")
        names = {link.name for link in links}
        former = {**dict(own.renamed), **found.renamed.get(user, {})}
        renamed = tuple(sorted((old, new) for old, new in former.items() if new in names))
        if len(links) > len(own.links) or len(logins) > len(own.logins) or renamed != own.renamed:
            declared[user] = own._replace(
                renamed=renamed,
                links=tuple(sorted(links, key=lambda link: link.name)),
                logins=tuple(sorted(logins, key=lambda login: login.name)),
            )
    return declared, refused


def bounded(lines: list[str], limit: int = ALL_LINES_SHOWN, about: str = "") -> list[str]:
    """The lines; of more than `limit` only the first, and how many more there are."""
    return lines if len(lines) <= limit else [*lines[:limit], f"{about}and {len(lines) - limit} more"]


def _owner(user: str, account: Callable[[str], int | None] | None) -> int | None:
    problem = name_problem("user", user)
    if problem:
        raise _Refused(problem)
    if account is None:
        return None
    owner = account(user)
    if owner is None:
        raise _Refused(f"user {shown(user)} has no account on this host; create one, or declare the links in inventory")
    return owner


def _content(directory: int, name: str, user: str, owner: int | None) -> bytes:
    """The content of a file; raises _Refused where somebody else than its user may have written it."""
    # not blocking: a pipe would wait for somebody to write
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=directory)
        try:
            _check_file(os.fstat(descriptor), os.fstat(directory), user, owner)
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _Refused("it is a symbolic link, which is not followed; put the file itself there") from None
        raise _Refused(f"it cannot be read ({error.strerror})") from None
    if len(data) > FILE_BYTES:
        raise _Refused(
            f"it has more than {FILE_BYTES} bytes, which the old script has never written; check what it contains"
        )
    return data


def _check_file(found: os.stat_result, folder: os.stat_result, user: str, owner: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _Refused("it is no regular file")
    if owner is None:
        return
    advice = "check what the file contains, then"
    if found.st_uid not in (0, owner):
        raise _Refused(f"it belongs to {_name(pwd.getpwuid, found.st_uid)}, not to {user}; {advice} chown it to {user}")
    # whoever can write the folder can give a file of root's any user's name
    if found.st_uid == 0 and (folder.st_uid != 0 or folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        fix = f"chown it to {user}" if owner else "move it to a folder that only root can write"
        raise _Refused(f"it belongs to root, but other users can rename files in this folder; {advice} {fix}")
    if found.st_nlink > 1:
        raise _Refused(
            f"it has {found.st_nlink} hard links, so another user may have created it; {advice} replace it with a copy"
        )
    group = _name(grp.getgrgid, found.st_gid)
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid and group != user):
        others = "everybody" if found.st_mode & stat.S_IWOTH else f"group {group}"
        raise _Refused(f"{others} can write it; {advice} chmod it to 644")


def _name(look_up: Callable[[int], Any], number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)


def _read_links(file: _File, data: bytes, policy: Policy) -> None:
    """Takes the links of a `.conf`: those with legal names first, so that no adapted name is in their way."""
    marked, served = [], []
    for number, line in file.lines(data):
        if line.startswith(_MARK):
            text = line[len(_MARK) :]
            # the script's first version had a comma, and no descriptions
            fields = [field.strip() for field in text.split("||" if "||" in text else ",", 2)]
            if len(fields) > 1:
                marked.append((number, fields))
            else:
                file.refuse(number, f"{shown(line)} is not of the form ###path||server||description")
        elif location := _LOCATION.match(line):
            served.append((number, _below(location[1], file.user)))
    known = {_below(fields[0], file.user) for _number, fields in marked}
    for number, path in served:
        # of the user's own page, nothing is left below it
        if path and path not in known:
            file.refuse(number, f"location {shown(path)} has no ### line above it, so the old script does not know it")
    taken: dict[str, int] = {}
    for number, fields in sorted(
        marked, key=lambda entry: (not LINK.fullmatch(_below(entry[1][0], file.user)), entry[0])
    ):
        try:
            link = _link(file, number, fields, taken, policy)
        except _Refused as error:
            file.refuse(number, str(error))
        else:
            taken[link.name] = number
            file.take(number, link)


def _below(path: str, user: str) -> str:
    """The path below the user's: `train` of `/alice/train/`, of `/train`, and of `train`."""
    parts = [part for part in path.split("/") if part]
    return "/".join(parts[1:] if parts[:1] == [user] else parts)


def _link(file: _File, line: int, fields: list[str], taken: Mapping[str, int], policy: Policy) -> Link:
    """The link of one `###` line. Raises _Refused; says what it has adapted."""
    path, server, *more = fields
    name, description = _below(path, file.user), "".join(more)
    label, adapted = f"link {shown(name)}", []
    if not name:
        raise _Refused(f"path {shown(path)} names no link below /{file.user}/")
    if name in taken:
        raise _Refused(f"{label}: declared twice; line {taken[name]} counts")
    plain: dict[str, Any] = {"name": name, **_target(label, server)}
    problem = name_problem("link", name)
    if problem:
        plain["name"] = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).lstrip("._-")[:63].rstrip("-")
        if name_problem("link", plain["name"]):
            raise _Refused(problem)
        if plain["name"] in taken:
            raise _Refused(f"{problem}; '{plain['name']}' would be, but line {taken[plain['name']]} has it")
        adapted.append(f"{problem}; it becomes '{plain['name']}'")
    if plain.get("prefix"):
        adapted.append(f"{label}: server {shown(server)} has no '/' at its end, so it is sent the path with its prefix")
    if len(description) > DESCRIPTION_CHARACTERS:
        description = description[: DESCRIPTION_CHARACTERS - 1] + "…"
        adapted.append(f"{label}: the description is cut to {DESCRIPTION_CHARACTERS} characters")
    data, problems = parse_user({"links": [{**plain, "description": description}]}, policy)
    if problems:
        raise _Refused("; ".join(problem.text for problem in problems))
    for text in adapted:
        file.adapt(line, text)
    if OLD_LINK.fullmatch(name):
        file.renamed[name] = plain["name"]
    return data.links[0]


def _target(label: str, server: str) -> dict[str, Any]:
    """Host, port and prefix mode of a `proxy_pass`, which strips the prefix where the server ends in '/'."""
    match = _SERVER.fullmatch(server)
    if not match:
        raise _Refused(f"{label}: server {shown(server)} is not of the form http://host:port/")
    scheme, host, port, slash = match.groups()
    if (scheme or "").lower() == "https://":
        raise _Refused(
            f"{label}: server {shown(server)} uses https, which the import does not support;"
            " add this link with 'vizgate add NAME --scheme https'"
        )
    # without a scheme nginx has never served it, so nothing says that it is to keep its prefix
    prefix = {} if slash or not scheme else {"prefix": KEEP}
    return {"host": host.strip("[]"), "port": int(port or 80), **prefix}


def _read_logins(file: _File, data: bytes, policy: Policy) -> None:
    """Takes the logins of a `.htpasswd` whose hashes are good enough."""
    taken: dict[str, int] = {}
    for number, line in file.lines(data):
        if not line or line.startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        password_hash = rest.partition(":")[0].strip()
        if not colon or not LOGIN.fullmatch(name):
            # whatever stands here may be a password
            file.refuse(number, f"this line is not of the form name:hash with a name of the form {LOGIN.pattern}")
        elif name in taken:
            file.refuse(number, f"login {shown(name)}: declared twice; line {taken[name]} counts")
        else:
            taken[name] = number
            # stored, as those of htpasswd's default are taken from here alone
            found, problems = parse_user({"logins": [{"name": name, "password_hash": password_hash}]}, stored=True)
            if problems:
                how = next((how for start, how in _OTHER_HASHES if password_hash.startswith(start)), "")
                how = how or ("DES crypt" if re.fullmatch("[./0-9A-Za-z]{13}", password_hash) else "nothing known")
                file.refuse(
                    number,
                    f"login {shown(name)}: its hash is {how}, which the gateway does not take;"
                    f" {file.user} sets a new password with 'vizgate login add {name}'",
                )
            else:
                file.take(number, found.logins[0])
                if found.logins[0].is_legacy:
                    until = f" until {policy.legacy_hashes_until}" if policy.legacy_hashes_until else ""
                    file.adapt(
                        number,
                        f"login {shown(name)}: its password hash is weak (old format); it is accepted"
                        f" for {file.user}'s links{until}; 'vizgate login password {name}' replaces it",
                    )


_READERS: dict[str, Callable[[_File, bytes, Policy], None]] = {".conf": _read_links, ".htpasswd": _read_logins}
