# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry: reading what is declared, saying what is damaged, and one writer at a time."""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply.gateway import Gateway
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import InvalidData, Locked
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link, UserData
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.policy import Policy
from ansible_collections.vizgate.gateway.plugins.module_utils._core.paths import Paths
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry import store
from ansible_collections.vizgate.gateway.plugins.module_utils._core.registry.store import Registry, me
from ansible_collections.vizgate.gateway.tests.unit.support import COLLECTION


@pytest.fixture
def registry(gateway: Gateway) -> Registry:
    """A registry in which nothing is declared."""
    return gateway.registry


def put(registry: Registry, user: str, source: str, text: str) -> str:
    """Puts a file of any content into the registry; returns its path."""
    path = Path(registry.file(user, source))
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_what_is_declared(registry: Registry) -> None:
    put(registry, "bob", "inventory", '{"links": [{"name": "a", "port": 1}]}')
    put(registry, "alice", "self", '{"links": [{"name": "b", "port": 2}]}')
    put(registry, "alice", "apps", '{"links": [{"name": "c", "port": 3}], "logins": []}')
    Path(registry.file("alice", "apps") + ".new").write_text("half a fi", encoding="utf-8")
    assert registry.users() == ["alice", "bob"]
    assert registry.everything() == {
        "alice": {"apps": UserData((Link("c", 3),)), "self": UserData((Link("b", 2),))},
        "bob": {"inventory": UserData((Link("a", 1),))},
    }
    assert registry.sources("carol") == {}


def test_a_gateway_that_is_not_there_yet(root: str) -> None:
    registry = Registry(Paths(root))
    assert registry.users() == []
    assert registry.everything() == {}
    assert registry.addresses() == {}


def test_a_folder_without_declarations_is_nobody(registry: Registry) -> None:
    os.mkdir(os.path.join(registry.paths.users, "mallory"))
    assert registry.everything() == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"Expecting value: line 1 column 1 \(char 0\)"),
        ('{"links": [', r"Expecting value: line 1 column 12 \(char 11\)"),
        ("\0\0\0", r"Expecting value: line 1 column 1 \(char 0\)"),
    ],
)
def test_a_damaged_file_is_named(registry: Registry, text: str, problem: str) -> None:
    path = put(registry, "alice", "inventory", text)
    with pytest.raises(
        InvalidData, match=f"^{re.escape(path)} is damaged \\({problem}\\); remove it and declare its links again$"
    ):
        registry.everything()


@pytest.mark.parametrize("data", [b"\xff\xfe", b'{"links": "\x80"}'])
def test_a_file_that_is_no_text_is_named(registry: Registry, data: bytes) -> None:
    path = put(registry, "alice", "inventory", "")
    Path(path).write_bytes(data)
    with pytest.raises(InvalidData, match=f"^{re.escape(path)} is damaged"):
        registry.sources("alice")


def test_a_file_of_another_content_is_named_with_all_its_problems(registry: Registry) -> None:
    path = put(registry, "alice", "inventory", '{"links": [{"name": "a", "port": 0}, {"name": "b", "prot": 1}]}')
    with pytest.raises(InvalidData) as error:
        registry.sources("alice")
    assert error.value.problems == [
        f"{path}: link 'a': port 0 is not in 1-65535",
        f"{path}: link 'b': unknown key 'prot'; did you mean 'port'?",
        f"{path}: link 'b': it has no port",
    ]


@pytest.mark.parametrize("text", ["{", "[]", '{"gpu1": 5}'])
def test_damaged_addresses_are_named(registry: Registry, text: str) -> None:
    Path(registry.paths.addresses).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidData, match=f"^{re.escape(registry.paths.addresses)} is damaged"):
        registry.addresses()


def test_the_policy_on_the_host_is_the_one_that_counts(registry: Registry) -> None:
    Path(registry.paths.policy).write_text('{"allowed_hosts": ["gpu1"], "allowed_ports": [80]}', encoding="utf-8")
    found = registry.policy(new_policy=Policy(("*",), ("1-65535",)))
    assert found.allowed_hosts == ("gpu1",)
    assert found.origin == registry.paths.policy


def test_without_a_policy_the_coming_one_counts(registry: Registry) -> None:
    os.unlink(registry.paths.policy)
    coming = Policy(("*",), ("1-65535",))
    assert registry.policy(new_policy=coming) is coming
    with pytest.raises(InvalidData) as error:
        registry.policy()
    assert error.value.problems == [
        f"{registry.paths.policy} is missing: no gateway is installed here; role gateway installs one"
    ]


@pytest.mark.parametrize("text", [b"", b"allowed_hosts: [", b"{", b"\xff", b"\0", b"[" * 50000])
def test_a_policy_that_is_not_json_is_one_line_that_names_it(registry: Registry, text: bytes) -> None:
    Path(registry.paths.policy).write_bytes(text)
    with pytest.raises(InvalidData) as error:
        registry.policy()
    (problem,) = error.value.problems
    assert problem.startswith(f"{registry.paths.policy} is damaged (")
    assert problem.endswith("; run role gateway, which writes it")
    assert problem.isprintable()
    assert len(problem) < 400


def test_an_empty_policy_is_refused(registry: Registry) -> None:
    Path(registry.paths.policy).write_text("null", encoding="utf-8")
    with pytest.raises(InvalidData, match=r"policy\.json: 'None' is not a mapping"):
        registry.policy()


# the lock


def test_who_holds_the_lock_is_named(registry: Registry) -> None:
    started = time.monotonic()
    with registry.locked(), pytest.raises(Locked) as error, registry.locked(0.1):
        pass
    assert time.monotonic() - started < store.LOCK_SECONDS
    assert re.fullmatch(
        rf"process {os.getpid()} of {me()}, since \d\d:\d\d:\d\d has held {re.escape(registry.paths.lock)}"
        r" for over 0\.1 s; try again",
        str(error.value),
    )


def test_a_holder_that_has_not_said_its_name_is_somebody(registry: Registry) -> None:
    with registry.locked():
        os.truncate(registry.paths.lock, 0)
        with pytest.raises(Locked, match=r"^somebody has held"), registry.locked(0.05):
            pass


def in_line(registry: Registry) -> int:
    """How many wait for the lock, as the kernel tells it: `1: -> FLOCK ADVISORY WRITE 22579 fe:00:16490547 0 EOF`."""
    waiting = [line for line in Path("/proc/locks").read_text(encoding="ascii").splitlines() if "-> FLOCK" in line]
    return sum(f":{os.stat(registry.paths.lock).st_ino} " in line for line in waiting)


def until_in_line(registry: Registry, number: int) -> None:
    """Returns when so many wait for the lock."""
    end = time.monotonic() + 60
    while in_line(registry) < number:
        assert time.monotonic() < end, "nobody waits in the kernel's line"
        time.sleep(0.01)


def test_the_lock_waits_for_its_turn(registry: Registry) -> None:
    taken, order = threading.Event(), []

    def hold() -> None:
        with registry.locked():
            taken.set()
            until_in_line(registry, 1)
            order.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(60)
    with registry.locked(60):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_whoever_came_first_is_next(registry: Registry) -> None:
    order: list[int] = []

    def wait(number: int) -> None:
        with registry.locked(60):
            order.append(number)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(8)]
    with registry.locked():
        for number, thread in enumerate(threads, 1):
            thread.start()
            until_in_line(registry, number)
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_a_wait_that_goes_wrong_is_not_somebody_elses_fault(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FLOCK", "/bin/false")
    with registry.locked(), pytest.raises(Locked), registry.locked(0.05):
        pass
    monkeypatch.setattr(store, "FLOCK", "/usr/bin/env")  # which has no option --timeout
    refused = pytest.raises(OSError, match=r"^/usr/bin/env cannot wait for the lock \(exit code 125\)$")
    with registry.locked(), refused, registry.locked(0.05):
        pass


def test_the_lock_is_free_after_an_error(registry: Registry) -> None:
    with pytest.raises(ZeroDivisionError), registry.locked():
        raise ZeroDivisionError
    with registry.locked(0.05):
        pass
    assert os.path.getsize(registry.paths.lock) == 0


def test_the_lock_dies_with_its_holder(registry: Registry) -> None:
    program = f"""
import sys, time
sys.path.insert(0, {str(COLLECTION / "collections")!r})
from {store.__name__} import Registry
from {Paths.__module__} import Paths
with Registry(Paths({registry.paths.root!r})).locked():
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Locked, match=f"^process {holder.pid} of "), registry.locked(0.05):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with registry.locked(60):
        pass


@pytest.mark.parametrize(
    ("cgroup", "host"),
    [
        ("0::/user.slice/user-1001.slice/session-c99.scope\n", "192.0.2.7"),
        ("12:cpu:/user.slice\n1:name=systemd:/user.slice/user-1001.slice/session-c99.scope\n0::/\n", "192.0.2.7"),
        ("0::/user.slice/user-1001.slice/session-c98.scope\n", ""),
        ("0::/system.slice/cron.service\n", ""),
        # made by the user below a service manager of one's own
        ("0::/user.slice/user-1001.slice/user@1001.service/app.slice/session-c99.scope\n", ""),
        ("0::/user.slice/user-1001.slice/user@1001.service/user.slice/user-1.slice/session-c99.scope\n", ""),
    ],
)
def test_where_somebody_has_logged_in_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cgroup: str, host: str
) -> None:
    (tmp_path / "c99").write_text("UID=1001\nREMOTE=1\nREMOTE_HOST=192.0.2.7\n", encoding="utf-8")
    monkeypatch.setattr(store, "SESSIONS", str(tmp_path))
    assert store.remote_host(cgroup) == host


def test_a_holder_without_a_name_is_a_number(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> object:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    registry = Registry(registry.paths)
    with registry.locked(), pytest.raises(Locked, match=f" of uid {os.getuid()}, since "), registry.locked(0.05):
        pass


def test_all_damaged_files_of_all_users_are_named_at_once(registry: Registry) -> None:
    for user, source in (("alice", "inventory"), ("alice", "self"), ("bob", "inventory")):
        path = Path(registry.file(user, source))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{", encoding="utf-8")
    with pytest.raises(InvalidData) as caught:
        registry.everything()
    named = [problem.partition(" is damaged")[0] for problem in caught.value.problems]
    assert named == [registry.file(*name) for name in (("alice", "inventory"), ("alice", "self"), ("bob", "inventory"))]
