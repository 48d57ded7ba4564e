"""Apps as visitors use them."""

from __future__ import annotations

import base64
import re
import uuid

import pytest
from conftest import TEN
from support import PORT
from websockets.sync.client import connect

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.parametrize("app", TEN)
def test_all_ten_answer_to_their_owners_login_alone(visitor, app):
    owner = app.split("/", maxsplit=1)[0]
    assert visitor(owner).get(f"/{app}/").status_code == 200
    other = "bob" if owner != "bob" else "alice"
    assert visitor(other).get(f"/{app}/").status_code == 401


def test_they_run_as_their_owners(host, visitor):
    for user in ("alice", "bob"):
        assert visitor(user).get(f"/{user}/flasktasks/about").json()["uid"] == host.user(user).uid
    assert visitor("alice").get("/alice/survey/healthz").json()["uid"] == host.user("alice").uid


def test_in_a_browser(browse):
    assert browse() == []


def test_conda_packages_are_those_of_the_channel(host, visitor):
    said = visitor("carol").get("/carol/c3/").text.splitlines()
    assert said == [f"tiny of {host.user('carol').uid} at /carol/c3/", "hello from a channel, itsdangerous"]
    env = "/home/carol/apps/c3/releases/1/env"
    assert host.file(f"{env}/conda-meta/greeting-1.0-0.json").user == "carol"
    # the program that creates environments is installed and belongs to root
    assert host.check_output("stat -c %U /usr/local/lib/vizgate/conda-*/bin/conda-environment") == "root"


def test_form_redirect_and_page(visitor):
    alice = visitor("alice")
    title = f"buy {uuid.uuid4()}"
    done = alice.post("/alice/flasktasks/tasks", data={"title": title})
    assert [answer.headers["Location"] for answer in done.history] == ["/alice/flasktasks/"]
    assert title in done.text
    assert title not in visitor("bob").get("/bob/flasktasks/").text


def test_static_file(visitor):
    alice = visitor("alice")
    path = re.search(r'href="(.*style\.css)"', alice.get("/alice/flasktasks/").text)[1]
    assert path == "/alice/flasktasks/static/style.css"
    assert "rebeccapurple" in alice.get(path).text


def test_upload_lands_in_the_shared_folder(host, visitor):
    answer = visitor("alice").post("/alice/flasktasks/images", files={"image": ("a.png", PICTURE)})
    assert answer.content == PICTURE
    name = answer.url.rsplit("/", 1)[1]
    file = host.file(f"/home/alice/apps/flasktasks/shared/uploads/{name}")
    assert file.user == "alice"


def test_address_restores_a_state(visitor):
    alice = visitor("alice")
    shared = alice.post("/alice/flasktasks/views", data={"model": "rain", "ratio": "3"}).url
    token = re.search(r"/alice/flasktasks/\?token=(.*)$", shared)[1]
    assert uuid.UUID(token).version == 4
    assert "model rain, ratio 3" in visitor("alice").get(f"/alice/flasktasks/?token={token}").text
    assert "rain" in alice.get("/alice/flasktasks/dashboard").text


def test_app_knows_its_own_address(visitor, address):
    assert visitor("alice").get("/alice/flasktasks/about").json()["url"] == f"http://{address}:{PORT}/alice/flasktasks/"


def test_asgi_form_and_redirect(visitor):
    done = visitor("alice").post("/alice/survey/answers", data={"text": "yes"})
    assert [answer.headers["Location"] for answer in done.history] == ["/alice/survey/"]
    assert "yes: " in done.text


@pytest.mark.parametrize(("path", "said", "answer"), [("flasktasks/echo", "hello", "hello"), ("survey/live", "?", "{")])
def test_websocket(address, path, said, answer):
    credential = base64.b64encode(b"alice:alice-secret").decode()

    headers = {"Authorization": f"Basic {credential}"}
    with connect(f"ws://{address}:{PORT}/alice/{path}", additional_headers=headers) as socket:
        socket.send(said)
        assert socket.recv(10).startswith(answer)
