"""Many listening sockets of one user do not slow down the pages of others."""

from __future__ import annotations

import time

import pytest

MANY = 20000
LISTEN = """
import os, signal, socket, sys
many, workers = int(sys.argv[1]), 4
for worker in range(workers):
    if not os.fork():
        # one address has not so many ports that are free
        kept = [socket.create_server((f"127.9.{worker}.9", 2000 + port)) for port in range(many // workers)]
        signal.pause()
signal.pause()
"""
CPU = "cat $(pgrep --parent $(cat /run/nginx.pid) | sed 's:.*:/proc/&/stat:') | awk '{ticks += $14 + $15} END {print ticks}'"
LOOKS = 4


@pytest.fixture
def worked(host, get):
    """The CPU time of nginx's workers, in seconds, for requests that check the listener of a port."""
    second = int(host.check_output("getconf CLK_TCK"))

    def worked():
        before = int(host.check_output(CPU))
        for _ in range(LOOKS):
            assert get("/alice/t/")[0] == 200
            time.sleep(1.1)  # workers check once a second
        return (int(host.check_output(CPU)) - before) / second

    return worked


@pytest.fixture
def mallorys(host):
    """mallory's listeners."""
    line = "systemd-run --unit=listeners --uid=mallory --property=LimitNOFILE=6000 python3 -c %s %s"
    host.check_output(line, LISTEN, str(MANY))
    host.check_output("timeout 60 sh -c 'until [ $(ss -Htln | wc -l) -ge %s ]; do sleep 0.2; done'", str(MANY))
    yield
    host.check_output("systemctl stop listeners")


def test_pages_do_not_wait_for_somebodys_listeners(host, ports, run, program, worked, request):
    first = ports("alice")["first"]
    run("alice", "echo alice-secret | vizgate login add alice --password-stdin")
    run("alice", f"vizgate add t --port {first}")
    tool = program("alice", first)
    try:
        alone = worked()
        request.getfixturevalue("mallorys")
        # reading the kernel's table of all listeners took 50 ms for each check
        assert worked() < alone + LOOKS * 0.02
    finally:
        tool.stop()
