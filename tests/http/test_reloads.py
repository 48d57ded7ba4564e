"""Reloads stay harmless: many become one, open websockets stay, but not in ever more workers, and nobody is told too early."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import websockets.exceptions
import websockets.sync.client
from ansible_collections.vizgate.gateway.plugins.module_utils._core.apply import control
from ansible_collections.vizgate.gateway.plugins.module_utils._core.errors import NotReloaded
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host import reload as reload_module
from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.reload import (
    Reloader,
    old_generations,
    workers,
)
from ansible_collections.vizgate.gateway.plugins.module_utils._core.model.entities import Link
from conftest import Backends
from rig import ALICE, Rig, eventually, is_alive

pytestmark = pytest.mark.alone

Websocket = websockets.sync.client.ClientConnection


class Reloads:
    """Calls the gateway's program with limits of the test's own, and counts what nginx got."""

    def __init__(self, gate: Rig) -> None:
        self.gate, self.run, self.log = gate, gate.root / "run/vizgate", gate.root / "var/log/nginx/error.log"
        self.log.write_text("")

    def ask(self, interval: float = 0, generations: int = 3) -> subprocess.Popen[str]:
        """Somebody asks for a reload."""
        lib, conf = self.gate.root / "usr/local/lib/vizgate", self.gate.root / "etc/nginx/vizgate/nginx.conf"
        command = [sys.executable, "-I", str(lib / "bin/vizgate-reload"), f"--interval={interval}"]
        command += [f"--generations={generations}", f"--folder={self.run}", f"--pid-file={self.run}/nginx.pid", "--"]
        command += ["/usr/sbin/nginx", "-t", "-q", "-e", "stderr", "-c", str(conf)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def reload(self, interval: float = 0, generations: int = 3) -> None:
        """Asks, and waits for the answer."""
        assert answer(self.ask(interval, generations)) == (0, "")

    def count(self) -> int:
        """How often nginx was told to read its configuration again."""
        return self.log.read_text().count("signal 1 (SIGHUP) received from")


def answer(asked: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code of the program, and what it said."""
    out, err = asked.communicate(timeout=60)
    assert out == ""
    return asked.returncode, err


def talks(websocket: Websocket) -> bool:
    """Whether a websocket still answers."""
    try:
        websocket.send("still here")
        while websocket.recv(60) != "still here":
            pass  # its greeting
    except (websockets.exceptions.ConnectionClosed, TimeoutError):
        return False
    return True


def serving(gate: Rig) -> set[int]:
    """The workers that take requests; others may still be on their way out."""
    return {worker.pid for worker in workers(gate.master()) if not worker.leaving}


def is_waiting(pid: int) -> bool:
    """Whether a call of the program has asked, and waits: it opens the file that it notes things in, and ends with it."""
    with contextlib.suppress(OSError):
        names = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
        return is_alive(pid) and any(name.endswith("/run/vizgate/reload") for name in names)
    return False


@pytest.fixture
def reloads(gate: Rig) -> Iterator[Reloads]:
    """An nginx that writes down its signals, and has just been started."""
    conf = gate.root / "etc/nginx/vizgate/nginx.conf"
    before = conf.read_text()
    assert "/error.log;" in before
    conf.write_text(before.replace("/error.log;", "/error.log notice;"))
    gate.restart()
    (gate.root / "run/vizgate/reload").unlink(missing_ok=True)
    yield Reloads(gate)
    conf.write_text(before)
    gate.restart()


@pytest.fixture
def dial(gate: Rig) -> Iterator[Callable[[], Websocket]]:
    """Opens a websocket, which is closed after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(gate.websocket("/alice/ws/"))


def test_the_oldest_generation_goes_first(gate: Rig, reloads: Reloads, dial: Callable[[], Websocket]) -> None:
    opened = []
    for generation in range(5):
        opened.append(dial())
        reloads.reload(generations=3)
        # the reload does not wait for the workers that it has told to end
        eventually(lambda: len(old_generations(workers(gate.master()))) <= 3)
        # newest websockets first: as many as there may be generations are still there
        assert [talks(websocket) for websocket in reversed(opened)] == [True] * min(generation + 1, 3) + [False] * max(
            generation - 2, 0
        )
    # none that was ended is replaced
    eventually(lambda: len(gate.workers()) == 3 + (os.cpu_count() or 1))


def test_generations_without_connections_take_nobodys_place(
    gate: Rig, reloads: Reloads, dial: Callable[[], Websocket]
) -> None:
    websocket = dial()
    for _ in range(4):
        reloads.reload(generations=1)
    assert talks(websocket)


def test_generations_of_others_signals_count(gate: Rig, reloads: Reloads, dial: Callable[[], Websocket]) -> None:
    """Who signals nginx past the program makes more generations; the next call ends those that are too many."""
    opened = []
    for _ in range(3):
        opened.append(dial())
        before = set(gate.workers())
        os.kill(gate.master(), signal.SIGHUP)
        eventually(lambda before=before: len(set(gate.workers()) - before) == os.cpu_count())
        time.sleep(0.2)
    opened.append(dial())
    reloads.reload(generations=2)
    eventually(lambda: [talks(websocket) for websocket in opened] == [False, False, True, True])


def test_no_generation_needs_to_stay(gate: Rig, reloads: Reloads, dial: Callable[[], Websocket]) -> None:
    websocket = dial()
    reloads.reload(generations=0)
    eventually(lambda: len(gate.workers()) == os.cpu_count())
    assert not talks(websocket)


def test_who_asks_at_the_same_time_shares_a_reload(reloads: Reloads) -> None:
    with (reloads.run / "reload").open("w") as note:
        # nobody begins before all have asked
        fcntl.flock(note, fcntl.LOCK_EX)
        asked = [reloads.ask() for _ in range(12)]
        eventually(lambda: all(is_waiting(process.pid) for process in asked))
    assert [answer(process) for process in asked] == [(0, "")] * 12
    assert reloads.count() == 1


def test_a_loop_reloads_no_more_often_than_the_interval(
    gate: Rig, reloads: Reloads, dial: Callable[[], Websocket]
) -> None:
    websocket, seen = dial(), list[int]()
    end, started = threading.Event(), time.monotonic()

    def loop() -> None:
        while not end.is_set():
            reloads.reload(interval=3)

    def comes_the_third() -> bool:
        seen.append(len(gate.workers()))
        return reloads.count() >= 3

    threads = [threading.Thread(target=loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(comes_the_third)
    taken = time.monotonic() - started
    end.set()
    for thread in threads:
        thread.join()
    assert taken > 2 * 3
    assert talks(websocket)
    # new workers, those on their way out, and one that holds the websocket
    assert max(seen) <= 2 * (os.cpu_count() or 1) + 1


def test_what_was_written_before_serves_after(gate: Rig, reloads: Reloads) -> None:
    """Each of several who write, ask and look finds what they wrote, although they share reloads."""
    wrong = []

    def change(name: str) -> None:
        path = gate.root / f"etc/nginx/vizgate/links.d/{name}.map"
        try:
            for port in range(9000, 9006):
                path.with_suffix(".new").write_text(f'"{name}/t" "keep 127.0.0.1:{port}";\n')
                path.with_suffix(".new").rename(path)
                reloads.reload(interval=0.3)
                found = control.served(gate.core.paths.control, [f"{name}/t"])[f"{name}/t"]
                if found != f"keep 127.0.0.1:{port}":
                    wrong.append((port, found))
        finally:
            path.unlink()

    threads = [threading.Thread(target=change, args=(f"writer{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert 6 <= reloads.count() < 5 * 6, "nothing was shared"


def test_a_reload_during_changes_loses_none(gate: Rig, reloads: Reloads, backends: Backends) -> None:
    end = threading.Event()

    def loop() -> None:
        while not end.is_set():
            reloads.reload()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        for turn in range(20):
            expected, port = [("alice's", backends.alice.port), ("bob's", backends.bob.port)][turn % 2]
            gate.declare("alice", [Link("t", port)])
            assert [gate.get("/alice/t/", ALICE).backend for _ in range(3)] == [expected] * 3
    finally:
        end.set()
        thread.join()
    assert gate.get("/alice/t/", ALICE).backend == "bob's"
    assert reloads.count() > 1


def test_a_broken_configuration_is_refused_in_nginxs_words(gate: Rig, reloads: Reloads) -> None:
    conf = gate.root / "etc/nginx/vizgate/nginx.conf"
    right, before = conf.read_text(), gate.workers()
    conf.write_text(right + "nonsense;\n")
    try:
        code, text = answer(reloads.ask())
        through = subprocess.run(
            [gate.root / "usr/local/lib/vizgate/bin/vizgate-rootless", "reload"],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        conf.write_text(right)
    said = re.fullmatch(
        r"vizgate-reload: nginx rejects the new configuration and keeps the old one: .*\[emerg\] .*"
        rf'unknown directive "nonsense" in {conf}:(\d+) nginx: configuration file {conf} test failed\n',
        text,
    )
    assert code == 1
    assert said, text
    assert int(said[1]) == right.count("\n") + 1
    assert gate.workers() == before
    # the gateway's own command is the same program
    assert through.returncode == 1
    assert through.stderr.partition("[emerg]")[0][:60] == text[:60]
    reloads.reload()
    assert not serving(gate) & set(before)


def test_a_configuration_that_only_the_master_refuses_is_reported(
    gate: Rig, reloads: Reloads, backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nginx -t` does not mind a port that somebody else has; the master does, says so in its log, and changes nothing."""
    conf = gate.root / "etc/nginx/vizgate/nginx.conf"
    right, before = conf.read_text(), gate.workers()
    taken = f"server {{ listen 127.0.0.1:{backends.alice.port}; }}\n}}"
    conf.write_text(right.rstrip().removesuffix("}") + taken + "\n")
    monkeypatch.setattr(reload_module, "TAKE_UP_SECONDS", 4)
    test = ["/usr/sbin/nginx", "-t", "-q", "-e", "stderr", "-c", str(conf)]
    try:
        with pytest.raises(NotReloaded) as refused:
            Reloader(str(reloads.run), f"{reloads.run}/nginx.pid", test, 0, 3).reload()
    finally:
        conf.write_text(right)
    assert str(refused.value) == "nginx has not replaced its workers in 4 s; its error log says why"
    assert "Address already in use" in reloads.log.read_text()
    assert gate.workers() == before
    reloads.reload()


def test_killed_in_the_middle_the_next_one_works(gate: Rig, reloads: Reloads) -> None:
    reloads.reload()
    before = gate.workers()
    waiting = reloads.ask(interval=30)
    eventually(lambda: is_waiting(waiting.pid))
    second = reloads.ask(interval=0)
    waiting.kill()
    waiting.communicate()
    assert answer(second) == (0, "")
    assert not serving(gate) & set(before)


def test_nginx_may_be_restarted_or_stopped_meanwhile(gate: Rig, reloads: Reloads) -> None:
    reloads.reload()
    waiting = reloads.ask(interval=12)
    eventually(lambda: is_waiting(waiting.pid))
    # however long the restart takes
    waiting.send_signal(signal.SIGSTOP)
    gate.restart()
    before = gate.workers()
    waiting.send_signal(signal.SIGCONT)
    assert answer(waiting) == (0, "")
    assert not serving(gate) & set(before)
    gate.command("stop")
    pid_file = gate.root / "run/vizgate/nginx.pid"
    try:
        expected = f"vizgate-reload: nginx does not run: {pid_file} names no process of nginx; start it\n"
        assert answer(reloads.ask()) == (1, expected)
        # the pid of somebody else's process, in a file that was left behind
        pid_file.write_text(f"{os.getpid()}\n")
        assert answer(reloads.ask()) == (1, expected)
        gate.command("reload")
    finally:
        pid_file.unlink(missing_ok=True)
        gate.command("start")


def test_a_note_from_before_the_last_boot_holds_nobody_up(gate: Rig, reloads: Reloads) -> None:
    later = time.monotonic() + 1e6
    (gate.root / "run/vizgate/reload").write_text(f"{later} {later} -")
    before = gate.workers()
    reloads.reload(interval=40)
    assert not serving(gate) & set(before)


def test_the_gateways_own_command_keeps_its_distance(gate: Rig, reloads: Reloads) -> None:
    gate.command("reload")
    started, before = time.monotonic(), gate.workers()
    gate.command("reload")
    assert time.monotonic() - started > 1
    assert not serving(gate) & set(before)
