# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users files: what is read from YAML, and that every problem is reported at once with its file and line."""

from __future__ import annotations

import tracemalloc

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.plugin_utils._users_files import is_users_file, parse_users
from ansible_collections.vizgate.gateway.tests.unit.support import HASH


def decrypt(text: str) -> str:
    """Stands for Ansible Vault: what is encrypted stands between two angle brackets."""
    text = text.strip()
    if not (text.startswith("<") and text.endswith(">")):
        raise LookupError("Decryption failed (no vault secrets were found\nthat could decrypt)")
    return text[1:-1]


def parse(text: str, path: str = "users/alice.yml") -> tuple[UserData, list[str]]:
    """Alice, as one users file declares her, and the problems."""
    users, problems = parse_users({path: text}, decrypt)
    return users.get("alice", UserData()), problems


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alice.yml", True),
        ("alice.yaml", True),
        (".alice.yml", False),
        ("alice.yml~", False),
        ("alice.yml.bak", False),
        ("README.md", False),
        ("alice", False),
    ],
)
def test_which_files_are_users_files(name: str, expected: bool) -> None:
    assert is_users_file(name) is expected


def test_the_example_of_the_documentation() -> None:
    text = f"""\
links:
  - name: training
    kind: visdom
    host: visdomserv1
    port: 9087
    description: Loss curves of run 12
logins:
  - name: alice
    password_hash: "{HASH}"
"""
    assert parse(text) == (
        UserData((Link("training", 9087, "visdom", "visdomserv1", "Loss curves of run 12"),), (Login("alice", HASH),)),
        [],
    )


@pytest.mark.parametrize("text", ["", "---\n", "# nothing yet\n", "links: []\n", "links:\nlogins:\n", "{}", "null"])
def test_files_that_declare_nothing(text: str) -> None:
    assert parse_users({"users/alice.yml": text}, decrypt) == ({"alice": UserData()}, [])


def test_all_problems_of_all_files_with_their_lines() -> None:
    texts = {
        "users/zoe.yml": "links:\n  - name: a\n    port: 1\n\n  - name: a\n    port: 2\n",
        "users/alice.yml": """\
# a comment counts as a line
links:
  - name: run1

    port: 99999
    host: "a b"
  - name: Run2
    port: "80"
    prot: 80
  - just text
  - port: 8097
    name: run3
    kind:
      visdom
logins:
  - name: alice
  - {name: bob, password: 1}
colour: red
""",
        "users/bob.yml": "links: [}\n",
        "users/Carol.yml": "",
        "users/dave.yml": "links:\n  - name: good\n    port: 8097\n",
    }
    users, problems = parse_users(texts, decrypt)
    assert problems == [
        "users/Carol.yml:1: user 'Carol': the name is not of the form [a-z_][a-z0-9_-]{0,31}",
        "users/alice.yml:18: the file: unknown key 'colour'; known keys: links, logins, apps",
        "users/alice.yml:10: links: 'just text' is not a mapping like '- name: …'",
        "users/alice.yml:6: link 'run1': host 'a b' is neither an IP address nor a host name"
        " (letters, digits, '-' and '.')",
        "users/alice.yml:5: link 'run1': port 99999 is not in 1-65535",
        "users/alice.yml:9: link 'Run2': unknown key 'prot'; did you mean 'port'?",
        "users/alice.yml:7: link 'Run2': the name is not of the form [a-z0-9][a-z0-9._-]{0,62}",
        "users/alice.yml:8: link 'Run2': port '80' is not a number; write it without quotes",
        "users/alice.yml:16: login 'alice': give either password or password_hash",
        "users/alice.yml:17: login 'bob': the password is not a text; quote it",
        "users/bob.yml:1: this is not YAML: did not find expected node content",
        "users/zoe.yml:5: link 'a': declared twice",
    ]
    assert sorted(users) == ["alice", "dave", "zoe"]
    assert [link.name for link in users["alice"].links] == ["run3"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("users/Alice.yml", "user 'Alice': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
        ("users/al.ice.yml", "user 'al.ice': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
        ("users/vizgate.yml", "user 'vizgate': the name is reserved; take another"),
        ("users/.yml", "user '': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
    ],
)
def test_file_names_that_are_no_users_names(path: str, text: str) -> None:
    assert parse_users({path: "links: []"}, decrypt) == ({}, [f"{path}:1: {text}"])


@pytest.mark.parametrize("name", ["al\nice.yml", "al\u2028ice.yml", "al\x1b[31mice.yml", "al\udcffice.yml", "ä.yml"])
def test_file_names_of_any_characters_stay_on_one_line(name: str) -> None:
    (problem,) = parse_users({f"users/{name}": ""}, decrypt)[1]
    assert problem.isascii()
    assert problem.isprintable()


def test_a_user_has_one_file() -> None:
    users, problems = parse_users(
        {"users/alice.yaml": "links: [{name: a, port: 1}]", "users/alice.yml": "links: [{name: b, port: 1}]"}, decrypt
    )
    assert problems == ["users/alice.yml:1: user 'alice' has two files; keep one"]
    assert [link.name for link in users["alice"].links] == ["a"]


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("links: []\nlinks: []\n", 2, "links"),
        ("links:\n  - name: a\n    port: 1\n    port: 2\n", 4, "port"),
        ("links:\n  - {name: a, port: 1,\n     host: a, name: b}\n", 3, "name"),
        ("logins:\n  - name: a\n    password: x\n    'password': y\n", 4, "password"),
        ('links:\n  - name: a\n    port: 1\n    "x\\ny": 1\n    "x\\ny": 2\n', 5, r"x\ny"),
    ],
)
def test_a_key_that_stands_twice(text: str, line: int, key: str) -> None:
    assert parse(text)[1] == [
        f"users/alice.yml:{line}: duplicate key '{key}'; the second value would replace the first"
    ]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("links: [", 2, "did not find expected node content"),
        ("links:\n\t- a", 2, "found character that cannot start any token"),
        ("links: a: b", 1, "mapping values are not allowed in this context"),
        ('links: "', 1, "found unexpected end of stream"),
        ("links: *x", 1, "found undefined alias"),
        ('links: "\\ud800"', 1, "found invalid Unicode character escape code"),
        ("links:\n  - name: !!python/name:os.system x", 2, "could not determine a constructor for the tag"),
        ("a: 1\n? [a]\n: 1", 2, "found unhashable key"),
        ("<<: 5", 1, "expected a mapping or list of mappings for merging, but found scalar"),
        ("links: !vault [a]", 1, "expected a scalar node, but found sequence"),
    ],
)
def test_texts_that_are_not_yaml(text: str, line: int, why: str) -> None:
    (problem,) = parse(text)[1]
    assert problem.startswith(f"users/alice.yml:{line}: this is not YAML: {why}")


@pytest.mark.parametrize(
    "text",
    [
        "links: []\n---\nlinks: []\n",
        "links: \0",
        "links: \ud800",
        "links: \x1b",
        "links:\n  - name: a\n    port: " + "9" * 5000,
        "links:\n  - name: a\n    port: 0x" + "f" * 5000,
        "links:\n  - name: a\n    port: !!int ''",
        "links:\n  - name: a\n    port: !!int 'x'",
        "links:\n  - name: a\n    port: !!float ''",
        "links:\n  - name: a\n    port: !!bool x",
        "links:\n  - name: a\n    port: !!timestamp x",
        "links:\n  - name: a\n    port: 2026-99-99",
        "links:\n  - name: a\n    port: !!binary x",
        "links:\n  - name: a\n    port: !!" + "x" * 9000,
        "links:\n  - name: a\n    port: *" + "x" * 9000,
        "links:\n  - name: a\n    ? 0x" + "f" * 5000 + "\n    : 1",
        "links: " + "[" * 3000 + "]" * 3000,
        "links: " + "{a: " * 3000 + "}" * 3000,
        "links: &a [*a]",
        "&a {links: *a}",
        "&a {<<: *a, links: [*a]}",
        "links: [&a {name: x, port: 1, host: *a}]",
    ],
)
def test_odd_texts_are_problems_too(text: str) -> None:
    (first, *others) = parse(text)[1]
    for problem in (first, *others):
        assert problem.startswith("users/alice.yml:")
        assert problem.replace("…", "").isascii()
        assert problem.isprintable()
        assert len(problem) < 400


def test_deep_nesting_does_not_end_the_process() -> None:
    # libyaml's own stack is what would overflow, and no exception tells of that
    assert len(parse("links: " + "[" * 100_000 + "]" * 100_000)[1]) == 1


@pytest.mark.parametrize(
    "text",
    [
        "links: [&a {name: x, port: 8000}, {<<: *a, name: y}]",
        "links:\n  - &a {name: x, port: 8000}\n  - name: y\n    <<: *a\n",
        "links: [&a {name: x, port: 8000}, {<<: [*a, {port: 1}], name: y}]",
        "links: [&a {name: x, port: 8000}, {<<: [{<<: *a}, {port: 1}], name: y}]",
        "links: [&a {name: x, port: 8000}, {<<: {port: 1}, port: 8000, name: y}]",
        "links: [{name: x, port: &p 8000}, {name: y, port: *p}]",
    ],
)
def test_anchors_and_merge_keys_save_typing(text: str) -> None:
    assert parse(text) == (UserData((Link("x", 8000), Link("y", 8000))), [])


@pytest.mark.parametrize(
    ("start", "step"),
    [
        ("[x,x]", "[{0},{0},{0},{0},{0},{0},{0},{0}]"),
        ("{x: 1}", "{{<<: [{0},{0},{0},{0},{0},{0},{0},{0}]}}"),
    ],
    ids=["lists", "merge keys"],
)
def test_a_bomb_of_aliases_does_not_go_off(start: str, step: str) -> None:
    # ten levels would take all memory; of seven, the peak tells
    lines = [f"a0: &a0 {start}", *(f"a{n}: &a{n} {step.format(f'*a{n - 1}')}" for n in range(1, 8)), "links: *a7"]
    parse("")
    tracemalloc.start()
    problems = parse("\n".join(lines))[1]
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert problems
    assert len("".join(problems)) < 2000
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("port", "read"),
    [("8097", 8097), ("0x1fa1", 8097), ("017641", 8097), ("8_097", 8097), ("0b11", 3), ("2:14:57", 8097)],
)
def test_numbers_are_those_of_yaml(port: str, read: int) -> None:
    assert parse(f"links: [{{name: a, port: {port}}}]")[0].links[0].port == read


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("yes", "'True'"),
        ("off", "'False'"),
        ("2026-01-02", "'2026-01-02'"),
        ("1e3", None),
        ("12", "'12'"),
        ("~", "'None'"),
    ],
)
def test_text_that_yaml_takes_for_something_else(value: str, shown: str | None) -> None:
    problems = parse(f"links: [{{name: a, port: 1, description: {value}}}]")[1]
    expected = f"users/alice.yml:1: link 'a': description {shown} is not a text; quote it"
    assert problems == ([expected] if shown else [])


@pytest.mark.parametrize("tag", ["!vault", "!vault-encrypted"])
def test_vaulted_values_are_decrypted(tag: str) -> None:
    found, problems = parse(f"logins:\n  - name: alice\n    password: {tag} |\n      <geheim>\n")
    assert problems == []
    assert found.logins[0].password == "geheim"


def test_a_value_that_cannot_be_decrypted_names_its_file_and_line() -> None:
    (problem,) = parse("logins:\n  - name: alice\n    password: !vault |\n      gibberish\n")[1]
    assert problem.startswith("users/alice.yml:3: ")
    assert "Decryption failed" in problem
    assert "\n" not in problem


def test_a_decrypted_value_is_checked_like_any_other() -> None:
    assert parse("logins:\n  - name: a\n    password: !vault <two\n\n      lines>\n")[1] == [
        "users/alice.yml:3: login 'a': the password holds a control character"
    ]


def test_what_the_policy_refuses_is_said_with_file_and_line_beside_all_else() -> None:
    policy = Policy(("127.0.0.0/8", "gpu*"), ("1024-65535",), "policy.json")
    text = """\
links:
  - name: good
    port: 8097

  - {name: far, host: 8.8.8.8, port: 8097}
  - name: low
    host: gpu1
    port: 22
  - name: typo
    prt: 22
"""
    assert parse_users({"users/alice.yml": text, "users/bob.yml": "links: ["}, decrypt, policy)[1] == [
        "users/alice.yml:5: link 'far': host '8.8.8.8' is not in allowed_hosts: 127.0.0.0/8, gpu* (policy.json)",
        "users/alice.yml:6: link 'low': port 22 is not in allowed_ports: 1024-65535 (policy.json)",
        "users/alice.yml:10: link 'typo': unknown key 'prt'; did you mean 'port'?",
        "users/alice.yml:9: link 'typo': it has no port",
        "users/bob.yml:2: this is not YAML: did not find expected node content",
    ]
