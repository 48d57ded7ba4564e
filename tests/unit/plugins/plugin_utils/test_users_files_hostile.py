# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users files that are made to take long, to take memory, or to show what others have encrypted."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model import parse
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.app import App, parse_apps
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.plugin_utils import _yaml_lines
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import PROBLEMS, parse_files

SECRET = "the-secret-of-the-site"
SECONDS = 10.0
"""Of the processor, for a file of a mebibyte, which takes 0.4; what was attacked took from 20 seconds to for ever."""
APP = "apps:\n  - name: a\n    repo: https://git.example.org/a.git\n    entry: a:b\n"
MEBIBYTE = 2**20


def _filled(head: str, part: str, tail: str = "") -> str:
    return head + part * ((MEBIBYTE - len(head) - len(tail)) // len(part)) + tail


def _bomb(field: str, start: str, step: str) -> str:
    lines = [f"  - &a{n} {step.format(f'*a{n - 1}')}\n" for n in range(1, 30)]
    return f"x:\n  - &a0 {start}\n{''.join(lines)}{APP}    {field}: *a29\n"


HOSTILE = {
    "a decimal number": _filled("links: [{name: a, port: ", "9", "}]"),
    "a hexadecimal number": _filled("links: [{name: a, port: 0x", "f", "}]"),
    "an octal number": _filled("links: [{name: a, port: 0", "7", "}]"),
    "a binary number": _filled("links: [{name: a, port: 0b", "1", "}]"),
    "a sexagesimal number": _filled("links: [{name: a, port: 1", ":59", "}]"),
    "a sexagesimal fraction": _filled("links: [{name: a, port: 1", ":59", ".0}]"),
    "a fraction": _filled("links: [{name: a, port: 1.", "1", "}]"),
    "a number of underscores": _filled("links: [{name: a, port: 1", "_", "}]"),
    "a time": _filled("links: [{name: a, port: 2026-01-01 00:00:00.", "1", "}]"),
    "a time that is told so": _filled("links: [{name: a, port: !!timestamp '2026-01-01", " ", "'}]"),
    "binary data": _filled("links: [{name: a, port: !!binary ", "QUFB", "}]"),
    "a set": "links: !!set {a, b}",
    "pairs": "links: !!pairs [a: 1]",
    "a mapping in order": "links: !!omap [a: 1]",
    "an object": "links: !!python/object/apply:os.system [id]",
    "a repository": APP.replace("https://git.example.org/a.git", _filled('"a://', ":", '"')),
    "a repository of folders": APP.replace("https://git.example.org/a.git", _filled('"/', "a/", '"')),
    "unknown keys": "".join(f"key{n}: 1\n" for n in range(90_000)),
    "as many unknown keys as fit": "".join(f"key{n}: 1\n" for n in range(24_000)),
    "as many links as fit": "links: [" + "{a: 1}, " * 15_000 + "]",
    "unknown keys of a link": "links:\n  - name: a\n" + "".join(f"    pert{n}: 1\n" for n in range(70_000)),
    "links that are none": _filled("links:\n", "- a\n"),
    "links without anything": _filled("links:\n", "- {}\n"),
    "empty values": _filled("links:\n", "-\n"),
    "empty lists": _filled("links: [", "[],", "]"),
    "variables": APP + "    environment:\n" + "".join(f"      '{n}': 1\n" for n in range(60_000)),
    "vaulted values": _filled("logins:\n", "- {name: a, password: !vault x}\n"),
    "anchors": "x: [" + ", ".join(f"&a{n} {n}" for n in range(60_000)) + "]",
    "merge keys": "x: {" + ", ".join(f"k{n}: {n}" for n in range(9000)) + "}\ny: {<<: ["
    + ", ".join(f"{{k{n}: 1}}" for n in range(30_000)) + "]}",
    "aliases of a text": f"x: &a {'x' * 8000}\n{APP}    environment: {{"
    + ", ".join(f"V{n}: *a" for n in range(60_000)) + "}\n",
    "deep lists": _filled("links: ", "["),
    "deep mappings": _filled("links: ", "{a: "),
    "deep indentation": "".join("  " * n + "- \n" for n in range(700)),
    "a comment": _filled("links: [] #", "x"),
    "blanks": _filled("links:", " ", "[]"),
    "a text in quotes": _filled('links: "', "x", '"'),
    "escapes": _filled('links: "', "\\x41", '"'),
    "a tag": _filled("links: !", "x", " y"),
    "an anchor": _filled("links: &", "x", " y"),
    "a directive": _filled("%TAG ! ", "x", "\n---\n"),
    "documents": _filled("", "---\n"),
    "a bomb in an environment": _bomb("environment", "{A: b}", "{{A: [{0}, {0}, {0}]}}"),
    "a bomb in a variable": _bomb("environment", "[b]", "[{0}, {0}, {0}]"),
    "a bomb in limits": _bomb("limits", "{memory: b}", "{{memory: [{0}, {0}]}}"),
    "a bomb in a version": _bomb("version", "[b]", "[{0}, {0}]"),
}  # fmt: skip


def _cpu(work: Callable[[], Any]) -> float:
    """The processor's seconds that something takes."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_file_takes_long_or_much_memory(text: str) -> None:
    assert len(text) < 2.2 * MEBIBYTE
    parse_files({"lab/alice.yml": ""}, str)
    assert _cpu(lambda: parse_files({"lab/alice.yml": text}, str)) < SECONDS
    tracemalloc.start()
    problems = parse_files({"lab/alice.yml": text}, str).problems
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * MEBIBYTE
    if text not in (HOSTILE["a comment"], HOSTILE["blanks"], HOSTILE["a directive"]):
        assert problems
    assert len(problems) <= 2 * (parse.PROBLEMS + 1)
    for problem in problems:
        assert problem.startswith("lab/alice.yml:")
        assert len(problem) < 400


def test_the_problems_of_many_files_have_an_end() -> None:
    texts = {f"lab/u{n}.yml": "links: [" + "{}, " * 150 + "]" for n in range(30)}
    problems = parse_files(texts, str).problems
    assert len(problems) == PROBLEMS + 1
    assert problems[-1] == "there are more problems, and files that were not checked; fix these first"
    (first,) = {problem for problem in problems if problem.endswith("solve these first") and "u0.yml" in problem}
    assert first == "lab/u0.yml:1: there are more problems than these 100; solve these first"


PIECES = (
    "a",
    "A",
    "0",
    ":",
    "/",
    "-",
    ".",
    "_",
    "@",
    "%",
    "$",
    " ",
    "~",
    "a.",
    "a-",
    "a/",
    "a:",
    "[",
    "*",
    "\u00e9",
    "\x1b",
    "()",
)


def _link(text: str) -> Any:
    return parse_user({"links": [dict.fromkeys(Link._fields, text)], "logins": [dict.fromkeys(Login._fields, text)]})


def _hash(text: str) -> Any:
    return parse_user({"logins": [{"name": "a", "password_hash": "$6$" + text}], text: 1})


def _app(text: str) -> Any:
    return parse_apps({"apps": [dict.fromkeys(App._fields, text)]})


def _repository(text: str) -> Any:
    urls = ["a://" + text, "https://" + text, "a@b:" + text, "/" + text, text + "\n"]
    return parse_apps({"apps": [{"name": "a", "repo": url, "environment": {text: text}} for url in urls]})


@pytest.mark.parametrize("parse", [_link, _hash, _app, _repository])
@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_no_field_takes_more_than_its_length_asks_for(parse: Callable[[str], Any], piece: str) -> None:
    # root's helper parses requests of users by the same code, which are JSON of up to 64 KiB
    short, long = (piece * (size // len(piece)) for size in (2**14, 2**17))
    least = min(_cpu(lambda: parse(short)) for _again in range(3))
    # eight times the text takes eight times as long, and 64 times where each character is compared with each
    assert _cpu(lambda: parse(long)) < 24 * least + 0.05


VAULTED = "!vault |\n          <cipher>\n"


def _everywhere() -> list[str]:
    """Files with a vaulted value where none belongs."""
    found = [f"links:\n  - name: b\n    {key}: {VAULTED}" for key in Link._fields]
    found += [f"logins:\n  - name: a\n    {key}: {VAULTED}" for key in ("name", "password_hash", "passwort")]
    found += [f"{APP.replace('  - name: a', '  - description: a', 1)}    {key}: {VAULTED}" for key in ("name", "other")]
    keys = [key for key in App._fields if key not in ("name", "repo", "entry")]
    found += [f"{APP}    {key}: {VAULTED}" for key in keys]
    found += [
        APP.replace("a:b", VAULTED.rstrip("\n")),
        APP.replace("https://git.example.org/a.git", VAULTED.rstrip("\n")),
    ]
    found += [f"{APP}    limits:\n      {key}: {VAULTED}" for key in ("memory", "cpu", "tasks", "other")]
    found += [f"{APP}    shared:\n      - {VAULTED}", f"links:\n  - {VAULTED}", f"logins:\n  - {VAULTED}", VAULTED]
    found += [f"{key}: {VAULTED}" for key in ("links", "logins", "apps", "other")]
    # by another name, and with all around it
    template = f"logins:\n  - &login\n    name: a\n    password: &word {VAULTED}"
    found += [template + f"links: [{{name: a, {key}: *word}}]\n" for key in ("port", "kind", "host", "description")]
    found += [template + f"links: [{key}]\n" for key in ("*login", "{<<: *login, port: 8000}", "{kind: *login}")]
    return found


@pytest.mark.parametrize("text", _everywhere())
def test_what_is_encrypted_is_decrypted_for_nothing_but_passwords_and_what_apps_get(text: str) -> None:
    asked = []

    def decrypt(ciphertext: str) -> str:
        asked.append(ciphertext)
        return SECRET

    found = parse_files({"lab/alice.yml": text}, decrypt)
    assert found.problems
    assert SECRET not in "".join(found.problems)
    assert SECRET not in repr(found)
    assert all(problem.startswith("lab/alice.yml:") for problem in found.problems)
    assert len(asked) == text.count("password: ")


def test_what_apps_get_is_decrypted_by_another_vault_than_passwords() -> None:
    text = (
        f"logins:\n  - name: a\n    password: {VAULTED}"
        f"{APP}    secrets:\n      A: {VAULTED}    environment:\n      B: {VAULTED}"
    )
    found = parse_files({"lab/alice.yml": text}, lambda _text: "password", for_apps=lambda _text: "for the app")
    assert found.problems == []
    assert found.users["alice"].logins[0].password == "password"
    (app,) = found.apps["alice"]
    assert (app.secrets, app.environment) == ((("A", "for the app"),), (("B", "for the app"),))


@pytest.mark.parametrize("value", ["two\nlines", "x" * 5000, ""])
def test_no_problem_of_a_decrypted_value_shows_it(value: str) -> None:
    text = f"{APP}    secrets:\n      A: {VAULTED}logins:\n  - name: a\n    password: {VAULTED}"
    problems = parse_files({"lab/alice.yml": text}, lambda _text: value + SECRET + "\x1b").problems
    assert [problem.split(" ")[0] for problem in problems] == ["lab/alice.yml:10:", "lab/alice.yml:6:"]
    assert SECRET not in "".join(problems)


@pytest.mark.parametrize(
    "text",
    [
        f"{SECRET}: 1\n",
        f"links: {SECRET}\n",
        f"links:\n  - name: a\n    kind: {SECRET}\n",
        f"links: !{SECRET} x\n",
        f"{SECRET}: 1\n{SECRET}: 2\n",
        f"apps: [{{name: {SECRET}!}}]\n",
        SECRET,
    ],
)
def test_no_problem_of_a_file_that_was_vaulted_shows_its_text(text: str) -> None:
    assert SECRET in "".join(parse_files({"lab/alice.yml": text}, str).problems)
    problems = parse_files({"lab/alice.yml": text}, str, vaulted={"lab/alice.yml"}).problems
    assert problems
    assert SECRET not in "".join(problems)


def test_a_value_that_is_not_text_is_told_without_its_bytes() -> None:
    def decrypt(_text: str) -> str:
        return b"\xff".decode()

    (problem,) = parse_files({"lab/alice.yml": f"logins:\n  - name: a\n    password: {VAULTED}"}, decrypt).problems
    assert problem == "lab/alice.yml:3: login 'a': this value cannot be decrypted: it is not UTF-8"


def test_a_large_file_of_an_honest_user_is_read() -> None:
    text = "links:\n" + "".join(
        f"  - name: run{n}\n    kind: visdom\n    host: gpu{n}.example.org\n    port: {8000 + n}\n    description: loss of run {n}\n"
        for n in range(2000)
    )
    found = parse_files({"lab/alice.yml": text}, str)
    assert found.problems == []
    assert len(found.users["alice"].links) == 2000
    assert _yaml_lines.line_of(_yaml_lines.load(text), ("links", 1999, "port")) == 2 + 1999 * 5 + 3
