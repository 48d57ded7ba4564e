"""An app's own address is part of its release: when the site's URL style changes, the next run deploys it."""

from __future__ import annotations


def test_app_was_deployed_with_its_new_address(host, kept):
    said = kept("moved")
    assert [(step["action"], step["app"]) for step in said["plan"]] == [("update", "alice/a4")]
    assert said["answer"].partition("\n")[0] == "HTTP/1.0 200 OK"
    assert f"tiny of {host.user('alice').uid} at /a4/" in said["answer"]


def test_app_is_deployed_again_after_the_restore(host, visitor):
    page = visitor("alice").get("/alice/a4/")
    assert (page.status_code, page.text) == (200, f"tiny of {host.user('alice').uid} at /alice/a4/\n")
