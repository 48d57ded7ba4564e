# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old script's files: hostile ones bring nothing but a line that says why."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import time
from pathlib import Path

import hypothesis
import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.migrate import multivisdom
from ansible_collections.vizgate.gateway.plugins.module_utils._core.migrate.multivisdom import Found, read
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, Login, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.names import LINK
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.parse import parse_user
from ansible_collections.vizgate.gateway.tests.unit.core.migrate.reading import (
    APR1,
    POLICY,
    STRANGER,
    everybody,
    found,
    links,
)
from ansible_collections.vizgate.gateway.tests.unit.support import HASH, OTHER_HASH
from hypothesis import strategies as st


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
