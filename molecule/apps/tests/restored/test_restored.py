"""The dropped table is restored."""

from __future__ import annotations


def test_answers_are_there_again(host, visitor):
    before = int(host.file("/root/answers").content_string)
    assert before > 0
    assert visitor("alice").get("/alice/survey/healthz").json()["answers"] == before


def test_the_app_writes_on(visitor):
    alice = visitor("alice")
    before = alice.get("/alice/survey/healthz").json()["answers"]
    assert "maybe: " in alice.post("/alice/survey/answers", data={"text": "maybe"}).text
    assert alice.get("/alice/survey/healthz").json()["answers"] == before + 1
