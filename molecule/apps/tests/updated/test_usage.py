"""Alice's usage page, after a hundred requests a second."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _made(host):
    host.check_output("systemctl start vizgate-usage.service")


def test_page_tells_of_the_links(visitor):
    page = visitor("alice").get("/alice/_usage/")
    assert page.status_code == 200
    assert '"flasktasks"' in page.text
    assert '"survey"' in page.text
    assert "bob" not in page.text


def test_page_opens_with_the_users_login_alone(visitor):
    assert visitor("bob").get("/alice/_usage/").status_code == 401
    assert visitor("bob").get("/bob/_usage/").status_code == 200
    assert visitor("carol").get("/carol/_usage").status_code == 404


def test_page_has_no_origin(visitor):
    policy = visitor("alice").get("/alice/_usage/").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")


def test_nobody_else_reads_what_it_is_made_from(host, run):
    assert "vizgate-usage" in host.check_output("stat -c %U /var/lib/vizgate-usage/lines/alice.jsonl")
    assert run("bob", "cat /var/lib/vizgate-usage/lines/alice.jsonl")[0] != 0
    assert run("bob", "ls /var/lib/vizgate-usage")[0] != 0
