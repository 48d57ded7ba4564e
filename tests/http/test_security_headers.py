"""What browsers are told about pages, unless a tool says so itself; and that nobody is told about versions."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from conftest import Backends
from rig import ALICE, Answer, Rig

DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    "Permissions-Policy": "bluetooth=(), hid=(), midi=(), payment=(), serial=(), usb=()",
}
FRAMES = "Content-Security-Policy"


def asked(gate: Rig, *headers: str, status: int = 200) -> Answer:
    """An answer of a backend with these headers."""
    lines = "".join(f"&header={quote(header)}" for header in headers)
    return gate.get(f"/alice/echo/?status={status}{lines}", ALICE)


@pytest.mark.parametrize("status", [200, 304, 404, 500])
def test_a_backend_that_says_nothing(gate: Rig, status: int) -> None:
    answer = asked(gate, status=status)
    assert answer.status == status
    assert {name: answer.all(name) for name in DEFAULTS} == {name: [value] for name, value in DEFAULTS.items()}


@pytest.mark.parametrize(
    "line",
    [
        "Cross-Origin-Opener-Policy: unsafe-none",
        "Permissions-Policy: camera=()",
        "Content-Security-Policy: frame-ancestors *",
        "content-security-policy: default-src 'self'; FRAME-ANCESTORS https://wiki.example",
    ],
)
def test_a_backends_own_word_stands_alone(gate: Rig, line: str) -> None:
    name, _, value = line.partition(": ")
    answer = asked(gate, line)
    assert answer.all(name) == [value]
    for other in DEFAULTS:
        if other.lower() != name.lower():
            assert answer.all(other) == [DEFAULTS[other]]


def test_types_are_never_guessed(gate: Rig) -> None:
    answer = asked(gate, "X-Content-Type-Options: whatever", "X-Content-Type-Options: sniff")
    assert answer.all("X-Content-Type-Options") == ["nosniff"]


def test_a_policy_without_a_word_about_frames_gets_one(gate: Rig) -> None:
    answer = asked(gate, "Content-Security-Policy: default-src 'self'")
    assert sorted(answer.all(FRAMES)) == ["default-src 'self'", "frame-ancestors 'self'"]


@pytest.mark.parametrize("value", ["DENY", "SAMEORIGIN"])
def test_the_older_word_about_frames_is_not_weakened(gate: Rig, value: str) -> None:
    answer = asked(gate, f"X-Frame-Options: {value}")
    assert (answer.all("X-Frame-Options"), answer.all(FRAMES)) == ([value], [])


@pytest.mark.parametrize("path", ["/alice/", "/alice/nothing/", "/bob/", "/alice/dead/"])
def test_the_gateways_own_pages_load_nothing_from_elsewhere(gate: Rig, path: str) -> None:
    answer = gate.get(path, ALICE)
    (policy,) = answer.all(FRAMES)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["frame-ancestors"] == "'self'"
    assert rules.get("script-src", "'none'").startswith(("'none'", "'sha256-"))
    assert answer.all("X-Content-Type-Options") == ["nosniff"]


def test_nobody_is_told_versions(gate: Rig, backends: Backends) -> None:
    answer = asked(gate, "X-Powered-By: Express 4.1")
    assert (answer.all("Server"), answer.all("X-Powered-By")) == (["nginx"], [])
    for path in ("/alice/", "/nothing", "/alice/dead/", "/-/control"):
        assert gate.get(path, ALICE).all("Server") == ["nginx"]
    with gate.dial() as client:
        client.sendall(b"NONSENSE\r\n\r\n")
        said = client.recv(65536).decode()
    assert "nginx" in said
    assert not re.search(r"nginx/|[0-9]+\.[0-9]+\.[0-9]+", said)
    assert backends.alice.seen
