"""A browser that is logged in to both users: what bob's page can do to alice's, in both url styles."""

from __future__ import annotations

import dataclasses
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import HOST
from playwright.sync_api import Browser, BrowserContext, Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))
from backends import Backend, WebsocketBackend
from rig import ALICE, BOB, Rig, eventually

PLAIN = {
    "fetch": "fetch(at)",
    "fetch that posts": "fetch(at, {method: 'POST', body: 'x'})",
    "beacon": "navigator.sendBeacon(at, 'x')",
    "events": "new EventSource(at)",
    "worker": "new Worker(at)",
    "service worker": "navigator.serviceWorker.register(at)",
    "picture": "add(`<img src=${at}>`)",
    "style": "add(`<link rel=stylesheet href=${at}>`)",
    "script": "document.body.append(Object.assign(document.createElement('script'), {src: at}))",
    "frame": "add(`<iframe src=${at}></iframe>`)",
    "object": "add(`<object data=${at}></object>`)",
    "embedded": "add(`<embed src=${at}>`)",
    "prefetch": "add(`<link rel=prefetch href=${at}>`)",
    "form": "add(`<form method=post target=_blank action=${at}></form>`), document.forms[0].submit()",
    "form in a frame": "add(`<iframe name=f></iframe><form method=post target=f action=${at}></form>`),"
    " document.forms[0].submit()",
}
"""Ways in which a page asks for the address `at`."""
HIDDEN = {
    "picture": "add(`<img referrerpolicy=no-referrer src=${at}>`)",
    "picture on a page that says nothing": "add(`<meta name=referrer content=no-referrer><img src=${at}>`)",
    "style": "add(`<link rel=stylesheet referrerpolicy=no-referrer href=${at}>`)",
    "frame": "add(`<iframe referrerpolicy=no-referrer src=${at}></iframe>`)",
    "prefetch": "add(`<link rel=prefetch referrerpolicy=no-referrer href=${at}>`)",
}
"""Ways in which it hides where it is; none needs a script."""
NOBODYS = {
    "form of a page that says nothing": "add(`<meta name=referrer content=no-referrer>"
    "<form method=post target=_blank action=${at}></form>`), document.forms[0].submit()",
    "fetch in a sandbox": "add(`<iframe sandbox=allow-scripts"
    ' srcdoc=\'<script>fetch("${at}", {mode: "no-cors"})</script>\'></iframe>`)',
    "picture in an address": "add(`<iframe src='data:text/html,<img src=${at}>'></iframe>`)",
}
"""Ways in which it has no origin that the gateway would know."""
SCRIPTED = {
    "fetch that hides its page": "fetch(at, {referrerPolicy: 'no-referrer'})",
    "fetch in another's name": "fetch(at, {referrer: alices})",
    "fetch of a page that moves its address": "history.pushState(null, '', alices), fetch(at)",
    "worker without an address": "new Worker(URL.createObjectURL(new Blob([`fetch('${at}')`])))",
}
"""What the guide says that path mode cannot tell from alice's own pages."""


@dataclasses.dataclass
class Site:
    """A gateway, its backends, and where users' pages are."""

    gate: Rig
    alice: Backend
    socket: WebsocketBackend
    style: str

    def page(self, user: str, link: str = "page", **query: str) -> str:
        """The address of a link's page; `header` and `body` say what its backend answers."""
        place = f"{user}.{HOST}:{self.gate.port}" if self.style == "subdomain" else f"{HOST}:{self.gate.port}/{user}"
        return f"http://{place}/{link}/" + (f"?{urllib.parse.urlencode(query)}" if query else "")


@pytest.fixture(scope="module", params=["path", "subdomain"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    backends, socket = (Backend("alice's"), Backend("bob's")), WebsocketBackend()
    users = {
        user: {
            "links": [{"name": "page", "port": backend.port}, {"name": "socket", "port": socket.port}],
            "logins": [{"name": user, "password": password}],
        }
        for (user, password), backend in zip((ALICE, BOB), backends, strict=True)
    }
    with Rig.temporary(
        users,
        gateway_url_style=request.param,
        gateway_public_url=f"http://{HOST}:{{{{ gateway_listen_port }}}}",
    ) as rig:
        rig.build()
        yield Site(rig, backends[0], socket, request.param)
    for backend in (*backends, socket):
        backend.close()


@pytest.fixture(scope="module")
def logged_in(chromium: Browser, site: Site) -> Iterator[BrowserContext]:
    """A browser that has logged in to alice's pages and to bob's."""
    context = chromium.new_context()
    page = context.new_page()
    for user, password in (ALICE, BOB):
        page.goto(site.page(user).replace("://", f"://{user}:{password}@"))
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(logged_in: BrowserContext, site: Site) -> Iterator[Page]:
    """A new page, at nobody's address yet."""
    made = logged_in.new_page()
    site.alice.seen.clear()
    yield made
    for opened in logged_in.pages:
        opened.close()
    logged_in.clear_cookies()


def run(page: Page, site: Site, script: str) -> object:
    """Runs JavaScript on the page; `at` is what it is to ask for, and `alices` an address of alice's."""
    return page.evaluate(
        """([script, at, alices]) => {
            const add = html => document.body.insertAdjacentHTML("beforeend", html);
            try {
                Promise.resolve(eval(script)).catch(() => 0);
            } catch (error) { return String(error); }
        }""",
        [script, site.page("alice") + "asked", site.page("alice")],
    )


def asked(site: Site) -> int:
    """How many requests for `at` have reached alice's backend."""
    return sum(request.target.startswith("/asked") for request in site.alice.seen)


HTML = {"header": "Content-Type: text/html", "body": "<!doctype html><body>a page"}
EVERYTHING = {
    f"{kind}: {name}": script
    for kind, scripts in (("plain", PLAIN), ("hidden", HIDDEN), ("nobody's", NOBODYS), ("scripted", SCRIPTED))
    for name, script in scripts.items()
}


@pytest.mark.parametrize("name", [name for name in EVERYTHING if not name.startswith("scripted")])
def test_bobs_page_gets_nothing_from_alice(site: Site, page: Page, name: str) -> None:
    page.goto(site.page("bob", **HTML))
    run(page, site, EVERYTHING[name])
    page.wait_for_timeout(400)
    assert asked(site) == 0


@pytest.mark.parametrize("name", EVERYTHING)
def test_her_own_page_gets_what_it_asks_for(site: Site, page: Page, name: str) -> None:
    """Unless nothing tells that the page is hers."""
    page.goto(site.page("alice", **HTML))
    run(page, site, EVERYTHING[name])
    kind = name.partition(":")[0]
    if kind == "nobody's" or (kind == "hidden" and site.style == "path"):
        page.wait_for_timeout(400)
        assert asked(site) == 0
    else:
        eventually(lambda: page.wait_for_timeout(20) or asked(site))


@pytest.mark.parametrize("name", SCRIPTED)
def test_scripts_are_kept_apart_by_host_names_alone(site: Site, page: Page, name: str) -> None:
    page.goto(site.page("bob", **HTML))
    run(page, site, SCRIPTED[name])
    if site.style == "path":
        eventually(lambda: page.wait_for_timeout(20) or asked(site))
    else:
        page.wait_for_timeout(400)
        assert asked(site) == 0


def test_a_link_from_bobs_page_leads_to_alices(site: Site, page: Page) -> None:
    page.goto(site.page("bob", header="Content-Type: text/html", body=f"<a href={site.page('alice')}asked>look"))
    page.click("a")
    eventually(lambda: page.wait_for_timeout(20) or asked(site) == 1)
    page.reload()
    assert asked(site) == 2


def test_a_window_is_open_to_others_in_path_mode_alone(site: Site, page: Page) -> None:
    """The guide says that, too."""
    page.goto(site.page("bob", **HTML))
    with page.expect_popup() as popup:
        page.evaluate("at => { window.opened = window.open(at) }", site.page("alice", **HTML))
    popup.value.wait_for_load_state()
    look = "() => { try { return opened.document.body.textContent } catch (error) { return error.name } }"
    assert page.evaluate(look) == ("a page" if site.style == "path" else "SecurityError")


SOCKET = """at => new Promise(tell => {
    const socket = new WebSocket(at);
    socket.onopen = () => tell("open");
    socket.onerror = () => tell("refused");
})"""


def test_websockets(site: Site, page: Page) -> None:
    """From bob's page in path mode one of alice's opens: nothing tells whose page it is but the origin. The guide says so."""
    at = site.page("alice", "socket").replace("http", "ws")
    page.goto(site.page("alice", **HTML))
    assert page.evaluate(SOCKET, at) == "open"
    page.goto(site.page("bob", **HTML))
    assert page.evaluate(SOCKET, at) == ("open" if site.style == "path" else "refused")
    page.goto(f"http://localhost:{site.gate.port}/")
    assert page.evaluate(SOCKET, at) == "refused"


def test_cookies(site: Site, page: Page) -> None:
    """Bob's page neither reads alice's cookies nor makes her backend believe in its own."""
    page.goto(site.page("alice", **{**HTML, "header": "Set-Cookie: session=secret; Path=/"}))
    page.goto(site.page("alice", **HTML))
    assert site.alice.seen[-1].header("Cookie") == "session=secret"
    assert page.evaluate("document.cookie") == ""
    page.goto(site.page("bob", **HTML))
    page.evaluate(
        """([path, host]) => {
            for (const where of [path, "/", path + "; domain=" + host])
                document.cookie = "session=planted; path=" + where;
            if (path.startsWith("/alice")) history.pushState(null, "", path);
        }""",
        [urllib.parse.urlsplit(site.page("alice")).path, HOST],
    )
    page.wait_for_timeout(200)
    assert "secret" not in str(page.evaluate("document.cookie"))
    assert "planted" in {cookie["value"] for cookie in page.context.cookies()}
    page.goto(site.page("alice", **HTML))
    assert site.alice.seen[-1].header("Cookie") == "session=secret"


def test_what_is_for_scripts(site: Site, page: Page) -> None:
    page.goto(site.page("alice", **{**HTML, "header": "Set-Cookie: _xsrf=token; Path=/"}))
    assert page.evaluate("document.cookie") == "_xsrf=token"
    page.goto(site.page("alice", **HTML))
    assert site.alice.seen[-1].header("Cookie") == "_xsrf=token"
