# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser behind the gateway, as far as the tool can tell: redirects, scripts, forms, websockets."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from typing import Any

from ..model.kinds import KEEP
from ..net.bounded import Place
from ..net.http_client import HEAD_BYTES, NO_END, PASSED_HEAD_BYTES, Reply, ask, gateway_headers, security_of, split_url
from .advice import cut
from .fingerprints import websocket_protocol
from .observation import Page, origin

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


class Browser:
    """A browser behind the gateway, as far as the tool can tell."""

    def __init__(self, place: Place, site: Mapping[str, Any], link: Mapping[str, Any]) -> None:
        self.place, self.site_url = place, origin(site, link)
        self.security = security_of(link, site)
        self.scheme, self.host = split_url(self.site_url)
        self.site = f"{self.scheme}://{self.host}"
        self.base = str(link["url"]).rstrip("/")
        self.target = str(link["target"]).removeprefix("https://")
        self.deadline = time.monotonic() + SECONDS

    def backend_path(self, mode: str, path: str) -> str:
        """What the gateway asks the tool for when the browser asks for `path`, which is below the link."""
        return path if mode == KEEP else path[len(self.base) :]

    def ask(self, path: str, headers: Mapping[str, str] | None = None, body_bytes: int = 0) -> Reply:
        seconds = min(PAGE_SECONDS, self.deadline - time.monotonic())
        sent = {**gateway_headers(self.site_url, self.base + "/"), **(headers or {})}
        return ask(self.place, path, sent, body_bytes=body_bytes, seconds=seconds, security=self.security)

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
                return dataclasses.replace(page, away=cut(reply.headers["location"]))
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
            outside=tuple(map(cut, outside)),
            missing=tuple(map(cut, missing)),
            strays=tuple(map(cut, strays)),
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
        protocol = websocket_protocol(page.detected_kind, page.body)
        if protocol:
            headers["Sec-WebSocket-Protocol"] = protocol
        return self.ask(path, headers)


def _oversized(reply: Reply) -> str:
    """How long the head of an answer is, if that is too long for the gateway, and most of what."""
    if reply.problem == NO_END:
        return f"more than {HEAD_BYTES:,} bytes"
    if reply.head_bytes <= PASSED_HEAD_BYTES:
        return ""
    longest = max(reply.headers, key=lambda name: len(reply.headers[name]))
    # a header that came more than once has as many lines
    return f"{reply.head_bytes:,} bytes, {len(reply.headers[longest]):,} of them in {cut(longest.title(), 40)}"


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
