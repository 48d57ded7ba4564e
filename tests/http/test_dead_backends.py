"""A backend that is away costs its own link alone, and its page says what to do."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from backends import Handler, Request, black_hole
from conftest import Backends
from rig import ALICE, BOB, Answer, Rig, basic, eventually, resolving


def assert_is_page(answer: Answer, status: int, *says: str) -> None:
    """One of the gateway's own error pages: plain about what happened, kept by no cache, complete."""
    assert (answer.status, answer.all("Content-Type")) == (status, ["text/html; charset=utf-8"])
    assert answer.all("Cache-Control") == ["no-store"]
    assert f"<title>{status} · vizgate</title>" in answer.text
    assert answer.text.count("<h1>") == 1
    assert "<!--#" not in answer.text
    assert "(none)" not in answer.text
    for text in says:
        assert text in answer.text


@pytest.fixture
def hole() -> Iterator[int]:
    """A port that takes connections in but never answers them."""
    with black_hole() as port:
        yield port


@pytest.fixture
def rude() -> Iterator[int]:
    """A port that hangs up on everybody."""

    def hang_up() -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hang_up, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_a_backend_that_does_not_run(gate: Rig, backends: Backends) -> None:
    answer = gate.get("/alice/dead/some/page", ALICE)
    assert_is_page(answer, 502, "dead is not running", f"127.0.0.1:{backends.dead}", "Start the program")
    assert 'href="/alice/"' in answer.text


def test_a_backend_that_hangs_up(gate: Rig, rude: int) -> None:
    gate.declare("alice", [Link("rude", rude)])
    assert_is_page(gate.get("/alice/rude/", ALICE), 502, "rude is not running", f"127.0.0.1:{rude}")


def test_a_host_without_an_address(gate: Rig, backends: Backends) -> None:
    with resolving({"nohost": []}):
        outcome = gate.declare("alice", [Link("lost", 9999, host="nohost"), Link("t", backends.alice.port)])
    assert (outcome.changed, outcome.reload) == (True, False)
    assert_is_page(gate.get("/alice/lost/", ALICE), 502, "lost is not running", "has no address")
    assert gate.get("/alice/-/status/lost", ALICE).json()["answers"] is False
    gate.restart()
    assert gate.get("/alice/lost/", ALICE).status == 502
    assert gate.get("/alice/t/", ALICE).backend == "alice's"


def test_a_machine_that_swallows_everything(gate: Rig, backends: Backends, hole: int) -> None:
    """One connect timeout, for who asked; all others are served meanwhile."""
    gate.declare("alice", [Link("hole", hole)])
    started = time.monotonic()
    clients = [gate.send("/alice/hole/", basic(ALICE)) for _ in range(20)]
    gate.settle()
    for path, login in (("/alice/echo/", ALICE), ("/bob/echo/", BOB)):
        assert [gate.get(path, login).status for _ in range(10)] == [200] * 10
    answered = select.select([client.sock for client in clients], [], [], 0)[0]
    assert not answered, "bystanders were to be served while the others wait"
    status = gate.get("/alice/-/status/hole", ALICE)
    assert (status.json()["answers"], status.seconds < 30) == (False, True)
    for client in clients:
        response = client.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read(), 0)
        client.close()
        assert_is_page(answer, 504, "hole takes too long", f"127.0.0.1:{hole}", "If the program hangs, restart it")
    assert 4 < time.monotonic() - started < 60, "twenty in turn take 5 s each"


def test_other_pages_say_what_to_do(gate: Rig) -> None:
    assert_is_page(gate.get("/alice/"), 401, "Log in", "Ask the owner")
    assert_is_page(gate.get("/"), 404, "Page not found", "/user/link/")
    known = gate.get("/alice/nolink/", ALICE)
    assert_is_page(known, 404, "Page not found", "Check the spelling", 'href="/alice/"')
    for method in ("POST", "PUT", "DELETE"):
        assert_is_page(gate.get("/alice/nolink/", ALICE, method=method, body=b"x"), 404, "Page not found")


def test_a_backend_that_breaks_off(gate: Rig, backends: Backends) -> None:
    """Half an answer ends as half an answer, not as a whole one; the link works on."""

    def half(handler: Handler, _: Request) -> None:
        handler.start("text/plain", 1000)
        handler.wfile.write(b"x" * 500)
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)

    backends.alice.answers["half"] = half
    with pytest.raises(Exception, match="500 bytes read, 500 more expected"):
        gate.get("/alice/echo/half", ALICE)
    assert gate.get("/alice/echo/", ALICE).status == 200


def test_a_restarted_backend_is_found_again(gate: Rig, backends: Backends) -> None:
    """No back-off: the first request after a start is served, and a connection that was kept is not trusted blindly."""

    def leave(handler: Handler, request: Request) -> None:
        handler.echo(request)
        handler.close_connection = True

    backends.alice.answers["leave"] = leave
    assert [gate.get("/alice/echo/leave", ALICE).status for _ in range(30)] == [200] * 30


OUTSIDE = "is outside of its own address"


@pytest.mark.parametrize("wanted", ["/static/app.js", "/favicon.ico", "/bob/echo/", "/_nicegui/1.js", "/"])
@pytest.mark.parametrize("fetch", [True, False])
def test_a_tool_that_asks_outside_its_own_address_is_explained(gate: Rig, wanted: str, fetch: bool) -> None:
    """Whether there is a user of that name does not show; nor whether there is such a link."""
    kind = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "script", "Sec-Fetch-Mode": "no-cors"} if fetch else {}
    for link in ("echo", "nolink"):
        answer = gate.get(wanted, headers={"Referer": f"http://127.0.0.1:{gate.port}/alice/{link}/page?x=1", **kind})
        says = (f"<code>/alice/{link}/</code>", f"base path <code>/alice/{link}</code>", f"vizgate doctor {link}<")
        assert_is_page(answer, 403, *says, f"<code>{wanted}</code>", OUTSIDE, "came from another user's page")


def test_known_and_unknown_names_look_alike_on_it(gate: Rig) -> None:
    texts = set()
    for name in ("bob", "dud"):
        referer = f"http://127.0.0.1:{gate.port}/alice/echo/"
        for headers in ({"Referer": referer}, {"Referer": referer, "Upgrade-Insecure-Requests": "1"}):
            answer = gate.get(f"/{name}/x", headers=headers)
            texts.add((answer.status, answer.text.replace(name, "NAME")))
    assert [status for status, _ in sorted(texts)] == [401, 403]
    assert all(OUTSIDE in text for _, text in texts)


@pytest.mark.parametrize(
    "referer",
    [
        "http://evil.example/alice/echo/",
        "{own}.evil.example/alice/echo/",
        "{own}/alice/",
        "{own}/alice/echo",
        "{own}/-/index/",
        "{own}/alice/<b>/",
        "{own}/alice/echo&quot;/",
        "{own}/alice/" + "x" * 100 + "/",
        "",
    ],
)
def test_nothing_else_is_called_a_tool(gate: Rig, referer: str) -> None:
    headers = {"Referer": referer.format(own=f"http://127.0.0.1:{gate.port}"), "Upgrade-Insecure-Requests": "1"}
    assert_is_page(gate.get("/Static/app.js", headers=headers), 404, "Page not found")
    assert OUTSIDE not in gate.get("/Static/app.js", headers=headers).text


def test_no_page_shows_more_of_an_address_than_fits(gate: Rig) -> None:
    headers = {"Referer": f"http://127.0.0.1:{gate.port}/alice/echo/", "Upgrade-Insecure-Requests": "1"}
    answer = gate.get("/Static/" + "x" * 500 + "?secret", headers=headers)
    assert_is_page(answer, 404, f"<code>/Static/{'x' * 52}…</code>", OUTSIDE)
    assert "secret" not in answer.text


def test_what_belongs_to_the_page_is_not_outside(gate: Rig) -> None:
    for path in ("/alice/nolink", "/alice/nolink/", "/alice/nolink/x?/y"):
        answer = gate.get(path, ALICE, headers={"Referer": f"http://127.0.0.1:{gate.port}/alice/nolink/"})
        assert_is_page(answer, 404, "Page not found")
        assert OUTSIDE not in answer.text


def test_nobodys_log_has_a_page_that_a_referer_made_up(gate: Rig) -> None:
    log = gate.root / "var/log/nginx/vizgate.jsonl"
    headers = {"Referer": f"http://127.0.0.1:{gate.port}/alice/echo/"}
    gate.get("/made-up/by-referer", headers=headers)
    eventually(lambda: "by-referer" in log.read_text())
    (line,) = [json.loads(text) for text in log.read_text().splitlines() if "by-referer" in text]
    assert (line["user"], line["link"], line["login"]) == ("", "", "")


def head_of(size: int) -> str:
    """The path at which a backend answers with one header of so many bytes."""
    return "/alice/echo/long?" + urllib.parse.urlencode({"size": size})


@pytest.fixture
def long_heads(gate: Rig, backends: Backends) -> None:
    def answer(handler: Handler, request: Request) -> None:
        handler.send_response(200)
        handler.send_header("X-Long", "x" * int(request.target.rpartition("=")[2]))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    backends.alice.answers["long"] = answer


@pytest.mark.usefixtures("long_heads")
def test_a_long_head_of_a_backend_passes(gate: Rig) -> None:
    for size in (3000, 5000, 9000, 31000):
        assert gate.get(head_of(size), ALICE).status == 200


@pytest.mark.usefixtures("long_heads")
def test_a_head_that_is_too_long_is_called_so(gate: Rig) -> None:
    for size in (33000, 60000):
        answer = gate.get(head_of(size), ALICE)
        assert_is_page(answer, 502, "echo sends too long response headers", "32 kB", "Set-Cookie")
        assert "is not running" not in answer.text


@pytest.fixture
def broken() -> Iterator[int]:
    """A port where answers break off within their head."""

    def answer() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_an_answer_that_breaks_off_is_called_so(gate: Rig, broken: int) -> None:
    gate.declare("alice", [Link("half", broken)])
    answer = gate.get("/alice/half/", ALICE)
    assert_is_page(answer, 502, "half sends an invalid response", f"127.0.0.1:{broken}", "ends within the headers")


def test_long_addresses_and_headers_pass(gate: Rig, backends: Backends) -> None:
    for size in (7000, 9000, 31000):
        assert gate.get("/alice/echo/?" + "x" * size, ALICE).status == 200
        assert gate.get("/alice/echo/", ALICE, headers={"X-Long": "x" * size}).status == 200
    assert [len(seen.target) for seen in backends.alice.seen[::2]] == [7002, 9002, 31002]
    assert [len(seen.header("X-Long") or "") for seen in backends.alice.seen[1::2]] == [7000, 9000, 31000]


def test_what_is_too_long_gets_a_page(gate: Rig) -> None:
    assert_is_page(gate.get("/alice/echo/?" + "x" * 33000, ALICE), 414, "This address is too long", "32 kB")
    answer = gate.get("/alice/echo/", ALICE, headers={"Cookie": "x" * 33000})
    assert_is_page(answer, 431, "header of this request is too long", "cookies of this host", "32 kB")


def test_what_is_no_request_gets_a_page(gate: Rig) -> None:
    assert_is_page(gate.raw("/alice/echo/", ALICE, "Content-Length: none"), 400, "Bad request")
    claims = [f"X-Forwarded-{number}: x" for number in range(60)]
    assert_is_page(gate.raw("/alice/echo/", ALICE, *claims), 400, "Bad request", "fifty proxy headers")


def test_a_long_password_is_refused_like_any_other(gate: Rig) -> None:
    """The password checker reads the header as the gateway got it."""
    for size in (100, 9000, 20000):
        answer = gate.get("/alice/echo/", ("alice", "x" * size), source=gate.address())
        assert answer.status == 401


def test_no_body_is_too_long(gate: Rig, backends: Backends) -> None:
    """No answer 413: how much a page may take is for its backend to say."""
    body = bytes(3 << 20)
    assert gate.get("/alice/echo/", ALICE, method="PUT", body=body).json()["bytes"] == len(body)
