"""The old script's links and logins: imported ones answer, and what is refused is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from backends import Backend
from conftest import Vizgate
from rig import ALICE

HASH = "$2y$04$JNWtoDQ8f5dbESUIHLjUf.7Eh6XYsYtMMMLZemuKowZvyXtJoIXpS"  # wonder
APR1 = "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"


@pytest.fixture
def old(tmp_path: Path, backend: Backend) -> str:
    """The old script's folder, with what two users have left in it."""
    server = f"http://127.0.0.1:{backend.port}/"
    (tmp_path / "alice.conf").write_text(f"###/alice/train||{server}||Loss curves\n###/alice/Eval||{server}||\n")
    (tmp_path / "alice.htpasswd").write_text(f"old:{HASH}\nolder:{APR1}\n")
    (tmp_path / "bob.conf").write_text(f"###/bob/fixed||{server}||\n###/bob/far||http://8.8.8.8:9087/||\n")
    return str(tmp_path)


NOTE = "note: alice.conf:2: link 'Eval': the name is not of the form [a-z0-9][a-z0-9._-]{0,62}; it becomes 'eval'\n"
REFUSED = [
    "alice.htpasswd:2: login 'older': its hash is apr1, which the gateway does not take;"
    " alice sets a new password with 'vizgate login add older'",
    "bob.conf:1: link 'fixed': bob has another of that name (source 'inventory'), which stays;"
    " remove it first, or add this one by another name",
]


def test_imported_links_and_logins_work(
    vizgate: Vizgate, serves: Callable[..., str | int], old: str, backend: Backend
) -> None:
    target = f"127.0.0.1:{backend.port}"
    done = vizgate("import-multivisdom", old, user="")
    far, *others = sorted(done.err.splitlines(), key=lambda line: ("bob.conf:2" not in line, line))
    assert far.startswith("bob.conf:2: link 'far': host '8.8.8.8' is not in allowed_hosts: ")
    assert others == REFUSED
    assert (done.code, done.out) == (
        1,
        f"{NOTE}added {vizgate.site}/alice/eval/ -> {target}\nadded {vizgate.site}/alice/train/ -> {target}\n"
        f"added login old of {vizgate.site}/alice/\n2 links and 1 logins imported, 3 lines refused\n",
    )
    for name in ("eval", "train"):
        backend.seen.clear()
        assert serves(f"/alice/{name}/x", ("old", ALICE[1])) == "tool"
        assert backend.seen[0].target == "/x"


def test_checking_changes_nothing(vizgate: Vizgate, serves: Callable[..., str | int], old: str) -> None:
    before = vizgate.gate.state()
    done = vizgate("import-multivisdom", old, "--check", user="")
    assert done.code == 1
    assert done.out.startswith(NOTE + "nothing is changed yet; without --check:\nadded ")
    assert vizgate.gate.state() == before
    assert serves("/alice/train/") == 404


def test_importing_again_changes_nothing(vizgate: Vizgate, old: str) -> None:
    vizgate("import-multivisdom", old, user="")
    before = vizgate.gate.state()
    done = vizgate("import-multivisdom", old, user="")
    assert done.out == NOTE + "0 links and 0 logins imported, 3 lines refused\n"
    assert vizgate.gate.state() == before


def test_very_many_files_do_not_fill_the_screen(vizgate: Vizgate, tmp_path: Path) -> None:
    for number in range(1500):
        (tmp_path / f"z{number}.conf").write_text(f"###\n###Train||http://127.0.0.1:{9000}||\n")
    done = vizgate("import-multivisdom", str(tmp_path), "--check", user="")
    refused, notes = done.err.splitlines(), [line for line in done.out.splitlines() if line.startswith("note: ")]
    assert (len(refused), refused[-1]) == (1001, "and 500 more")
    assert (len(notes), notes[-1]) == (1001, "note: and 2000 more")
    assert done.out.endswith("1500 links and 0 logins imported, 1500 lines refused\n")


def test_where_nothing_is_refused_it_ends_well(vizgate: Vizgate, tmp_path: Path) -> None:
    assert (
        vizgate.ok("import-multivisdom", str(tmp_path), user="") == "0 links and 0 logins imported, 0 lines refused\n"
    )


def test_a_folder_that_is_not_there(vizgate: Vizgate) -> None:
    done = vizgate("import-multivisdom", user="")
    folder = vizgate.gate.root / "etc/nginx/sites-available/multivisdom"
    reason = f"folder '{folder}' cannot be read (No such file or directory); name the old script's\n"
    assert (done.code, done.out, done.err) == (1, "", reason)
