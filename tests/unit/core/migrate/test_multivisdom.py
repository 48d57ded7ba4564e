# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old script's files: what honest ones bring, and that hostile ones bring nothing but a line that says why."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import hypothesis
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.migrate import multivisdom
from ansible_collections.vizgate.gateway.plugins.module_utils._core.migrate.multivisdom import Found, merge, read
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import LINK, LOGIN
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.tests.unit.old_script import write_script_files
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, OTHER_HASH
from hypothesis import strategies as st

POLICY = Policy(("127.0.0.0/8", "::1/128", "10.0.0.0/8", "*"), ("1024-65535",), "policy")
APR1 = "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"
SHA1 = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
STRANGER = 4242 if os.getuid() == 0 else os.getuid()
"""The owner of files that `strangers` makes, which is not alice."""


def everybody(user: str) -> int:
    """An account for every name, whose files are those of this process."""
    return os.getuid()


def found(folder: Path, files: dict[str, str | bytes]) -> Found:
    """What is read from these files, in a folder of their own."""
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o644)
    return read(str(folder), POLICY, everybody)


def links(*items: Link, line: int = 1) -> dict[str, list[tuple[str, Link]]]:
    """Links of alice's, from a file with one in each line."""
    return {"alice": [(f"alice.conf:{line + index}", link) for index, link in enumerate(items)]}


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


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """A file of alice's name that belongs to somebody else."""
    path = tmp_path / "alice.conf"
    path.write_text("###/alice/a||http://h:9087/||\n")
    path.chmod(0o644)
    os.chown(path, STRANGER, -1)
    return path


def alice(user: str) -> int:
    """An account that is not a stranger's."""
    return STRANGER + 1


def test_a_file_of_somebody_elses_is_refused(strangers: Path) -> None:
    name = "4242" if os.getuid() == 0 else multivisdom.pwd.getpwuid(STRANGER).pw_name
    reason = f"it belongs to {name}, not to alice; check what the file contains, then chown it to alice"
    assert read(str(strangers.parent), POLICY, alice) == Found(refused=[f"alice.conf: {reason}"])
    assert read(str(strangers.parent), POLICY, lambda user: STRANGER).refused == []
    assert read(str(strangers.parent), POLICY, None).refused == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to root")
def test_a_file_of_roots_is_as_good_as_alices_where_only_root_can_have_put_it(strangers: Path) -> None:
    os.chown(strangers, 0, -1)
    strangers.parent.chmod(0o755)
    assert read(str(strangers.parent), POLICY, alice).items == links(Link("a", 9087, host="h"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to root")
@pytest.mark.parametrize(("owner", "mode"), [(0, 0o777), (0, 0o1777), (0, 0o775), (STRANGER, 0o755)])
def test_a_file_of_roots_that_others_may_have_renamed_is_refused(tmp_path: Path, owner: int, mode: int) -> None:
    (tmp_path / "mallory.htpasswd").write_text(f"mallory:{HASH}\n")
    tmp_path.chmod(mode)
    os.chown(tmp_path, owner, -1)
    (tmp_path / "mallory.htpasswd").rename(tmp_path / "alice.htpasswd")
    reason = "it belongs to root, but other users can rename files in this folder; check what the file contains, then"
    assert read(str(tmp_path), POLICY, alice) == Found(refused=[f"alice.htpasswd: {reason} chown it to alice"])
    assert read(str(tmp_path), POLICY, lambda user: 0) == Found(
        refused=[f"alice.htpasswd: {reason} move it to a folder that only root can write"]
    )
    assert "alice" in read(str(tmp_path), POLICY, None).items


def test_a_file_that_others_can_write_is_refused(strangers: Path) -> None:
    def refused() -> list[str]:
        return read(str(strangers.parent), POLICY, lambda user: STRANGER).refused

    strangers.chmod(0o646)
    assert refused() == ["alice.conf: everybody can write it; check what the file contains, then chmod it to 644"]
    strangers.chmod(0o664)
    if os.getuid() == 0:
        os.chown(strangers, -1, 4243)
        assert refused() == ["alice.conf: group 4243 can write it; check what the file contains, then chmod it to 644"]


def test_a_group_of_ones_own_may_write(tmp_path: Path) -> None:
    # on Ubuntu, files come like this
    gid = os.getgid() or 1
    group = multivisdom.grp.getgrgid(gid).gr_name
    (tmp_path / f"{group}.conf").write_text("###/a||http://h:9087/||\n")
    os.chown(tmp_path / f"{group}.conf", -1, gid)
    (tmp_path / f"{group}.conf").chmod(0o664)
    assert read(str(tmp_path), POLICY, everybody) == Found({group: [(f"{group}.conf:1", Link("a", 9087, host="h"))]})


def test_a_file_of_two_names_is_refused(strangers: Path) -> None:
    os.link(strangers, strangers.parent / "other")
    reason = "it has 2 hard links, so another user may have created it; check what the file contains, then replace it with a copy"
    assert read(str(strangers.parent), POLICY, lambda user: STRANGER).refused == [f"alice.conf: {reason}"]


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("###/a||http://h:9087/||\n")
    (tmp_path / "a.conf").symlink_to("secret")
    (tmp_path / "b.conf").symlink_to("missing")
    (tmp_path / "c.conf").mkdir()
    os.mkfifo(tmp_path / "d.conf")
    (tmp_path / "e.conf").symlink_to("/dev/zero")
    assert read(str(tmp_path), POLICY, everybody) == Found(
        refused=[
            "a.conf: it is a symbolic link, which is not followed; put the file itself there",
            "b.conf: it is a symbolic link, which is not followed; put the file itself there",
            "c.conf: it is no regular file",
            "d.conf: it is no regular file",
            "e.conf: it is a symbolic link, which is not followed; put the file itself there",
        ]
    )


def test_a_lease_of_the_owners_delays_nothing(tmp_path: Path) -> None:
    path = tmp_path / "alice.conf"
    path.touch()
    former = signal.signal(signal.SIGIO, signal.SIG_IGN)  # by which the kernel tells the holder of a lease to hurry
    try:
        with path.open("r+b") as file:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            started = time.monotonic()
            refused = read(str(tmp_path), POLICY, everybody).refused
    finally:
        signal.signal(signal.SIGIO, former)
    assert refused == ["alice.conf: it cannot be read (Resource temporarily unavailable)"]
    assert time.monotonic() - started < 30, "who is held up by a lease waits for 45 s"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "alice.conf", "wb") as file:
        file.truncate(2**40)
    reason = f"it has more than {2**20} bytes, which the old script has never written; check what it contains"
    assert read(str(tmp_path), POLICY, everybody) == Found(refused=[f"alice.conf: {reason}"])


def test_a_file_full_of_rubbish_does_not_fill_the_screen(tmp_path: Path) -> None:
    refused = found(tmp_path, {"alice.conf": "###\n" * 1000}).refused
    assert len(refused) == 51
    assert refused[-1] == "alice.conf: and 950 more"


def test_files_of_nobody_do_not_hide_those_of_users(tmp_path: Path) -> None:
    for name in ("a1.conf", "a2.conf", "alice.conf", "B.conf"):
        (tmp_path / name).write_text("###\n")
    refused = read(str(tmp_path), POLICY, lambda user: os.getuid() if user == "alice" else None).refused
    assert [line.partition(":")[0] for line in refused] == ["alice.conf", "B.conf", "a1.conf", "a2.conf"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as error:
        read(f"{tmp_path}/x", POLICY, everybody)
    assert error.value.problems == [
        f"folder '{tmp_path}/x' cannot be read (No such file or directory); give the folder that the multivisdom script wrote"
    ]


# merging

TRAIN, EVAL, ALICE = Link("train", 9087), Link("eval", 9088), Login("alice", HASH)


def effective_data(
    items: Iterable[Link | Login], policy: Policy = POLICY, **sources: UserData
) -> tuple[dict[str, UserData], list[str]]:
    """What comes of alice's items where `sources` have declared something."""
    found = Found({"alice": [(f"alice.conf:{line}", item) for line, item in enumerate(items, 1)]})
    return merge(found, {"alice": sources}.__getitem__, policy)


def test_what_is_new_is_added_to_what_is_there() -> None:
    own = UserData((Link("a", 1),), (Login("b", HASH),), ("a",))
    assert effective_data([TRAIN, EVAL, ALICE], self=own, inventory=UserData((Link("c", 2),))) == (
        {"alice": UserData((Link("a", 1), EVAL, TRAIN), (ALICE, Login("b", HASH)), ("a",))},
        [],
    )


@pytest.mark.parametrize("source", ["self", "inventory", "apps"])
def test_what_is_there_already_is_passed_over(source: str) -> None:
    assert effective_data([TRAIN, ALICE], **{source: UserData((TRAIN,), (ALICE,))}) == ({}, [])


@pytest.mark.parametrize("source", ["self", "inventory", "apps"])
def test_what_is_there_is_not_overwritten(source: str) -> None:
    there = UserData((Link("train", 1),), (Login("alice", OTHER_HASH),))
    advice = "which stays; remove it first, or add this one by another name"
    assert effective_data([TRAIN, EVAL, ALICE], **{source: there}) == (
        {"alice": UserData((EVAL, *there.links), there.logins) if source == "self" else UserData((EVAL,))},
        [
            f"alice.conf:1: link 'train': alice has another of that name (source '{source}'), {advice}",
            f"alice.conf:3: login 'alice': alice has another of that name (source '{source}'), {advice}",
        ],
    )


def test_the_old_name_is_kept_with_the_link_and_once_more_with_an_import_from_before() -> None:
    what = Found({"alice": [("alice.conf:1", TRAIN)]}, renamed={"alice": {"Train": "train", "Gone": "gone"}})
    renamed = (("Train", "train"),)
    for there in (UserData(), UserData((TRAIN,))):
        declared, refused = merge(what, lambda user, there=there: {"self": there}, POLICY)
        assert (declared, refused) == ({"alice": UserData((TRAIN,), renamed=renamed)}, [])
        assert parse_user(declared["alice"].as_json(), stored=True) == (declared["alice"], [])
    assert merge(what, lambda user: {"self": UserData((TRAIN,), renamed=renamed)}, POLICY) == ({}, [])


def test_the_sites_limits_hold() -> None:
    policy = Policy(links_per_user=1, logins_per_user=1)
    assert effective_data([TRAIN, EVAL, ALICE, Login("b", HASH)], policy) == (
        {"alice": UserData((TRAIN,), (ALICE,))},
        [
            "alice.conf:2: link 'eval': alice has 1, which is the site's limit",
            "alice.conf:4: login 'b': alice has 1, which is the site's limit",
        ],
    )


def test_a_second_import_changes_nothing(gateway: Gateway, tmp_path: Path) -> None:
    what = found(tmp_path, {"alice.conf": "###/a||http://127.0.0.1:9087/||\n", "alice.htpasswd": f"a:{HASH}\n"})

    def declaration(registry: object) -> dict[str, UserData]:
        declared, refused = merge(what, gateway.registry.sources, POLICY)
        assert refused == []
        return declared

    assert [step["url"] for step in gateway.declare("self", declaration).plan] == ["/alice/a/", "/alice/"]
    assert not gateway.declare("self", declaration).changed


# whatever the files hold

GOOD = [
    "###/alice/train||http://h:9087/||Loss curves",
    "###/alice/Train||http://127.0.0.1:9087||",
    "###/eval,http://[::1]:9088/",
    "location /alice/train/ {",
    f"alice:{HASH}",
    f"guest:{OTHER_HASH}",
    f"bob:{APR1}",
]
PIECES = [
    "###",
    "||",
    ",",
    "/",
    "//",
    "alice",
    "A",
    "https://",
    "h",
    ":",
    "80",
    "99999",
    "{",
    "\r",
    "\n",
    "\0",
    "\x1b[2J",
    " ",
]
PIECES += ["#", "$host", "x" * 300, "..", "~", "é", "\ufeff", "\udc80", "\u212a"]
lines = st.builds(
    lambda good, at, odd: good[: at % (len(good) + 1)] + odd + good[at % (len(good) + 1) :],
    st.sampled_from(GOOD),
    st.integers(0, 100),
    st.just("") | st.sampled_from(PIECES) | st.text(max_size=8),
)
contents = st.binary(max_size=200) | st.lists(lines, max_size=8).map(
    lambda found: "\n".join(found).encode("utf-8", "surrogatepass")
)


@hypothesis.given(conf=contents, htpasswd=contents)
@hypothesis.example(b"###/a||http://h:\xd9\xa1\xd9\xa1\xd9\xa1\xd9\xa1/||", b"")
def test_no_content_raises_or_brings_what_the_model_refuses(conf: bytes, htpasswd: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        what = found(Path(folder), {"alice.conf": conf, "alice.htpasswd": htpasswd})
    hypothesis.event("something is imported" if what.items else "nothing is imported")
    for line in what.refused + what.adapted:
        assert line.startswith("alice.")
        assert line.replace("…", "").isascii()
        assert line.isprintable()
        assert len(line) < 1000
        assert not line.startswith("alice.htpasswd") or "$" not in line
    items = [item for _place, item in what.items.get("alice", [])]
    plain = UserData(
        tuple(item for item in items if isinstance(item, Link)),
        tuple(item for item in items if isinstance(item, Login)),
    )
    again, problems = parse_user(plain.as_json(), POLICY, stored=True)
    assert problems == []
    assert len(again.links) + len(again.logins) == len(items)
    assert all(LINK.fullmatch(link.name) for link in plain.links)
