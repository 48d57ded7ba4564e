"""The old script's links and logins: imported ones answer, old hashes until a policy ends them, and what is refused is said."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.change import Options
from ansible_collections.vizgate.gateway.tests.unit.old_script import write_script_files
from backends import Backend
from conftest import Vizgate
from rig import ALICE, Rig

HASH = "$2y$04$JNWtoDQ8f5dbESUIHLjUf.7Eh6XYsYtMMMLZemuKowZvyXtJoIXpS"  # wonder
DES = "rqXexS6ZhobKA"


@pytest.fixture
def old(tmp_path: Path, backend: Backend) -> str:
    """The old script's folder, with what two users have left in it."""
    server = f"http://127.0.0.1:{backend.port}/"
    (tmp_path / "alice.conf").write_text(f"###/alice/train||{server}||Loss curves\n###/alice/Eval||{server}||\n")
    (tmp_path / "alice.htpasswd").write_text(f"old:{HASH}\nolder:{DES}\n")
    (tmp_path / "bob.conf").write_text(f"###/bob/fixed||{server}||\n###/bob/far||http://8.8.8.8:9087/||\n")
    return str(tmp_path)


NOTE = "note: alice.conf:2: link 'Eval': the name is not of the form [a-z0-9][a-z0-9._-]{0,62}; it becomes 'eval'\n"
REFUSED = [
    "alice.htpasswd:2: login 'older': its hash is DES crypt, which the gateway does not take;"
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


@pytest.fixture
def original(tmp_path: Path, backend: Backend) -> str:
    """What the original public script leaves: links, and logins by the htpasswd of this host as it is called without options, and
    with that for SHA-1."""
    server = f"http://127.0.0.1:{backend.port}/"
    write_script_files(tmp_path, "alice", [("train", server, "Loss curves"), ("eval", server, "")])
    for options, login in ((["-c"], "first"), ([], "second"), (["-s"], "third")):
        command = ["htpasswd", "-i", *options, str(tmp_path / "alice.htpasswd"), login]
        subprocess.run(command, input=f"password of {login}", text=True, check=True, capture_output=True)
    text = (tmp_path / "alice.htpasswd").read_text()
    assert (text.count(":$apr1$"), text.count(":{SHA}")) == (2, 1)
    return str(tmp_path)


LOGINS = ("first", "second", "third")


def test_all_logins_of_the_original_script_work(
    vizgate: Vizgate, serves: Callable[..., str | int], original: str
) -> None:
    done = vizgate("import-multivisdom", original, user="")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("2 links and 3 logins imported, 0 lines refused\n")
    for link in ("train", "eval"):
        for login in LOGINS:
            assert serves(f"/alice/{link}/x", (login, f"password of {login}")) == "tool"
            assert serves(f"/alice/{link}/x", (login, "another")) == 401


def test_old_hashes_are_listed_until_their_users_set_passwords(
    vizgate: Vizgate, serves: Callable[..., str | int], original: str
) -> None:
    vizgate.ok("import-multivisdom", original, user="")
    old = "the hash of its password has an old format and is still accepted"
    said = vizgate.ok("login", "list")
    assert [line.partition(":")[0] for line in said.splitlines() if old in line] == list(LOGINS)
    vizgate.ok("login", "password", "second", "--password-stdin", typed="new")
    assert f"second: {old}" not in vizgate.ok("login", "list")
    assert serves("/alice/train/", ("second", "new")) == "tool"
    listed = {login["name"]: login["legacy"] for login in json.loads(vizgate.ok("login", "list", "--json"))}
    assert listed == {"alice": False, "first": True, "second": False, "third": True}


def test_an_old_hash_is_replaced_after_its_login_was_used(
    vizgate: Vizgate, gate: Rig, serves: Callable[..., str | int], original: str
) -> None:
    vizgate.ok("import-multivisdom", original, user="")
    control.passwords(gate.core.paths.control)  # those of other tests
    assert serves("/alice/train/", ("first", "password of first")) == "tool"
    assert serves("/alice/train/", ("second", "wrong")) == 401
    resolve = gate.root / "usr/local/lib/vizgate/bin/vizgate-resolve"
    done = subprocess.run([resolve], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
    hashes = {login.name: login.password_hash for login in gate.core.registry.sources("alice")["self"].logins}
    assert hashes["first"].startswith("$2y$10$")
    assert (hashes["second"][:6], hashes["third"][:5]) == ("$apr1$", "{SHA}")
    assert serves("/alice/train/", ("first", "password of first")) == "tool"
    # what nginx had kept is gone, and the password is nowhere but in memory
    assert control.passwords(gate.core.paths.control) == []
    text = "".join(path.read_text(errors="replace") for path in gate.root.rglob("*") if path.is_file())
    assert "password of first" not in text
    assert base64.b64encode(b"password of first").decode() not in text


def set_policy(gate: Rig, until: str) -> None:
    """Changes the policy's last day for old hashes, and lets the minute's refresh see it."""
    path = Path(gate.core.paths.policy)
    path.write_text(json.dumps({**json.loads(path.read_text()), "legacy_hashes_until": until}))
    gate.core.refresh()


def test_a_policy_ends_old_hashes(vizgate: Vizgate, gate: Rig, serves: Callable[..., str | int], original: str) -> None:
    vizgate.ok("import-multivisdom", original, user="")
    vizgate.ok("login", "password", "second", "--password-stdin", typed="new")
    passwords = Path(gate.core.paths.includes) / "logins.d/alice.htpasswd"
    today, yesterday = (time.strftime("%Y-%m-%d", time.localtime(time.time() - days * 86400)) for days in (0, 1))
    before = Path(gate.core.paths.policy).read_text()
    try:
        set_policy(gate, today)
        assert serves("/alice/train/", ("first", "password of first")) == "tool"
        assert f"is accepted until {today}; vizgate login password first" in vizgate.ok("login", "list")
        set_policy(gate, yesterday)
        # what was remembered of the login is worth nothing either
        assert serves("/alice/train/", ("first", "password of first")) == 401
        assert serves("/alice/train/", ("third", "password of third")) == 401
        assert serves("/alice/train/", ("second", "new")) == "tool"
        assert serves("/alice/train/", ALICE) == "tool"
        assert "$apr1$" not in passwords.read_text()
        assert f"was accepted until {yesterday}; vizgate login password first" in vizgate.ok("login", "list")
        # a change of another kind brings none back
        vizgate.ok("login", "add", "fourth", "--password-stdin", typed="fourth")
        assert "$apr1$" not in passwords.read_text()
        vizgate.ok("login", "password", "first", "--password-stdin", typed="new")
        assert serves("/alice/train/", ("first", "new")) == "tool"
    finally:
        Path(gate.core.paths.policy).write_text(before)


def test_the_old_address_of_a_link_that_was_renamed_leads_to_it(
    vizgate: Vizgate, gate: Rig, serves: Callable[..., str | int], original: str, backend: Backend
) -> None:
    server = f"http://127.0.0.1:{backend.port}/"
    write_script_files(Path(original), "alice", [(name, server, "") for name in ("Run-B", "train", "odd+Name")])
    vizgate.ok("import-multivisdom", original, user="")
    assert serves("/alice/run-b/x", ALICE) == "tool"
    for old, new in (
        ("/alice/Run-B", "/alice/run-b/"),
        ("/alice/Run-B/", "/alice/run-b/"),
        ("/alice/Run-B/a/B?c=D", "/alice/run-b/a/B?c=D"),
    ):
        answer = gate.get(old, ALICE)
        where = dict(answer.headers)["Location"]
        assert (answer.status, where.removeprefix(f"http://127.0.0.1:{gate.port}")) == (302, new)
        # nobody learns without a login what there was
        assert gate.get(old).status == 401
    for path in (
        "/alice/RUN-B/",
        "/alice/Run-Bx/",
        "/alice/Run-C/",
        "/alice/%52un-B/",
        "/alice/odd+Name/",
        "/bob/Run-B/",
    ):
        assert gate.get(path, ALICE).status in (401, 404)
    policy = Path(gate.core.paths.policy)
    before = policy.read_text()
    try:
        policy.write_text(json.dumps({**json.loads(before), "old_addresses": False}))
        gate.core.declare("self", lambda registry: {}, Options(repair=True))
        assert gate.get("/alice/Run-B/", ALICE).status == 404
    finally:
        policy.write_text(before)
    gate.core.declare("self", lambda registry: {}, Options(repair=True))
    assert gate.get("/alice/Run-B/", ALICE).status == 302
    # a link that is there no longer leads nowhere
    vizgate.ok("remove", "run-b", "--yes")
    assert gate.get("/alice/Run-B/", ALICE).status == 404


def test_checking_changes_nothing(vizgate: Vizgate, serves: Callable[..., str | int], old: str) -> None:
    before = vizgate.gate.state()
    done = vizgate("import-multivisdom", old, "--check", user="")
    assert done.code == 1
    assert done.out.startswith(NOTE + "nothing was changed; without --check, this would be done:\nadded ")
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
    reason = f"folder '{folder}' cannot be read (No such file or directory); give the folder that the multivisdom script wrote\n"
    assert (done.code, done.out, done.err) == (1, "", reason)
