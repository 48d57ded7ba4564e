# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds why a link does not work, and what to type.

    for finding in diagnose(answer, "train"):   # answer: what the request {"do": "show"} was answered with
        print(finding["severity"], finding["finding"], finding["fix"])

`diagnose` makes its observations itself (mostly in milliseconds, in 40 s at most) and raises KeyError for a link that is
not there. Findings are in the order to fix them; severity is `error`, `warning` or `ok`. A healthy link has exactly one
finding, `ok`, whose fix is empty; any other has none of these. Findings and fixes are printable text of one line.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict

from ..model.entities import Link
from ..model.kinds import KEEP, KINDS, STRIP
from ..model.policy import Policy
from ..model.targets import HTTP, HTTPS, parse_address
from ..model.urls import HOST, SUBDOMAIN
from ..net import probe as probing
from ..net.bounded import Place
from ..net.probe import Listener, Probe, Reply
from ..text import printable
from .fingerprints import ANY_TOOL, NO_BASE_PATH_HELP, kind_of, websocket_of, websocket_protocol, without_base_path

SECONDS = 25.0
PAGE_SECONDS = 10.0
"""So long may a page take: some start a kernel before they answer."""
PAGE_BYTES = 2**20
ADDRESS_CHARACTERS = 8000
"""nginx takes no longer ones."""
HOPS = 6
ASSETS = 6
STRAYS = 200
"""So many forms, images and settings of a page are looked at."""
PARSE_SECONDS = 1.0


_SETTING = re.compile(r'"\w{0,30}(?:base|root|prefix)\w{0,30}" ?: ?"(/[^"\\<>\s]{1,200})"', re.IGNORECASE)
"""Where a page's inline script has the tool's own path."""
ASKED_SECONDS = 3600
_TRIFLES = re.compile(r"/(?:favicon|apple-touch-icon|robots\.txt)[^/]*$|\.map$")
"""What browsers ask for on their own, and nobody misses."""


_OVERSIZED = f"502, as the head of the answer has more than {probing.PASSED_HEAD_BYTES:,} bytes,"
_SHORTER = "have the tool keep less in its headers: mostly cookies (Set-Cookie) or a Content-Security-Policy"


class Finding(TypedDict):
    """One thing that was found out."""

    severity: str
    finding: str
    fix: str


@dataclasses.dataclass(frozen=True)
class Page:
    """What a browser would meet behind the gateway if it asked the tool in one of the prefix modes."""

    mode: str
    path: str = ""
    """What the tool was asked for in the end, after redirects."""
    status: int = 0
    """0 if there was no answer, for which `problem` has the reason."""
    problem: str = ""
    body: str = ""
    server: str = ""
    away: str = ""
    """Where it redirects to outside of the link."""
    loops: bool = False
    """Whether its redirects never end."""
    outside: tuple[str, ...] = ()
    """Scripts and style sheets that the page looks for outside of the link."""
    missing: tuple[str, ...] = ()
    """Those inside that are not there."""
    strays: tuple[str, ...] = ()
    """Forms, images and settings of its inline scripts that lead outside of the link."""
    oversized: str = ""
    """How long the head of the answer is, where the gateway does not pass that on."""
    host_refused: bool = False
    """Whether the same request is welcome when it does not name the gateway as its host."""

    @property
    def is_there(self) -> bool:
        """Whether the tool knows the place, even if it does not let everybody in."""
        lost = self.away or self.loops or self.oversized
        return 0 < self.status < 500 and self.status != 404 and not lost

    @property
    def is_late(self) -> bool:
        """Whether nothing has come within the time that pages have."""
        return self.problem.startswith(probing.LATE)

    @property
    def answers(self) -> bool:
        """Whether there is a page at all."""
        return self.is_there and self.status < 400

    @property
    def works(self) -> bool:
        """Whether there is a page with all that belongs to it."""
        return self.answers and not self.outside and not self.missing

    @property
    def looks(self) -> str:
        """The kind whose tool this is, or ""."""
        return kind_of(self.body, self.server)


@dataclasses.dataclass(frozen=True)
class Observed:
    """Everything that a diagnosis is made from."""

    answer: Mapping[str, Any]
    link: Mapping[str, Any]
    probe: Probe
    known: tuple[Listener, ...] = ()
    here: bool = True
    """Whether the target is on this machine."""
    closed: str = ""
    """The mode of a unix socket that the gateway may not connect to."""
    page: Page | None = None
    """In the link's own prefix mode."""
    secure: Probe | None = None
    """By verified TLS, where plain HTTP meets TLS."""
    other: Page | None = None
    """In the other one, looked at where the first does not work; a link with a host name of its own has no other."""
    socket: Reply | None = None
    """The answer to a websocket, where the tool has one and its page works."""
    socket_path: str = ""
    account: str = ""
    """Who asks, a user's name on this machine."""
    requests: tuple[Mapping[str, Any], ...] = ()
    """Lines of the access log for the link, if any were asked for."""
    concerning: tuple[Mapping[str, Any], ...] = ()
    """What the log has of requests that got no link, but concern this one."""

    @property
    def name(self) -> str:
        return str(self.link["name"])

    @property
    def user(self) -> str:
        return str(self.answer["user"])

    @property
    def place(self) -> str:
        """The target, as people write it."""
        return str(self.link.get("socket") or self.link["target"])

    @property
    def base(self) -> str:
        """The link's prefix without the slash at its end; "" for a link with a host name of its own."""
        return str(self.link["url"]).rstrip("/")

    @property
    def site(self) -> tuple[str, str]:
        """Scheme and `host:port` of the link's address, as a browser writes them."""
        return probing.split_url(_origin(self.answer["site"], self.link))

    @property
    def root(self) -> str:
        """The folder of a rootless gateway, or ""."""
        return str(self.answer.get("sockets", "")).partition("/run/vizgate/")[0]

    @functools.cached_property
    def policy(self) -> Policy:
        site = self.answer["site"]
        return Policy(
            tuple(site["allowed_hosts"]), tuple(map(str, site["allowed_ports"])), url_style=str(site["url_style"])
        )

    @property
    def looks(self) -> str:
        """The kind whose tool answers, or ""."""
        return next((page.looks for page in (self.page, self.other) if page and page.looks), "")

    @property
    def kind(self) -> str:
        """The kind that the link should have."""
        return self.looks or str(self.link["kind"])

    @property
    def wanted(self) -> Page | None:
        """The page in the prefix mode that is right for the tool."""
        if not self.page or self.page.works or self.kind == self.link["kind"] or self.page.mode == HOST:
            return self.page
        return self.page if self.page.mode == KINDS[self.kind].prefix else self.other

    @property
    def unwanted(self) -> Page | None:
        """The page in the mode that is not right."""
        return self.other if self.wanted is self.page else self.page


def diagnose(answer: Mapping[str, Any], name: str, log: Mapping[str, Any] | None = None) -> list[Finding]:
    """What is wrong with the link `name` in an answer to `show`, or that nothing is; `log` is the answer to that request for it."""
    log = log or {}
    seen = observe(answer, name)
    return conclude(
        dataclasses.replace(seen, requests=tuple(log.get("lines", ())), concerning=tuple(log.get("concerning", ())))
    )


# what is there


def _origin(site: Mapping[str, Any], link: Mapping[str, Any]) -> str:
    """Where a link's address begins: with the user's site, or with its own host."""
    return str(link.get("origin", site["url"]))


def observe(answer: Mapping[str, Any], name: str) -> Observed:
    """Looks at a link from all sides. Asks the tool only for pages that its visitors ask for."""
    links = [link for link in answer["links"] if link["name"] == name]
    if not links:
        raise KeyError(name)
    # of two of the same name, the one that is served
    link = next((link for link in links if not link["yields_to"]), links[0])
    known = probing.listeners()
    probe = probing.probe(link, answer["site"], known, seconds=PAGE_SECONDS)
    place = probing.place_of(link)
    here = place is not None and probing.is_here(place)
    account = Listener(uid=os.getuid()).user
    observed = Observed(answer, link, probe, known, here, _closed(answer, link), account=account)
    if probe.problem == probing.TLS and not parse_address(str(link.get("host", ""))):
        trusting = {**link, "scheme": HTTPS, "verify": True}
        observed = dataclasses.replace(observed, secure=probing.probe(trusting, answer["site"], known))
    if place is None or not probe.answers:
        return observed
    visitor = _Visitor(place, answer["site"], link)
    page = visitor.visit(link["prefix"])
    observed = dataclasses.replace(observed, page=page)
    # a page that is slow in one mode would be asked for in vain, and perhaps at the cost of another kernel, in the other
    if not page.works and not page.is_late and page.mode != HOST:
        observed = dataclasses.replace(observed, other=visitor.visit(STRIP if page.mode == KEEP else KEEP))
    wanted = observed.wanted
    if wanted and wanted.works and not _asks_for_password(wanted):
        front = visitor.backend_path(wanted.mode, visitor.base + "/")
        path = websocket_of(observed.kind, front, wanted.path)
        if path:
            observed = dataclasses.replace(observed, socket=visitor.shake_hands(path, wanted), socket_path=path)
    return observed


class _Visitor:
    """A browser behind the gateway, as far as the tool can tell."""

    def __init__(self, place: Place, site: Mapping[str, Any], link: Mapping[str, Any]) -> None:
        self.place, self.site_url = place, _origin(site, link)
        self.security = probing.security_of(link, site)
        self.scheme, self.host = probing.split_url(self.site_url)
        self.site = f"{self.scheme}://{self.host}"
        self.base = str(link["url"]).rstrip("/")
        self.target = str(link["target"]).removeprefix("https://")
        self.deadline = time.monotonic() + SECONDS

    def backend_path(self, mode: str, path: str) -> str:
        """What the gateway asks the tool for when the browser asks for `path`, which is below the link."""
        return path if mode == KEEP else path[len(self.base) :]

    def ask(self, path: str, headers: Mapping[str, str] | None = None, body_bytes: int = 0) -> Reply:
        seconds = min(PAGE_SECONDS, self.deadline - time.monotonic())
        sent = {**probing.gateway_headers(self.site_url, self.base + "/"), **(headers or {})}
        return probing.ask(self.place, path, sent, body_bytes=body_bytes, seconds=seconds, security=self.security)

    def visit(self, mode: str) -> Page:
        """Follows redirects to the page, and looks whether what belongs to it is there."""
        at, cookies, seen = self.base + "/", "", set[tuple[str, str]]()
        while True:
            path = self.backend_path(mode, at)
            reply = self.ask(path, {"Cookie": cookies} if cookies else {}, PAGE_BYTES)
            page = Page(mode, path, reply.status, reply.problem, server=reply.headers.get("server", ""))
            page = dataclasses.replace(page, body=reply.body.decode(errors="replace"), oversized=_oversized(reply))
            if page.oversized:
                return page
            if "location" not in reply.headers or reply.status not in (301, 302, 303, 307, 308):
                break
            seen.add((at, cookies))
            new = [cookie.partition(";")[0] for cookie in reply.headers.get("set-cookie", "").split("\n") if cookie]
            cookies = "; ".join(dict.fromkeys([*filter(None, cookies.split("; ")), *new]))
            landing = self.landing(at, reply.headers["location"])
            if landing is None:
                return dataclasses.replace(page, away=_cut(reply.headers["location"]))
            at = landing
            if (at, cookies) in seen or len(seen) > HOPS:
                return dataclasses.replace(page, loops=True)
        if reply.status in (400, 403, 421):
            local = self.ask(path, {"Host": "localhost", "X-Forwarded-Host": "localhost"})
            return dataclasses.replace(page, host_refused=0 < local.status < 400)
        return self._with_assets(page, at) if page.answers else page

    def landing(self, at: str, location: str) -> str | None:
        """Where below the link a browser at `at` is sent by a tool's `location`, which the gateway rewrites; or None."""
        secure = (f"https://{self.host}/", f"https://{self.target}/") if self.security else ()
        for known in (f"{self.scheme}://{self.host}/", f"http://{self.target}/", *secure):
            if location.startswith(known):
                location = location[len(known) - 1 :]
        if location.startswith("/") and not location.startswith(("//", self.base)):
            location = self.base + location
        found = self.below(_joined(self.site + at, location))
        # the gateway itself adds the slash
        return found.replace(self.base, self.base + "/", 1) if found and found.partition("?")[0] == self.base else found

    def below(self, address: str) -> str | None:
        """The path of an address of this link; None for any other."""
        path = address.removeprefix(self.site)
        inside = (path.partition("?")[0] + "/").startswith(self.base + "/")
        return path if address.startswith(self.site + "/") and inside else None

    def _with_assets(self, page: Page, at: str) -> Page:
        outside: list[str] = []
        inside: dict[str, bool] = {}
        base, addresses, others, settings = _addresses(page.body)
        base = _joined(self.site + at, base)
        ours = tuple(f"{site}/" for site in (self.site, f"http://{self.target}", f"https://{self.target}"))
        for address in addresses:
            if time.monotonic() > self.deadline:
                break
            full = _joined(base, address)
            path = self.below(full)
            if path is not None and len(inside) < ASSETS:
                reply = self.ask(self.backend_path(page.mode, path))
                html = reply.headers.get("content-type", "").startswith("text/html")
                inside[address] = 200 <= reply.status < 400 and not html
            elif path is None and full.startswith(ours):
                outside.append(address)
        missing = [address for address, found in inside.items() if not found]
        written = {address: _joined(base, address) for address in others[:STRAYS]}
        strays = [one for one, full in written.items() if full.startswith(ours) and self.below(full) is None]
        for path in settings[:STRAYS]:
            if time.monotonic() < self.deadline and self.below(self.site + path) is None and self._serves(path):
                strays.append(path)
        return dataclasses.replace(
            page,
            outside=tuple(map(_cut, outside)),
            missing=tuple(map(_cut, missing)),
            strays=tuple(map(_cut, strays)),
        )

    def _serves(self, path: str) -> bool:
        """Whether the tool has something at this path of its own: settings also name folders, and parts of addresses."""
        return 0 < self.ask(path).status < 400 <= self.ask(path + "-is-not-there").status

    def shake_hands(self, path: str, page: Page) -> Reply:
        """Opens a websocket as a page behind the gateway would."""
        headers = {
            "Connection": "upgrade",
            "Upgrade": "websocket",
            "Origin": self.site,
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dml6Z2F0ZSBkb2N0b3IgIQ==",
        }
        protocol = websocket_protocol(page.looks, page.body)
        if protocol:
            headers["Sec-WebSocket-Protocol"] = protocol
        return self.ask(path, headers)


def _oversized(reply: Reply) -> str:
    """How long the head of an answer is, if that is too long for the gateway, and most of what."""
    if reply.problem == probing.NO_END:
        return f"more than {probing.HEAD_BYTES:,} bytes"
    if reply.head_bytes <= probing.PASSED_HEAD_BYTES:
        return ""
    longest = max(reply.headers, key=lambda name: len(reply.headers[name]))
    # a header that came more than once has as many lines
    return f"{reply.head_bytes:,} bytes, {len(reply.headers[longest]):,} of them in {_cut(longest.title(), 40)}"


def _joined(base: str, address: str) -> str:
    """An address on a page at `base` as a browser writes it in full, without a fragment; "" for nonsense, and what is
    too long to be asked for."""
    from urllib.parse import quote, urldefrag, urljoin

    if len(base) + len(address) > ADDRESS_CHARACTERS:
        return ""
    try:
        found = quote(urldefrag(urljoin(base, address)).url, safe="%/:?&=+,;@!$'()*~[]")
    except ValueError:
        return ""
    return found if len(found) <= ADDRESS_CHARACTERS else ""


def _addresses(body: str) -> tuple[str, list[str], list[str], list[str]]:
    """What a page's addresses are relative to, those of its scripts and style sheets, those of its forms and images, and paths in
    settings of its inline scripts."""
    from html.parser import HTMLParser

    found: dict[str, None] = {}
    others: dict[str, None] = {}
    settings: dict[str, None] = {}
    bases = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = {name: value or "" for name, value in attrs}
            if tag == "base" and given.get("href"):
                bases.append(given["href"])
            elif tag == "script" and given.get("src"):
                found[given["src"]] = None
            elif tag == "link" and "stylesheet" in given.get("rel", "").lower().split() and given.get("href"):
                found[given["href"]] = None
            elif tag == "form" and given.get("action"):
                others[given["action"]] = None
            elif tag == "img" and given.get("src"):
                others[given["src"]] = None

        def handle_data(self, data: str) -> None:
            if self.cdata_elem == "script":
                settings.update(dict.fromkeys(_SETTING.findall(data)))

    parser = Parser()
    deadline = time.monotonic() + PARSE_SECONDS
    for start in range(0, len(body), 8192):
        parser.feed(body[start : start + 8192])
        # there are pages that take the parser for ever
        if time.monotonic() > deadline:
            break
    return bases[0] if bases else "", list(found), list(others), list(settings)


def _asks_for_password(page: Page) -> bool:
    """Whether this is Jupyter's own login page."""
    return page.looks == "jupyter" and page.path.partition("?")[0].endswith("/login")


def _closed(answer: Mapping[str, Any], link: Mapping[str, Any]) -> str:
    """The mode of a link's socket if the gateway's user, who shares its folder's group, may not connect to it."""
    path = link.get("socket")
    if not path or answer.get("sockets", "").partition("/run/vizgate/")[0]:
        return ""  # a rootless gateway is the user
    try:
        found, folder = os.stat(path), os.stat(os.path.dirname(path))
    except OSError:
        return ""
    writers = 0o022 if found.st_gid == folder.st_gid else 0o002
    return "" if found.st_mode & writers else f"{found.st_mode & 0o777:04o}"


# what that means


def conclude(seen: Observed) -> list[Finding]:
    """The findings that observations lead to."""
    found = list(_gateway(seen))
    # a link that has to lead elsewhere does so before its tool is looked at
    tool = [] if _refused(seen) else list(_tool(seen))
    strange = _stranger(seen, working=not any(finding["severity"] == "error" for finding in tool))
    found += [strange] if strange and not _refused(seen) else tool
    # what does not work now explains what did not
    found += [] if any(finding["severity"] == "error" for finding in found) else list(_asked_in_vain(seen))
    merged: dict[str, Finding] = {}
    for finding in found:
        same = merged.setdefault(finding["fix"], finding)
        if finding["finding"] not in same["finding"]:
            same["finding"] += "; " + finding["finding"]
    again = merged.get(_start(seen))
    if again and seen.probe.pid:
        again["finding"] += f"; stop process {seen.probe.pid} first"
    return [_printable(finding) for finding in merged.values()] or [_printable(_ok(seen))]


def _error(finding: str, fix: str) -> Finding:
    return {"severity": "error", "finding": finding, "fix": fix}


def _warning(finding: str, fix: str) -> Finding:
    return {"severity": "warning", "finding": finding, "fix": fix}


def _printable(finding: Finding) -> Finding:
    """Pages and processes say what they like."""
    return {**finding, "finding": printable(finding["finding"]), "fix": printable(finding["fix"])}


def _ok(seen: Observed) -> Finding:
    page = seen.page
    status = page.status if page else seen.probe.status
    text = f"{'://'.join(seen.site)}{seen.base}/ works: {_who(seen)} answers {status}"
    return {"severity": "ok", "finding": f"{text} on {seen.place} in {seen.probe.milliseconds or 0:.1f} ms", "fix": ""}


def _who(seen: Observed) -> str:
    """Whose process the target is, as far as one can see."""
    probe = seen.probe
    if probe.command:
        return f"'{_short(probe.command)}' of {probe.user}"
    return f"a process of {probe.user}" if probe.user else "the tool"


def _short(command: str) -> str:
    """A command line as people know it: without the interpreter of a script, without folders, of bounded length."""
    words = command.split(" ")
    if len(words) > 1 and os.path.basename(words[0]).startswith("python") and not words[1].startswith("-"):
        words = words[1:]
    text = " ".join([os.path.basename(words[0]), *words[1:]])
    return _cut(text, 60)


def _cut(text: str, characters: int = 200) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _edit(seen: Observed, **changes: str | int | bool) -> str:
    """How to change the link, which only who has declared it can."""
    source = seen.link["source"]
    if source == "self":
        command = ["vizgate"] if seen.user == seen.account else ["vizgate", "--user", seen.user]
        options = [
            word
            for key, value in changes.items()
            for word in (["--insecure"] if value is False else [f"--{key}", str(value)])
        ]
        return shlex.join([*command, "edit", seen.name, *options])
    settings = ", ".join(f"{key}: {'false' if value is False else value}" for key, value in changes.items())
    if source == "inventory":
        return f"in users/{seen.user}.yml, link '{seen.name}': {settings}; then ansible-playbook playbooks/links.yml"
    return f"{settings} for link '{seen.name}' where source '{source}' declares it"


def _start(seen: Observed, kind: str = "", port: int = 0) -> str:
    """The command that starts the tool so that it fits the link; of kind http, which may be any tool, in words."""
    kind = kind or seen.kind
    path = seen.link.get("socket")
    if kind == "http":
        host = seen.link.get("host") or "127.0.0.1"
        return "start your tool on " + (
            f"socket {path}" if path and not port else f"address {host}, port {port or seen.link['port']}"
        )
    if path and not port:
        if kind not in ANY_TOOL:
            port = _free_port(seen)
            return f"{_edit(seen, port=port)} && {_start(seen, kind, port)}"
        script = ["-e", f"SCRIPT_NAME={seen.base}"] if kind == "wsgi" else []
        return shlex.join(["gunicorn", "--bind", f"unix:{path}", *script, "app:app"])
    host = seen.link.get("host") or "127.0.0.1"
    return shlex.join(KINDS[kind].command(seen.base, host, port or seen.link["port"], seen.site[1]))


def _start_below(seen: Observed) -> str:
    """The command, or words, that give the tool the link's base path."""
    return _start(seen) if seen.kind != "http" else f"start your tool with base path {seen.base}"


def _moved_to(seen: Observed, port: int) -> str:
    """How to give the link and its tool another port."""
    kind = str(seen.link["kind"])
    return f"{_edit(seen, port=port)}{', then ' if kind == 'http' else ' && '}{_start(seen, kind, port)}"


def _free_port(seen: Observed, host: str = "") -> int:
    """The next port that the policy allows, nobody listens on, and no other link of the user's names; 0 for none."""
    taken = {listener.port for listener in seen.known} | {link.get("port") for link in seen.answer["links"]}
    first = seen.link.get("port") or 8000
    candidates = [*range(first + 1, 65536), *range(1024, first)]
    if seen.answer.get("ports") and seen.here:
        own = seen.answer["ports"]
        candidates = [*range(own["first"], own["last"] + 1)]
    return next((port for port in candidates if port not in taken and not _refused(seen, host, port)), 0)


def _refused(seen: Observed, host: str = "", port: int = 0) -> str:
    """Why the policy does not allow the link, or would not with another host or port; or ""."""
    link, own = seen.link, seen.answer.get("ports")
    if own and port and seen.here and link["source"] == "self" and not own["first"] <= port <= own["last"]:
        return f"port {port} is not in {seen.user}'s own range {own['first']}-{own['last']}"
    changed = Link(
        seen.name,
        prefix=str(link["prefix"]),
        port=port or link.get("port") or 0,
        host=host or link.get("host") or "127.0.0.1",
        socket="" if host or port else link.get("socket") or "",
    )
    return (seen.policy.link_problem(changed, seen.user) or "").removeprefix(f"link '{seen.name}': ")


# the gateway


def _gateway(seen: Observed) -> Iterator[Finding]:
    link = seen.link
    same = [other for other in seen.answer["links"] if other["name"] == seen.name and other["yields_to"]]
    for other in same:
        yield _warning(
            f"your own link '{seen.name}' to {other['target']} yields to the one of source '{other['yields_to']}'",
            _edit(dataclasses.replace(seen, link=other), name=_free_name(seen)),
        )
    refused = _refused(seen)
    if refused:
        yield _error(f"the site does not allow it any more: {refused}", _allowed(seen))
    if not seen.answer["serving"]:
        yield _error("the gateway's nginx does not run", _service(seen, "start"))
    elif not link["yields_to"] and not link["rendered"]:
        text = link["description"]
        again = text.rstrip() if text.endswith(" ") else f"{text[:199]} "
        yield _error(
            f"the include files of {seen.user} are not what is declared; any change of a link writes them again",
            _edit(seen, description=again),
        )
    elif not link["yields_to"] and not link["live"]:
        yield _error("nginx does not serve the link yet", _service(seen, "reload"))


def _allowed(seen: Observed) -> str:
    """How to make a link that the policy refuses one that it allows."""
    if seen.link["prefix"] == HOST and not _has_hosts(seen):
        return _edit(seen, prefix=STRIP)
    for host in (seen.link["host"], "127.0.0.1"):
        other_host = {} if host == seen.link["host"] else {"host": host}
        refused = _refused(seen, host)
        if not refused:
            return _edit(seen, **other_host)
        if refused.startswith("port "):
            return _edit(seen, **other_host, port=_free_port(seen, host))
    return f"ask the administrator to allow {seen.place}"


def _service(seen: Observed, action: str) -> str:
    if seen.root:
        return shlex.join([f"{seen.root}/usr/local/lib/vizgate/bin/vizgate-rootless", action])
    return f"sudo service nginx {action}" + ("" if action == "reload" else ", which is the administrator's to type")


def _free_name(seen: Observed) -> str:
    names = {link["name"] for link in seen.answer["links"]}
    return next(name for name in (f"{seen.name[:60]}-{number}" for number in range(2, 9999)) if name not in names)


# the tool


def _tool(seen: Observed) -> Iterator[Finding]:
    if seen.closed:
        text = f"the gateway may not connect to socket {seen.place}, whose mode is {seen.closed}"
        yield _error(text, shlex.join(["chmod", "a+w", seen.place]))
    if not seen.probe.answers:
        yield _silent(seen)
    elif seen.page and seen.page.works:
        yield from _working(seen)
    elif seen.wanted and seen.wanted.oversized:
        text = f"the head of its answer to {seen.wanted.path} has {seen.wanted.oversized}"
        yield _too_long(seen, text, seen.wanted.path)
    elif seen.page:
        yield from _broken(seen)


def _too_long(seen: Observed, text: str, path: str) -> Finding:
    """That the gateway does not pass an answer on, as its head is too long."""
    limit = f"the gateway passes on {probing.PASSED_HEAD_BYTES:,}, and visitors get 502"
    return _error(f"{text}: {limit}; {_SHORTER}", _curl(seen, path))


def _stranger(seen: Observed, working: bool) -> Finding | None:
    """That the port is somebody else's, if it is."""
    quarantined = seen.link.get("quarantined")
    if quarantined:
        port = _free_port(seen)
        return _error(
            f"{seen.place} belongs to {quarantined}, not to {seen.user}: the gateway keeps the link in quarantine until"
            " that ends",
            _moved_to(seen, port),
        )
    owner = seen.probe.user
    if owner in ("", seen.user, seen.account) or seen.link.get("socket"):
        return None
    # root's may be the user's own container
    expected = seen.looks == seen.link["kind"] or seen.link["kind"] in ANY_TOOL
    if owner == "root" and (working or (seen.probe.answers and expected)):
        return None
    severity = _warning if working else _error
    port = _free_port(seen)
    return severity(
        f"{seen.place} belongs to {owner}, not to {seen.user}: what visitors see is {owner}'s",
        _moved_to(seen, port),
    )


def _silent(seen: Observed) -> Finding:
    """Why nothing answers."""
    probe, link, start = seen.probe, seen.link, _start(seen)
    if probe.problem == probing.NO_ADDRESS:
        return _error(f"host '{link['host']}' has no address", _edit(seen, host="ADDRESS"))
    if probe.problem == probing.TLS:
        return _speaks_tls(seen)
    if probe.problem == probing.PLAIN:
        return _error(f"{_who(seen)} speaks no TLS on {seen.place}; the link says https", _edit(seen, scheme=HTTP))
    if probe.problem.startswith(probing.UNTRUSTED):
        text = f"{_who(seen)} answers on {seen.place}, but {probe.problem}; have the administrator add its authority to"
        return _error(f"{text} gateway_backend_ca, or go without", _edit(seen, verify=False))
    if probe.listening is False:
        return _nobody(seen)
    if probe.listening and probe.problem.startswith(probing.LATE):
        text = f"{_who(seen)} listens on {seen.place}, but is busy or hangs: {probe.problem}; its log should say why"
        return _error(text, _curl(seen, seen.base + "/" if link["prefix"] == KEEP else "/"))
    if seen.here and probe.problem == probing.REFUSED:
        home = seen.base.removesuffix(seen.name) or "/"
        where = f"{seen.answer['site']['url'].rstrip('/')}{home}-/status/{seen.name}"
        return _warning(
            f"{_who(seen)} listens on {seen.place}, but a firewall keeps you away; ask the gateway whether it gets through",
            shlex.join(["curl", "-u", seen.user, where]),
        )
    if probe.problem == probing.REFUSED:
        return _error(f"nothing listens on {seen.place}, or only for {link['host']} itself; start it there", start)
    if not probe.listening:
        return _error(
            f"{seen.place} cannot be reached from the gateway ({probe.problem}); see whether it listens",
            shlex.join(["ssh", link["host"], "ss", "-ltn", "sport", "=", f":{link['port']}"]),
        )
    if probe.problem == probing.NO_END:
        text = f"{_who(seen)} answers on {seen.place}, but {probe.problem}"
        return _too_long(seen, text, seen.base + "/" if link["prefix"] == KEEP else "/")
    return _error(f"{_who(seen)} listens on {seen.place}, but {probe.problem}", start)


def _speaks_tls(seen: Observed) -> Finding:
    """The link says http, and should not."""
    text = f"{_who(seen)} speaks TLS (https) on {seen.place}; the gateway speaks plain http with it"
    if seen.link.get("socket"):
        return _error(text, _start(seen))
    if seen.secure and seen.secure.answers:
        return _error(text, _edit(seen, scheme=HTTPS))
    why = (
        seen.secure.problem if seen.secure else "a certificate is verified for a host name, and the link has an address"
    )
    return _error(f"{text}, and would not trust it: {why}", _edit(seen, scheme=HTTPS, verify=False))


def _nobody(seen: Observed) -> Finding:
    """Nothing listens where the link leads to: perhaps it does nearby."""
    link = seen.link
    friends = ("root", seen.user, seen.account)
    nearby = next(
        (one for one in seen.known if one.port and one.port == link.get("port") and one.user in friends), None
    )
    if nearby:
        whose = f"'{_short(nearby.command)}'" if nearby.command else f"a process of {nearby.user}"
        host = "::1" if nearby.address == "::" else nearby.address
        text = f"{whose} listens on address {nearby.address}, port {nearby.port}, but the link leads to {seen.place}"
        return _error(text, _start(seen) if _refused(seen, host=host) else _edit(seen, host=host))
    moved = _moved(seen)
    if moved:
        text = f"nothing listens on {seen.place}, but '{_short(moved.command)}' listens on port {moved.port}"
        return _error(text, _edit(seen, port=moved.port))
    return _error(f"nothing listens on {seen.place}", _start(seen))


def _moved(seen: Observed) -> Listener | None:
    """What was started for this link, but on a port that no link names: some tools take the next if theirs is busy."""
    named = {link.get("port") for link in seen.answer["links"]}
    # without a prefix nothing tells which link a program was started for
    for one in seen.known if seen.base else ():
        if one.port and one.port not in named and any(word.endswith(seen.base) for word in one.command.split(" ")):
            reached = one.address in (seen.link.get("host"), "0.0.0.0", "::")  # noqa: S104
            if reached and not _refused(seen, port=one.port):
                return one
    return None


def _working(seen: Observed) -> Iterator[Finding]:
    page, kind = seen.page, seen.kind
    if page is None:
        return
    if kind != seen.link["kind"] and seen.link["kind"] not in ANY_TOOL:
        yield _warning(f"the page is {kind}'s, but the link's kind is {seen.link['kind']}", _rename(seen, page.mode))
    yield from _usable(seen, page)


def _usable(seen: Observed, page: Page) -> Iterator[Finding]:
    """Whether the page of a tool, which has all its parts, can be worked with."""
    if _asks_for_password(page) and "Token authentication is enabled" in page.body:
        yield _error("jupyter asks for its token, which would displace the gateway's login", _start(seen))
    if page.strays:
        text = f"the page loads, but a form, an image or a setting of it leads to {page.strays[0]}, outside of the link"
        what = f"base path {seen.base}" if seen.base else f"own address {'://'.join(seen.site)}/"
        yield _warning(f"{text}: tell the tool its {what}", _curl(seen, page.path))
    if seen.socket and seen.socket.status != 101:
        how = seen.socket.status or seen.socket.problem
        text = f"the page loads, but its websocket {seen.socket_path} is refused ({how})"
        refuses = f"; it has to accept pages of {seen.site[1]}" if seen.socket.status == 403 else ""
        yield _error(text + refuses, _start(seen))


def _asked_in_vain(seen: Observed) -> Iterator[Finding]:
    """What visitors' browsers have asked the link for and not got, within the last hour."""
    log = f"vizgate log {seen.name}"
    found = _counted((_vain(line), line) for line in seen.requests)
    for (what, path, page), times in list(found.items())[-3:]:
        asker = f", which {_cut(page)} asked for," if page else ""
        text = f"in the last hour visitors got {what} for {_cut(path)}{asker} {times}"
        if what == _OVERSIZED:
            yield _warning(text, f"{_SHORTER}; {log}")
        else:
            yield _warning(text, log)
    found = _counted((str(line["problem"]).partition(" unmarked")[0], line) for line in seen.concerning)
    for (what, path, _page), times in list(found.items())[-3:]:
        if what == "outside" and not seen.base:
            continue  # was before the link got a host of its own, on which nothing is outside
        if what == "outside":
            text = f"in the last hour pages of the link looked for {_cut(path)}, outside of the link, {times}"
            yield _warning(f"{text}: tell the tool its base path {seen.base}", _start_below(seen))
        else:
            text = f"in the last hour browsers that send no password with a websocket, as Safari, got 401 for {_cut(path)} {times}"
            yield _warning(
                text, "use another browser, or ask the administrator for a sign-in service (gateway_auth: forward)"
            )


def _vain(line: Mapping[str, Any]) -> str:
    """What a visitor got in vain, or "" where that is no news."""
    status = line["status"]
    # a tool that was not running then is no news; one that has taken the connection has answered something
    if status in (502, 504) and not re.fullmatch(r"[0-9.]+", str(line.get("connect_seconds", ""))):
        return ""
    if line.get("problem") == "oversized":
        return _OVERSIZED
    # of 499 the visitor has gone; browsers follow no redirect for a websocket, and take no page for one
    if line.get("upgrade"):
        return "" if status in (0, 101, 499) else f"{status} instead of a websocket"
    return str(status) if status in (403, 404, 502) else ""


def _counted(lines: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[tuple[str, str, str], str]:
    """How often something happened to an address, asked for by a page, in the last hour: "2 times"; trifles are left out."""
    from ..logs import access_log

    counts: dict[tuple[str, str, str], int] = {}
    for what, line in lines:
        path = str(line["path"])
        if what and not _TRIFLES.search(path) and access_log.seconds(line["time"]) >= time.time() - ASKED_SECONDS:
            key = what, path, str(line.get("referer", ""))
            counts[key] = counts.get(key, 0) + 1
    return {key: f"{times} time{'s' if times > 1 else ''}" for key, times in counts.items()}


def _rename(seen: Observed, mode: str) -> str:
    """How to give the link the right kind, and the prefix mode with it where that does not follow."""
    link = seen.link
    if mode != KINDS[seen.kind].prefix or link["prefix"] != KINDS[link["kind"]].prefix:
        return _edit(seen, kind=seen.kind, prefix=mode)
    return _edit(seen, kind=seen.kind)


def _broken(seen: Observed) -> Iterator[Finding]:
    """Something answers, but there is no page that works."""
    if seen.page and seen.page.is_late:
        text = f"{_who(seen)} answers, but its page is slow: {seen.page.problem} at {seen.page.path}, and visitors wait as long"
        yield _warning(text, _curl(seen, seen.page.path))
    page, other = seen.wanted, seen.unwanted
    if page is None or (other is None and page.mode != HOST):
        return
    tool = without_base_path(page.body) or without_base_path(other.body if other else "")
    if tool and other:
        yield _needs_host_name(seen, tool)
        return
    if seen.kind != seen.link["kind"]:
        yield _error(f"the page is {seen.kind}'s, but the link's kind is {seen.link['kind']}", _rename(seen, page.mode))
        if page.works:
            yield from _usable(seen, page)
            return
    if page.status == 0:
        yield _error(f"asked for {page.path}, {_who(seen)} fails: {page.problem}", _curl(seen, page.path))
    elif page.away:
        site = "://".join(seen.site)
        yield _error(
            f"the page sends visitors to {page.away}, which is not below {site}{seen.base}/", _curl(seen, page.path)
        )
    elif not page.is_there or page.outside or page.missing:
        yield from _prefix(seen, page, other) if other else _at_root(seen, page)
    for found in filter(None, (page, other)):
        refusal = _refusal(seen, found)
        if refusal:
            yield _error(refusal, _start(seen) if seen.kind not in ANY_TOOL else _curl(seen, found.path))
    if page.is_there and page.status >= 400 and not _refusal(seen, page):
        yield _error(f"it answers {page.status} at {page.path}; its log should say why", _curl(seen, page.path))


def _refusal(seen: Observed, page: Page) -> str:
    """That the tool does not let the gateway's visitors in, or ""."""
    if page.host_refused:
        return f"it refuses requests for {seen.site[1]} ({page.status}), and would take them for localhost"
    if page.status in (401, 403):
        return f"it asks for a login of its own ({page.status}), which the gateway does not pass on"
    return ""


def _needs_host_name(seen: Observed, tool: str) -> Finding:
    """That a tool without a base path works at a host name of its own alone, and how the link gets one."""
    text = f"{tool} has no option for a base path, so it does not work below {seen.base}/"
    if not _has_hosts(seen):
        return _error(f"{text}; {NO_BASE_PATH_HELP}", _tunnel(seen))
    name = re.sub("[._]", "-", seen.name)
    new = {} if name == seen.name else {"name": name}
    return _error(f"{text}; give the link a host name of its own", _edit(seen, **new, prefix=HOST))


def _has_hosts(seen: Observed) -> bool:
    """Whether links can have host names of their own here."""
    return seen.policy.url_style == SUBDOMAIN


def _at_root(seen: Observed, page: Page) -> Iterator[Finding]:
    """The page of a link with a host name of its own, or what belongs to it, is not there."""
    symptom = _symptom(page, None)
    if page.outside:
        yield _error(f"{symptom}: tell the tool its own address {'://'.join(seen.site)}/", _curl(seen, page.path))
    elif page.missing or page.status >= 500:
        yield _error(symptom, _curl(seen, page.path))
    else:
        text = (
            f"{symptom}: as the link has a host name of its own, the tool's addresses begin at /, without a base path"
        )
        yield _error(text, _start(seen) if seen.kind not in ANY_TOOL else _curl(seen, page.path))


def _tunnel(seen: Observed) -> str:
    """How one person reaches the tool without the gateway."""
    host = seen.site[1].rpartition("]")[2].partition(":")[0] if not seen.site[1].startswith("[") else seen.site[1]
    place = seen.link.get("socket") or f"{seen.link['host']}:{seen.link['port']}"
    return shlex.join(["ssh", "-L", f"8080:{place}", host])


def _curl(seen: Observed, path: str) -> str:
    """How to see the tool's own answer to a request for `path`."""
    words = ["curl", "-i", "-H", f"Host: {seen.site[1]}"]
    if seen.link.get("socket"):
        words += ["--unix-socket", seen.place, f"http://localhost{path}"]
    else:
        insecure = [] if seen.link.get("verify", True) else ["-k"]
        words += [*insecure, f"{'' if '://' in seen.place else 'http://'}{seen.place}{path}"]
    return shlex.join(words)


def _prefix(seen: Observed, page: Page, other: Page) -> Iterator[Finding]:
    """The page, or what belongs to it, is not where the link's prefix mode looks for it."""
    keeps = KINDS[seen.kind].prefix == KEEP
    if keeps and page.mode == STRIP:
        text = f"{seen.kind} has to see {seen.base}/ in its addresses, which the link strips"
        yield _error(text, _edit(seen, prefix=KEEP))
        page, other = other, page
        if page.works:
            return
    symptom = _symptom(page, other)
    if (page.missing and not page.outside and not other.works) or (page.status >= 500 and not other.is_there):
        yield _error(symptom, _curl(seen, page.path))
    elif seen.kind in ANY_TOOL and page.status == 404 and not other.is_there:
        yield _warning(f"{symptom}: perhaps it has no front page", _curl(seen, page.path))
    elif keeps:
        tool = "the app" if seen.kind in ANY_TOOL else seen.kind
        yield _error(f"{symptom}: {tool} was not started for {seen.base}", _start(seen))
    elif other.works or (other.is_there and not page.is_there):
        yield _error(f"{symptom}: the tool's addresses begin at {other.path}", _edit(seen, prefix=other.mode))
    elif page.outside and page.mode == STRIP:
        others = f"; for one that has none, {_edit(seen, prefix=HOST)}" if _has_hosts(seen) else ""
        text = f"{symptom}: tell the tool its base path {seen.base} (most have a flag for that{others}), and then"
        yield _error(text, _edit(seen, prefix=KEEP))
    else:
        yield _error(symptom, _curl(seen, page.path))


def _symptom(page: Page, other: Page | None) -> str:
    if page.loops:
        return f"{page.path} redirects in a circle"
    if page.outside:
        return f"the page loads, but looks for {page.outside[0].partition('?')[0]} outside of the link"
    if page.missing:
        return f"the page loads, but {page.missing[0].partition('?')[0]} does not"
    elsewhere = f" and {_result(other)} at {other.path}" if other else ""
    return f"it answers {page.status} at {page.path}{elsewhere}"


def _result(page: Page) -> str:
    return "a circle of redirects" if page.loops else str(page.status or page.problem)
