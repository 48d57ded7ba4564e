# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins: which passwords and hashes are accepted, and that no message shows them."""

from __future__ import annotations

import ctypes
from typing import Any

import hypothesis
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Login
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user, password_problem
from ansible_collections.vizgate.gateway.tests.unit.core.model.declared import FORM, problems
from ansible_collections.vizgate.gateway.tests.unit.support import HASH
from hypothesis import strategies

_LIBCRYPT = ctypes.CDLL("libcrypt.so.1")
_LIBCRYPT.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
_LIBCRYPT.crypt.restype = ctypes.c_char_p


def checkable(password_hash: str) -> bool:
    """Whether the C library, which nginx asks, can compare a password with the hash."""
    answer = _LIBCRYPT.crypt(b"password", password_hash.encode())
    return answer is not None and not answer.startswith(b"*")


B64 = "abcdefghijklmnopqrstuvwxyz./ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@pytest.mark.parametrize(
    "password_hash",
    [
        HASH,
        "$2a$10$" + "a" * 53,
        "$2b$12$" + B64[:53],
        "$2y$04$" + "." * 53,
        "$y$j9T$" + "a" * 21 + "/$" + "b" * 43,
        "$6$" + "a" * 16 + "$" + "b" * 86,
        "$6$rounds=5000$" + "a" * 16 + "$" + "b" * 86,
        "$5$abc$" + "b" * 43,
        "$5$rounds=99999$abc$" + "b" * 43,
    ],
)
def test_hashes(password_hash: str) -> None:
    assert problems(login={"password_hash": password_hash}) == []
    assert checkable(password_hash)


@pytest.mark.parametrize(
    "password_hash",
    [
        "",
        "secret",
        # what nginx would take, and nobody should
        "{PLAIN}secret",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SSHA}0EtKqnHrOYgHbNdNNLWPIeLtZFdkYWJj",
        "$apr1$abcdefgh$abcdefghijklmnopqrstuv",
        "$1$abcdefgh$abcdefghijklmnopqrstuv",
        "rqXexS6ZhobKA",
        # bcrypt, nearly
        "$2x$10$" + "a" * 53,
        "$2$10$" + "a" * 53,
        "$2y$10$" + "a" * 52,
        "$2y$10$" + "a" * 54,
        "$2y$03$" + "a" * 53,
        "$2y$16$" + "a" * 53,
        "$2y$31$" + "a" * 53,
        "$2y$1$" + "a" * 53,
        HASH + "\n",
        HASH + ":x",
        "\n" + HASH,
        HASH[:-1] + "ä",
        HASH + "\nmallory:" + HASH,
        # the others, nearly
        "$6$" + "a" * 17 + "$" + "b" * 86,
        "$6$abc$" + "b" * 85,
        "$6$rounds=1$abc$" + "b" * 86,
        "$5$abc$" + "b" * 86,
        "$y$j9T$" + "a" * 22 + "$" + "b" * 42,
        "*",
        "!",
        12345,
        True,
        ["x"],
    ],
)
def test_hashes_that_are_refused(password_hash: object) -> None:
    assert problems(login={"password_hash": password_hash}) == [
        "login 'alice': password_hash is no bcrypt, yescrypt or SHA-crypt hash; make one with 'htpasswd -nBC 10 NAME'"
    ]


@pytest.mark.parametrize(
    "password_hash",
    [
        # libcrypt knows no such parameters, so every login of that user would answer 503
        "$6$rounds=0999$abc$" + "b" * 86,
        "$5$rounds=0001$abc$" + "b" * 43,
        "$y$zzzz$abc$" + "b" * 43,
        # minutes of work or gigabytes for one check, in the one process that checks everybody's passwords
        "$y$jDT$abc$" + "b" * 43,
        "$y$jHT$abc$" + "b" * 43,
        "$y$j9z$abcd$" + "b" * 43,
        "$2y$15$" + "a" * 53,
    ],
)
def test_hashes_that_would_stop_the_password_checker_are_refused(password_hash: str) -> None:
    assert len(problems(login={"password_hash": password_hash})) == 1


@hypothesis.given(
    strategies.sampled_from(["$2y$04$", "$y$j9T$", "$y$j1T$", "$6$", "$6$rounds=1000$", "$5$", "$5$rounds=1234$"]),
    strategies.text("./azAZ0189", max_size=24),
    strategies.sampled_from(["", "$"]),
    strategies.sampled_from([31, 43, 53, 86]),
)
@hypothesis.example("$y$j9T$", "a" * 22, "$", 43)
def test_every_accepted_hash_can_be_checked(start: str, salt: str, between: str, size: int) -> None:
    password_hash = start + salt + between + "b" * size
    hypothesis.event("accepted" if problems(login={"password_hash": password_hash}) == [] else "refused")
    assert problems(login={"password_hash": password_hash}) or checkable(password_hash)


@pytest.mark.parametrize("password", ["x", "p w", "ü" * 36, "a" * 72, "a:b#c$d\"e'f\\", "\u202e"])
def test_passwords(password: str) -> None:
    assert problems(login={"password": password}) == []


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("a" * 73, "the password has 73 bytes; bcrypt takes 72 at most"),
        ("ü" * 37, "the password has 74 bytes; bcrypt takes 72 at most"),
        ("", "the password is not a text; quote it"),
        (12345, "the password is not a text; quote it"),
        (True, "the password is not a text; quote it"),
        (["secret"], "the password is not a text; quote it"),
        ("se\ncret", "the password holds a control character"),
        ("secret\n", "the password holds a control character"),
        ("se\0cret", "the password holds a control character"),
        ("se\x7fcret", "the password holds a control character"),
        ("\t", "the password holds a control character"),
        ("a\ud800", "the password is not valid Unicode"),
    ],
)
def test_passwords_that_are_refused(password: object, text: str) -> None:
    assert problems(login={"password": password}) == [f"login 'alice': {text}"]
    assert password_problem(password) == text


@pytest.mark.parametrize(
    ("login", "texts"),
    [
        ({}, ["login: it has no name", "login 'None': give either password or password_hash"]),
        ({"name": "alice"}, ["login 'alice': give either password or password_hash"]),
        (
            {"name": "alice", "password": "x", "password_hash": HASH},
            ["login 'alice': give either password or password_hash"],
        ),
        ({"name": "a:b", "password": "x"}, [f"login 'a:b': the name is not of the form {FORM['login']}"]),
        (
            {"name": "alice", "pasword": "x", "password_hash": HASH},
            ["login 'alice': unknown key 'pasword'; did you mean 'password'?"],
        ),
        (
            {"name": "alice", "hash": "x", "password_hash": HASH},
            ["login 'alice': unknown key 'hash'; known keys: name, password_hash, password"],
        ),
    ],
)
def test_logins_that_are_refused(login: dict[str, Any], texts: list[str]) -> None:
    assert [problem.text for problem in parse_user({"logins": [login]})[1]] == texts


@pytest.mark.parametrize("login", [{"password": "geheim\n"}, {"password": "geheim" * 20}, {"password_hash": "geheim"}])
def test_no_message_shows_a_secret(login: dict[str, Any]) -> None:
    assert "geheim" not in "".join(problems(login=login))


def test_neither_a_login_nor_its_repr_shows_a_secret() -> None:
    assert repr(Login("alice", "$2y$x", "geheim")) == "Login(name='alice')"
