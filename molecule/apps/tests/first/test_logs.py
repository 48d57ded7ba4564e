"""App logs belong to their owners: root opens none of them, and a hostile log does not affect other users."""

from __future__ import annotations

import time

import pytest

LOG = "/home/alice/apps/a3/log/a3.log"
LEASE = f"""
import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open({LOG!r}, os.O_WRONLY)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
open("/home/alice/leased", "w").close()
time.sleep(60)
"""


def say(visitor, user, name, text):
    """Makes an app print a text."""
    assert visitor(user).get(f"/{user}/{name}/say", params=text).status_code == 200


@pytest.fixture
def hostile(host, run, release):
    """Alice's log has 15 TB, and a lease that blocks every open for 45 s."""
    # a lease needs a file that no other process has open
    host.check_output(f"systemctl stop 'vizgate-app-alice:a3:{release('alice', 'a3')}.service'")
    assert run("alice", f"truncate -s 15T {LOG} && rm -f leased")[0] == 0
    host.check_output("systemd-run --quiet --collect --unit=leaser -p User=alice python3 -c %s", LEASE)
    host.check_output("timeout 60 sh -c 'until [ -e /home/alice/leased ]; do sleep 0.1; done'")
    yield
    host.check_output("systemctl stop leaser")
    host.check_output("rm -f /home/alice/leased")
    assert run("alice", "vizgate app restart a3")[0] == 0, "which waits until it answers"


@pytest.fixture
def large(host, run):
    """Bob's log is so large that the next line rotates it."""
    assert run("bob", "rm -f apps/b3/log/b3.log.* && truncate -s 10M apps/b3/log/b3.log")[0] == 0


@pytest.mark.usefixtures("hostile", "large")
def test_a_hostile_log_holds_up_nothing_of_roots_and_nobody_else(host, run, visitor):
    start = time.monotonic()
    host.check_output("timeout 30 logrotate --force /etc/logrotate.conf")
    assert run("bob", "timeout 30 vizgate app restart b3")[0] == 0
    say(visitor, "bob", "b3", "said by bob")
    assert time.monotonic() - start < 40
    assert "said by bob" in run("bob", "cat apps/b3/log/b3.log")[1]
    assert host.file("/home/bob/apps/b3/log/b3.log").size < 2**20
    assert host.file("/home/bob/apps/b3/log/b3.log.1").size >= 10 * 2**20


def test_a_log_of_15_terabytes_is_put_aside_and_not_read(host, run, visitor):
    assert run("alice", f"truncate -s 15T {LOG}")[0] == 0
    start = time.monotonic()
    say(visitor, "alice", "a3", "said by alice")
    assert "said by alice" in run("alice", "vizgate app logs a3")[1]
    assert time.monotonic() - start < 300
    assert host.file(LOG).size < 2**20
    assert run("alice", "rm apps/a3/log/a3.log.1")[0] == 0


def test_no_process_of_roots_has_a_log_open(host, run):
    find = "find /proc/[0-9]*/fd -lname '/home/*/apps/*/log/*' -user {} 2>/dev/null || true"
    assert host.check_output(find.format("root")) == ""
    assert run("alice", find.format("alice"))[1], "the owner's have"


def test_an_app_goes_on_where_its_log_cannot_be_written(host, run, visitor):
    assert run("alice", f"mv {LOG} {LOG}.kept && mkfifo {LOG}")[0] == 0
    try:
        say(visitor, "alice", "a3", "said to the journal")
        assert "said to the journal" in host.check_output("journalctl --no-pager -o cat -u 'vizgate-app-alice:a3:*'")
    finally:
        assert run("alice", f"mv {LOG}.kept {LOG}")[0] == 0
    say(visitor, "alice", "a3", "said to the log")
    assert "said to the log" in run("alice", f"cat {LOG}")[1]


def test_size_is_bounded(run, visitor):
    line = "x" * 4000
    assert run("alice", f"rm -f {LOG}.* && truncate -s 10M {LOG}")[0] == 0
    for _ in range(8):
        say(visitor, "alice", "a3", line)
        assert run("alice", f"truncate -s 10M {LOG}")[0] == 0
    assert len(run("alice", "ls apps/a3/log/a3.log.*")[1].split()) == 5
