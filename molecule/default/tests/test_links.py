"""Requests from outside: every declared link opens for its logins, and for nobody else."""

from __future__ import annotations

import base64
import socket

import pytest
from conftest import EVER, GONE_URLS, GONE_USERS, NOW
from support import PORT

BACKENDS = (9087, 9088, 9089)  # prepare.yml starts them
KEEP_PREFIX = ("visdom", "tensorboard")
LINKS = [
    pytest.param(user, link, login["name"], id=f"{user}/{link['name']} as {login['name']}")
    for user, data in sorted(NOW.items())
    for link in data["links"]
    for login in data["logins"]
]
USERS = sorted(NOW)


def works(link):
    return link["port"] in BACKENDS and link["host"] != "nowhere"


@pytest.mark.parametrize(("user", "link", "login"), LINKS)
def test_link_leads_to_its_backend_or_says_that_it_is_away(get, user, link, login):
    prefix = f"/{user}/{link['name']}"
    answer = get(prefix + "/a%2Fb/c?d=e%20f", login, Cookie="own=1; vizgate_session=2")
    if not works(link):
        assert answer.status == 502
        return
    assert answer.status == 200
    seen = answer.json()
    assert seen["port"] == link["port"]
    assert seen["path"] == (prefix if link["kind"] in KEEP_PREFIX else "") + "/a%2Fb/c?d=e%20f"
    assert "Authorization" not in seen["headers"]
    assert "Cookie" not in seen["headers"], "the link has set none"
    assert seen["headers"]["X-Forwarded-Prefix"] == prefix


@pytest.mark.parametrize("user", USERS)
def test_link_without_its_slash_leads_to_it(get, user):
    answer = get(f"/{user}/training", user)
    assert (answer.status, answer.headers["Location"]) == (302, f"/{user}/training/")


@pytest.mark.parametrize("user", USERS)
def test_websocket_passes(address, user):
    credential = base64.b64encode(f"{user}:{user}-secret".encode()).decode()
    request = (
        f"GET /{user}/training/socket HTTP/1.1\r\nHost: gate\r\nAuthorization: Basic {credential}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    with socket.create_connection((address, PORT), 20) as client, client.makefile("rb") as answer:
        client.sendall(request.encode())
        assert b" 101 " in answer.readline()
        while answer.readline().strip():
            pass
        client.sendall(b"ping\n")
        assert answer.readline() == b"ping\n"


@pytest.mark.parametrize("user", USERS)
def test_own_page_names_all_links_and_escapes_descriptions(get, user):
    answer = get(f"/{user}/", user)
    assert answer.status == 200
    page = answer.body.decode()
    assert all(f'href="/{user}/{link["name"]}/"' in page for link in NOW[user]["links"])
    assert "<report>" not in page


def like_stranger(answer, user):
    """The parts of a refusal that must not differ: without the date, and without the realm, which has the requested name."""
    headers = {key: value.replace(user, "USER") for key, value in answer.headers.items() if key != "Date"}
    return answer.status, headers, answer.body.replace(user.encode(), b"USER")


@pytest.mark.parametrize("user", USERS)
def test_refusals_are_401_and_tell_nobody_who_exists(get, user):
    other = {"alice": "bob"}.get(user, "alice")
    page = f"/{user}/training/"
    unknown = get("/nobody/training/", "nobody", "wrong")
    assert unknown.status == 401
    wrong_logins = [get(page, user, "wrong"), get(page, "nobody"), get(page, other)]
    for refused in [get(page), get(f"/{user}/"), get(f"/{user}/none/"), *wrong_logins]:
        assert like_stranger(refused, user) == like_stranger(unknown, "nobody")


@pytest.mark.parametrize("user", USERS)
def test_unknown_link_is_404_for_a_login(get, user):
    assert get(f"/{user}/none/", user).status == 404


def test_no_page_above_the_users(get):
    assert get("/").status == 404


@pytest.mark.parametrize(("user", "name"), GONE_URLS)
def test_url_that_is_not_declared_now_is_dead(get, user, name):
    assert get(f"/{user}/{name}/", user).status == (404 if user in NOW else 401)


@pytest.mark.parametrize("user", GONE_USERS)
def test_logins_that_are_not_declared_now_open_nothing(get, user):
    logins = {login["name"] for users in EVER if user in users for login in users[user]["logins"]}
    for login in logins:
        for page in [f"/{user}/", *(f"/{living}/training/" for living in NOW)]:
            assert get(page, login).status == 401
