# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps, as users files declare them: what is fetched from where, how it is built, started and limited."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..text import did_you_mean, shown
from .names import RESERVED_LINKS
from .parse import DESCRIPTION_CHARACTERS, Problem, Reader
from .vault import Decrypt, Vaulted, no_vault

APP = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
"""Narrower than a link's name: it is part of a socket's path, a unit's name and a database's."""
SQLITE, POSTGRESQL, NONE = "sqlite", "postgresql", "none"
DATABASE_CHARACTERS = 63
"""PostgreSQL cuts longer names, and two apps' databases would have the same."""
GENERATE = "generate"
SYSTEMD, SUPERVISORD = "systemd", "supervisord"

_REPO = re.compile(
    r"(?:https?|ssh|git)://[A-Za-z0-9._~@:%/+,=\[\]-]+"
    r"|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[A-Za-z0-9._~%/+,=-]+"
    r"|(?:/[A-Za-z0-9._~+,=-]+)+/?"
)
_CREDENTIALS = re.compile(r"[a-z]+://([^/@]*)@")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_PATH = re.compile(r"[A-Za-z0-9._+-]+(?:/[A-Za-z0-9._+-]+)*")
_ENTRY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*(?:\(\))?")
_HEALTH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MEMORY = re.compile(r"[1-9][0-9]{0,9}[KMGT]")
_CPU = re.compile(r"[1-9][0-9]{0,4}%")
_TAKEN_VARIABLES = frozenset({"HOME", "PATH", "SCRIPT_NAME"})
VALUE_CHARACTERS = 4096


class Limits(NamedTuple):
    """What one release may use."""

    memory: str = "1G"
    """Bytes, with K, M, G or T behind."""
    cpu: str = "100%"
    """Of one processor."""
    tasks: int = 256
    """Processes and threads."""


class App(NamedTuple):
    """A web application of one user's, at `/<user>/<name>/`."""

    name: str
    repo: str
    entry: str
    """`module:callable`, as gunicorn and uvicorn take it."""
    version: str = "main"
    """Tag, branch or commit."""
    subdirectory: str = ""
    requirements: str = "requirements.txt"
    """Below the subdirectory; nothing for an app that needs no packages."""
    conda: str = ""
    """The conda environment file, below the subdirectory, of an app whose environment is made of conda packages."""
    asgi: bool = False
    workers: int = 2
    threads: int = 4
    """Of a WSGI worker; 1 for apps that cannot share a process."""
    supervisor: str = SYSTEMD
    migrate: str = ""
    """A command line, run once per release, before it starts."""
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    """Name and value, or `generate`."""
    database: str = SQLITE
    health: str = ""
    """A path below the app that answers 2xx or 3xx once it works; nothing for any answer below 500 at its front page."""
    shared: tuple[str, ...] = ()
    """Folders below the subdirectory that all releases share."""
    limits: Limits = Limits()
    gpu: bool = False
    """Whether the app may use the host's GPUs, as far as its owner may."""
    description: str = ""

    def __repr__(self) -> str:
        return f"App(name={self.name!r})"

    def as_json(self) -> dict[str, Any]:
        """The same in plain types, as a users file has it; `parse_apps` reads it back."""
        found = {key: value for key, value in self._asdict().items() if value != self._field_defaults.get(key)}
        if self.conda:
            # the default is another one then
            found["requirements"] = self.requirements
        for key in ("environment", "secrets"):
            if key in found:
                found[key] = dict(found[key])
        if "shared" in found:
            found["shared"] = list(self.shared)
        if "limits" in found:
            found["limits"] = self.limits._asdict()
        return found


class _Checker:
    """Refuses what is wrong with one app."""

    def __init__(self, reader: Reader, path: tuple[str | int, ...], data: Mapping[Any, Any]) -> None:
        self.reader, self.path, self.data = reader, path, data
        self.label = f"app {shown(data.get('name'))}"

    def refuse(self, key: str | tuple[str | int, ...], text: str) -> None:
        self.reader.refuse((*self.path, *((key,) if isinstance(key, str) else key)), f"{self.label}: {text}")

    def text(self, key: str, pattern: re.Pattern[str], form: str, *, default: str = "", required: bool = False) -> str:
        value = self.data.get(key, default)
        if value == "" and not required:
            return ""
        if key not in self.data and required:
            self.reader.refuse(self.path, f"{self.label}: it has no {key}")
        elif not isinstance(value, str) or len(value) > VALUE_CHARACTERS or not pattern.fullmatch(value):
            self.refuse(key, f"{key} {shown(value)} is not {form}")
        return str(value)

    def folder(self, key: str, value: object) -> str:
        if (
            not isinstance(value, str)
            or len(value) > VALUE_CHARACTERS
            or not _PATH.fullmatch(value)
            or {".", ".."} & set(value.split("/"))
        ):
            self.refuse(key, f"{key} {shown(value)} is not a path below the app's own folder, without '.' and '..'")
        return str(value)

    def number(self, key: str, most: int, default: int, data: Mapping[Any, Any] | None = None) -> int:
        value = (self.data if data is None else data).get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            self.refuse(
                key if data is None else ("limits", key), f"{key} {shown(value)} is not a number from 1 to {most}"
            )
            return default
        return value

    def truth(self, key: str) -> bool:
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            self.refuse(key, f"{key} {shown(value)} is neither true nor false")
        return value is True

    def choice(self, key: str, known: tuple[str, ...]) -> str:
        value = self.data.get(key, known[0])
        if value not in known:
            advice = did_you_mean(value, known, 0.6) or "there are: " + ", ".join(known)
            self.refuse(key, f"{key} {shown(value)} is not known; {advice}")
        return str(value)

    def variables(self, key: str) -> tuple[tuple[str, str], ...]:
        """Names and values; no value is ever told, as any may be a secret."""
        found = self.data.get(key) or {}
        if not isinstance(found, Mapping):
            self.refuse(key, f"{key} is not a mapping like {{NAME: value}}")
            return ()
        texts = []
        for name, value in found.items():
            if isinstance(value, Vaulted):
                value = self.reader.revealed((*self.path, key, name), f"{self.label}: {key}: {shown(name)}", value)
                if value is None:
                    continue
            texts.append((str(name), str(value)))
            if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
                self.refuse((key, name), f"{key}: {shown(name)} is not a valid name of an environment variable")
            elif name in _TAKEN_VARIABLES or name.startswith("VIZGATE_"):
                self.refuse((key, name), f"{key}: {name} is set by the gateway; choose another name")
            elif isinstance(value, bool) or not isinstance(value, (str, int, float)):
                self.refuse((key, name), f"{key}: {name} is not a text; quote it")
            elif len(str(value)) > VALUE_CHARACTERS or not str(value).isprintable():
                self.refuse(
                    (key, name), f"{key}: {name} has control characters, or more than {VALUE_CHARACTERS} characters"
                )
        return tuple(sorted(texts))


def _check_name(check: _Checker) -> None:
    name = check.data.get("name")
    if "name" not in check.data:
        check.reader.refuse(check.path, "app: it has no name")
    elif not isinstance(name, str) or not APP.fullmatch(name) or name in RESERVED_LINKS:
        check.reader.refuse(
            (*check.path, "name"),
            f"{check.label}: the name must be 1 to 40 lower-case letters, digits and '-', and must not begin or end with '-'",
        )


def _repo(check: _Checker) -> str:
    repo = check.data.get("repo")
    credentials = _CREDENTIALS.match(repo) if isinstance(repo, str) else None
    if credentials and ":" in credentials[1]:
        check.refuse("repo", "repo contains a password, which other users could see; use an SSH key of the user")
        return ""
    return check.text("repo", _REPO, "an https, ssh or git URL, or an absolute path", required=True)


def _limits(check: _Checker) -> Limits:
    data = check.data.get("limits") or {}
    if not isinstance(data, Mapping):
        check.refuse("limits", "limits is not a mapping like {memory: 1G, cpu: 150%}")
        return Limits()
    check.reader.keys((*check.path, "limits"), f"{check.label}: limits", data, Limits._fields)
    found = Limits()
    for key, pattern, example in (("memory", _MEMORY, "512M or 2G"), ("cpu", _CPU, "150%")):
        value = data.get(key, getattr(found, key))
        if not isinstance(value, str) or not pattern.fullmatch(value):
            check.refuse(("limits", key), f"{key} {shown(value)} is not like {example}")
    return Limits(
        str(data.get("memory", found.memory)),
        str(data.get("cpu", found.cpu)),
        check.number("tasks", 32768, found.tasks, data),
    )


def _shared(check: _Checker) -> tuple[str, ...]:
    found = check.data.get("shared") or []
    if not isinstance(found, list):
        check.refuse("shared", f"shared {shown(found)} is not a list of folders")
        return ()
    paths = sorted({check.folder("shared", path) for path in found})
    for path, other in itertools.pairwise(paths):
        if other.startswith(path + "/"):
            check.refuse("shared", f"shared {shown(other)} is inside {shown(path)}; keep one")
    return tuple(paths)


def _migrate(check: _Checker) -> str:
    value = check.data.get("migrate", "")
    if not isinstance(value, str) or len(value) > VALUE_CHARACTERS or not value.isprintable():
        check.refuse("migrate", f"migrate {shown(value)} is not a command on one line")
    return str(value)


def _description(check: _Checker) -> str:
    value = check.data.get("description", "")
    if not isinstance(value, str) or len(value) > DESCRIPTION_CHARACTERS or not value.isprintable():
        check.refuse("description", f"description is not a text of up to {DESCRIPTION_CHARACTERS} characters")
    return str(value)


def _parse_app(reader: Reader, path: tuple[str | int, ...], data: Mapping[Any, Any]) -> App | None:
    before = len(reader.problems)
    check = _Checker(reader, path, data)
    reader.keys(path, check.label, data, App._fields)
    _check_name(check)
    # what an environment file leaves to pip stands in it, so that another file is one that was asked for
    requirements = data.get("requirements", "" if data.get("conda") else "requirements.txt")
    app = App(
        name=str(data.get("name")),
        repo=_repo(check),
        entry=check.text("entry", _ENTRY, "like wsgi:application", required=True),
        version=check.text("version", _VERSION, "a tag, branch or commit", default="main", required="version" in data),
        subdirectory=check.folder("subdirectory", data["subdirectory"]) if data.get("subdirectory") else "",
        requirements=check.folder("requirements", requirements) if requirements else "",
        conda=check.folder("conda", data["conda"]) if data.get("conda") else "",
        asgi=check.truth("asgi"),
        workers=check.number("workers", 64, 2),
        threads=check.number("threads", 64, 4),
        supervisor=check.choice("supervisor", (SYSTEMD, SUPERVISORD)),
        migrate=_migrate(check),
        environment=check.variables("environment"),
        secrets=check.variables("secrets"),
        database=check.choice("database", (SQLITE, POSTGRESQL, NONE)),
        health=check.text("health", _HEALTH, "a path like /healthz"),
        shared=_shared(check),
        limits=_limits(check),
        gpu=check.truth("gpu"),
        description=_description(check),
    )
    if app.supervisor == SUPERVISORD and data.get("limits"):
        check.refuse("limits", "supervisord does not support limits; remove limits, or set supervisor: systemd")
    both = dict(app.environment).keys() & dict(app.secrets).keys()
    for name in sorted(both):
        check.refuse(("secrets", name), f"{name} is in environment and in secrets; keep one")
    return None if len(reader.problems) > before else app


def database_name(user: str, app: str) -> str:
    """The name of an app's own database. An app's name has no underscore, so that no two apps' have the same name."""
    return f"{user}_{app}"


def parse_apps(data: object, user: str = "", decrypt: Decrypt = no_vault) -> tuple[tuple[App, ...], list[Problem]]:
    """Reads the list `apps` of the data of a `user`'s file, by name; an app and a link have no name in common.

    Returns what is good, and a problem for everything that is not. `decrypt` opens vaulted secrets and variables.
    """
    reader = Reader(decrypt)
    apps: dict[str, App] = {}
    if isinstance(data, Mapping):
        with reader.bounded():
            _read_apps(reader, data, user, apps)
    return tuple(apps[name] for name in sorted(apps)), reader.problems


def _read_apps(reader: Reader, data: Mapping[Any, Any], user: str, apps: dict[str, App]) -> None:
    found = data.get("links")
    names = [link.get("name") for link in found if isinstance(link, Mapping)] if isinstance(found, list) else []
    links = {name for name in names if isinstance(name, str)}
    for index, item in reader.items(data, "apps"):
        app = _parse_app(reader, ("apps", index), item)
        if app and app.name in apps:
            reader.refuse(("apps", index), f"app {shown(app.name)}: declared twice")
        elif app and app.name in links:
            reader.refuse(("apps", index, "name"), f"app {shown(app.name)}: a link has this name; take another")
        elif app and app.database == POSTGRESQL and len(database_name(user, app.name)) > DATABASE_CHARACTERS:
            name = database_name(user, app.name)
            reader.refuse(
                ("apps", index, "name"),
                f"app {shown(app.name)}: its database {shown(name)} would have a name of {len(name)} characters, and"
                f" PostgreSQL knows {DATABASE_CHARACTERS}; take a shorter name",
            )
        elif app:
            apps[app.name] = app


def with_secrets(app: App, known: Mapping[str, str], generate: Callable[[], str]) -> dict[str, str]:
    """Name → value of an app's secrets: those `known` stay, what is to be generated and is not known yet is made now."""
    return {name: known.get(name) or generate() if value == GENERATE else value for name, value in app.secrets}
