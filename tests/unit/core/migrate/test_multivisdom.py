# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old script's files: what valid ones declare, and which problems of the others are reported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.migrate import multivisdom
from ansible_collections.vizgate.gateway.plugins.module_utils._core.migrate.multivisdom import Found, read
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import LOGIN
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.tests.unit.core.migrate.reading import (
    APR1,
    POLICY,
    STRANGER,
    everybody,
    found,
    links,
)
from ansible_collections.vizgate.gateway.tests.unit.old_script import write_script_files
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, OTHER_HASH

SHA1 = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="


def test_the_scripts_own_files_are_taken_whole(tmp_path: Path) -> None:
    write_script_files(
        tmp_path,
        "alice",
        [
            ("train", "http://visdomserv1:9087/", "Loss curves of run 12"),
            ("eval", "http://10.0.0.7:9088/", ""),
        ],
    )
    (tmp_path / "alice.htpasswd").write_text(f"alice:{HASH}\nguest:{OTHER_HASH}\n", encoding="utf-8")
    # whose folder everybody may write, and whose files are the user's
    for path in tmp_path.iterdir():
        os.chown(path, STRANGER, -1)
    assert read(str(tmp_path), POLICY, lambda user: STRANGER) == Found(
        {
            "alice": [
                ("alice.conf:2", Link("train", 9087, host="visdomserv1", description="Loss curves of run 12")),
                ("alice.conf:18", Link("eval", 9088, host="10.0.0.7")),
                ("alice.htpasswd:1", Login("alice", HASH)),
                ("alice.htpasswd:2", Login("guest", OTHER_HASH)),
            ]
        }
    )


def test_the_old_proxy_has_stripped_the_prefix(tmp_path: Path) -> None:
    ((_place, link),) = found(tmp_path, {"alice.conf": "###/alice/train||http://127.0.0.1:9087/||"}).items["alice"]
    assert isinstance(link, Link)
    assert (link.kind, link.mode) == ("http", "strip")


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("###/train||http://h:9087/||x", Link("train", 9087, host="h", description="x")),
        ("###train||http://h:9087/||x", Link("train", 9087, host="h", description="x")),
        ("###/alice/train/||http://h:9087/||x", Link("train", 9087, host="h", description="x")),
        ("###/alice/alice||http://h:9087/||x", Link("alice", 9087, host="h", description="x")),
        ("### /alice/train || http://h:9087/ || x ", Link("train", 9087, host="h", description="x")),
        ("  ###/alice/train||http://h:9087/||x", Link("train", 9087, host="h", description="x")),
        ("###/alice/train||h:9087||x", Link("train", 9087, host="h", description="x")),
        ("###/alice/train||h:9087/||x", Link("train", 9087, host="h", description="x")),
        ("###/alice/train||HTTP://Visdom1:9087/||x", Link("train", 9087, host="visdom1", description="x")),
        ("###/alice/train||http://[::1]:9087/||x", Link("train", 9087, host="::1", description="x")),
        ("###/alice/train||http://h:9087/||a||b|c###d", Link("train", 9087, host="h", description="a||b|c###d")),
        ("###/alice/train||http://h:9087/||Verluste für Lauf 12", None),
        ("###/alice/train||http://h:9087/", Link("train", 9087, host="h")),
        ("###/alice/train,http://h:9087/", Link("train", 9087, host="h")),
        ("###/alice/train||http://h:9087/||x\r", Link("train", 9087, host="h", description="x")),
        ("\ufeff###/alice/train||http://h:9087/||x", Link("train", 9087, host="h", description="x")),
    ],
)
def test_older_and_edited_lines_are_understood(tmp_path: Path, text: str, link: Link | None) -> None:
    link = link or Link("train", 9087, host="h", description="Verluste für Lauf 12")
    assert found(tmp_path, {"alice.conf": text + "\n"}) == Found(dict(links(link)))


FORM = "the name is not of the form [a-z0-9][a-z0-9._-]{0,62}"


@pytest.mark.parametrize(
    ("text", "link", "adapted"),
    [
        ("/alice/Train||http://h:9087/||", Link("train", 9087, host="h"), f"link 'Train': {FORM}; it becomes 'train'"),
        (
            "/alice/exp/run 1||http://h:9087/||",
            Link("exp-run-1", 9087, host="h"),
            f"link 'exp/run 1': {FORM}; it becomes 'exp-run-1'",
        ),
        (
            "/alice/.Größe!||http://h:9087/||",
            Link("gr-e", 9087, host="h"),
            f"link '.Gr\\xf6\\xdfe!': {FORM}; it becomes 'gr-e'",
        ),
        (
            f"/alice/{'x' * 70}||http://h:9087/||",
            Link("x" * 63, 9087, host="h"),
            f"link '{'x' * 70}': {FORM}; it becomes '{'x' * 63}'",
        ),
        # as in nginx: a proxy_pass that is nothing but a host leaves the path alone
        (
            "/alice/train||http://h:9087||",
            Link("train", 9087, host="h", prefix="keep"),
            "link 'train': server 'http://h:9087' has no '/' at its end, so it is sent the path with its prefix",
        ),
        (
            f"/alice/train||http://h:9087/||{'x' * 201}",
            Link("train", 9087, host="h", description="x" * 199 + "…"),
            "link 'train': the description is cut to 200 characters",
        ),
    ],
)
def test_what_has_to_be_adapted_is_told(tmp_path: Path, text: str, link: Link, adapted: str) -> None:
    renamed = {"alice": {"Train": "train"}} if "Train" in text else {}
    assert found(tmp_path, {"alice.conf": f"###{text}\n"}) == Found(
        dict(links(link)), [f"alice.conf:1: {adapted}"], renamed=renamed
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("###", "'###' is not of the form ###path||server||description"),
        ("##########", "'##########' is not of the form ###path||server||description"),
        ("### my links", "'### my links' is not of the form ###path||server||description"),
        ("###/alice/||http://h:9087/||", "path '/alice/' names no link below /alice/"),
        ("###||||", "path '' names no link below /alice/"),
        ("###/alice/~~||http://h:9087/||", f"link '~~': {FORM}"),
        ("###/alice/index.html||http://h:9087/||", "link 'index.html': the name is reserved; take another"),
        ("###/alice/a||||", "link 'a': server '' is not of the form http://host:port/"),
        ("###/alice/a||http://h:9087/x||", "link 'a': server 'http://h:9087/x' is not of the form http://host:port/"),
        (
            "###/alice/a||http\u017f://h:9087/||",
            "link 'a': server 'http\\u017f://h:9087/' is not of the form http://host:port/",
        ),
        ("###/alice/a||http://h:port/||", "link 'a': server 'http://h:port/' is not of the form http://host:port/"),
        ("###/alice/a||http://u:p@h:1/||", "link 'a': server 'http://u:p@h:1/' is not of the form http://host:port/"),
        (
            "###/alice/a||http://unix:/run/x.sock:/||",
            "link 'a': server 'http://unix:/run/x.sock:/' is not of the form http://host:port/",
        ),
        (
            "###/alice/a||https://h:9087/||",
            "link 'a': server 'https://h:9087/' uses https, which the import does not support;"
            " add this link with 'vizgate add NAME --scheme https'",
        ),
        ("###/alice/a||http://h:99999/||", "link 'a': port 99999 is not in 1-65535"),
        (
            "###/alice/a||http://$host:9087/||",
            "link 'a': host '$host' is neither an IP address nor a host name (letters, digits, '-' and '.')",
        ),
        (
            "###/alice/a||http://h;}:9087/||",
            "link 'a': host 'h;}' is neither an IP address nor a host name (letters, digits, '-' and '.')",
        ),
        ("###/alice/a||http://h/||", "link 'a': port 80 is not in allowed_ports: 1024-65535 (policy)"),
        (
            "###/alice/a||http://8.8.8.8:9087/||",
            "link 'a': host '8.8.8.8' is not in allowed_hosts: 127.0.0.0/8, ::1/128, 10.0.0.0/8, * (policy)",
        ),
        (
            "###/alice/a||http://169.254.169.254:9087/||",
            "link 'a': address 169.254.169.254 is never allowed as a target (built-in rule 169.254.0.0/16)",
        ),
        (
            "location /alice/a/ { proxy_pass http://h:1/; }",
            "location 'a' has no ### line above it, so the old script does not know it",
        ),
        (
            "  location ~* ^/alice/a {",
            "location '^/alice/a' has no ### line above it, so the old script does not know it",
        ),
    ],
)
def test_what_cannot_be_imported_is_told(tmp_path: Path, text: str, reason: str) -> None:
    files: dict[str, str | bytes] = {"alice.conf": f"{text}\n###/alice/good||http://h:9087/||\n"}
    good = Link("good", 9087, host="h")
    assert found(tmp_path, files) == Found(dict(links(good, line=2)), [], [f"alice.conf:1: {reason}"])


def test_lines_that_are_not_text_cost_only_themselves(tmp_path: Path) -> None:
    conf = b"###/alice/a||http://h:1024/||Gr\xf6\xdfe\n\xff\0\n###/alice/b||http://h:1024/||x\0y\n"
    assert found(tmp_path, {"alice.conf": conf}) == Found(
        dict(links(Link("b", 1024, host="h", description="x\0y"), line=3)),
        [],
        [f"alice.conf:{line}: this line is not UTF-8; correct it" for line in (1, 2)],
    )


def test_of_names_that_are_one_the_legal_one_counts_then_the_first(tmp_path: Path) -> None:
    names = ("Train", "train", "train", "TRAIN", "Eval", "EVAL")
    conf = "".join(f"###/alice/{name}||http://h:{9000 + line}/||\n" for line, name in enumerate(names, 1))
    assert found(tmp_path, {"alice.conf": conf}) == Found(
        {
            "alice": [
                ("alice.conf:2", Link("train", 9002, host="h")),
                ("alice.conf:5", Link("eval", 9005, host="h")),
            ]
        },
        [f"alice.conf:5: link 'Eval': {FORM}; it becomes 'eval'"],
        [
            f"alice.conf:1: link 'Train': {FORM}; 'train' would be, but line 2 has it",
            "alice.conf:3: link 'train': declared twice; line 2 counts",
            f"alice.conf:4: link 'TRAIN': {FORM}; 'train' would be, but line 2 has it",
            f"alice.conf:6: link 'EVAL': {FORM}; 'eval' would be, but line 5 has it",
        ],
        {"alice": {"Eval": "eval"}},
    )


def test_a_line_that_is_refused_takes_no_name(tmp_path: Path) -> None:
    conf = "###/alice/train||ftp://h/||\n###/alice/train||http://h:9087/||\n"
    assert found(tmp_path, {"alice.conf": conf}) == Found(
        dict(links(Link("train", 9087, host="h"), line=2)),
        [],
        ["alice.conf:1: link 'train': server 'ftp://h/' is not of the form http://host:port/"],
    )


@pytest.mark.parametrize(
    ("password_hash", "what"),
    [
        (APR1[:-1], "apr1"),
        ("$1$r31.....$HqJZimcKQFAMYayBlzkrA/", "MD5"),
        ("rqXexS6ZhobKA", "DES crypt"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g", "SHA-1"),
        ("{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1"),
        ("{PLAIN}geheim", "the clear password"),
        (HASH.replace("$10$", "$17$"), "bcrypt of a cost that is not in 4-12"),
        ("geheim", "nothing known"),
        ("", "nothing known"),
    ],
)
def test_weak_hashes_are_refused_and_not_shown(tmp_path: Path, password_hash: str, what: str) -> None:
    assert found(tmp_path, {"alice.htpasswd": f"guest:{password_hash}\n"}) == Found(
        refused=[
            f"alice.htpasswd:1: login 'guest': its hash is {what}, which the gateway does not take;"
            " alice sets a new password with 'vizgate login add guest'"
        ]
    )


@pytest.mark.parametrize("until", ["", "2027-03-31"])
def test_what_htpasswd_has_made_by_default_is_taken_and_a_note_says_so(tmp_path: Path, until: str) -> None:
    (tmp_path / "alice.htpasswd").write_text(f"old:{APR1}\nsha:{SHA1}\n", encoding="utf-8")
    policy = Policy(("127.0.0.0/8",), ("1024-65535",), "policy", legacy_hashes_until=until)
    what = read(str(tmp_path), policy, everybody)
    assert [item for _place, item in what.items["alice"]] == [Login("old", APR1), Login("sha", SHA1)]
    assert what.refused == []
    ends = f" until {until}" if until else ""
    assert what.adapted == [
        f"alice.htpasswd:{line}: login '{name}': its password hash is weak (old format); it is accepted"
        f" for alice's links{ends}; 'vizgate login password {name}' replaces it"
        for line, name in ((1, "old"), (2, "sha"))
    ]


def test_logins_line_by_line(tmp_path: Path) -> None:
    not_a_login = f"this line is not of the form name:hash with a name of the form {LOGIN.pattern}"
    htpasswd = f"# mine\r\n\r\na:{HASH}\r\nb:{HASH}:a comment\na:{OTHER_HASH}\n{HASH}\n{HASH}:a\nc d:{HASH}\n\xe4:x\n"
    assert found(tmp_path, {"alice.htpasswd": htpasswd.encode("latin-1")}) == Found(
        {"alice": [("alice.htpasswd:3", Login("a", HASH)), ("alice.htpasswd:4", Login("b", HASH))]},
        [],
        [
            "alice.htpasswd:5: login 'a': declared twice; line 3 counts",
            f"alice.htpasswd:6: {not_a_login}",
            f"alice.htpasswd:7: {not_a_login}",
            f"alice.htpasswd:8: {not_a_login}",
            "alice.htpasswd:9: this line is not UTF-8; correct it",
        ],
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Alice.conf", "user 'Alice': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
        (".conf.conf", "user '.conf': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
        ("a b\n\x1b[2J.htpasswd", "user 'a b\\n\\x1b[2J': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
        ("\udcff.conf", "user '\\udcff': the name is not of the form [a-z_][a-z0-9_-]{0,31}"),
        ("vizgate.conf", "user 'vizgate': the name is reserved; take another"),
    ],
)
def test_users_who_can_have_no_links(tmp_path: Path, name: str, reason: str) -> None:
    files: dict[str, str | bytes] = {name: "###/alice/a||http://h:9087/||\n"}
    assert found(tmp_path, files) == Found(refused=[f"{ascii(name)[1:-1]}: {reason}"])


def test_other_files_are_not_looked_at(tmp_path: Path) -> None:
    text = "###/alice/a||http://h:9087/||\n"
    assert found(tmp_path, dict.fromkeys(("alice.conf~", ".alice.conf.swp", "alice", "alice.html"), text)) == Found()


def test_accounts_of_services_are_no_users(tmp_path: Path) -> None:
    (tmp_path / "nobody.conf").write_text("", encoding="utf-8")
    reason = "this host has a system account with that name (uid 65534); choose another name"
    assert multivisdom.read(str(tmp_path), POLICY).refused == [f"nobody.conf: user 'nobody': {reason}"]


def test_users_need_an_account_but_in_a_rootless_gateway(tmp_path: Path) -> None:
    (tmp_path / "nobody-has-this.conf").write_text("###/x||http://h:9087/||\n")
    reason = "user 'nobody-has-this' has no account on this host; create one, or declare the links in inventory"
    assert read(str(tmp_path), POLICY) == Found(refused=[f"nobody-has-this.conf: {reason}"])
    assert read(str(tmp_path), POLICY, None).items == {
        "nobody-has-this": [("nobody-has-this.conf:1", Link("x", 9087, host="h"))]
    }
