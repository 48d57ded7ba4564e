"""mallory fills her socket folder to the last file and byte. The sockets and pages of others are not affected."""

from __future__ import annotations

import pytest

SOCKETS = "/run/vizgate/sockets"
FILL = """
import os, sys
folder = sys.argv[1]
errors = []
try:
    with open(folder + "/bytes", "wb") as file:
        while True:
            file.write(b"x" * 65536)
except OSError as error:
    errors.append(error.strerror)
try:
    for number in range(100_000):
        os.close(os.open(f"{folder}/file-{number}", os.O_CREAT))
except OSError as error:
    errors.append(error.strerror)
print(*errors, sep="; ")
"""
BIND = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
FULL = "No space left on device"


@pytest.fixture
def page(host, run):
    """Publishes a socket of an account and starts a program that listens on it; returns its path."""
    made = []

    def page(account):
        path = f"{SOCKETS}/{account}/full.sock"
        made.append(account)
        run(account, f"echo {account}-secret | vizgate login add {account} --password-stdin")
        assert run(account, f"vizgate add full --socket {path}")[::2] == (0, "")
        host.check_output(f"systemd-run -q --unit=full-{account} --uid={account} python3 /opt/unix_backend.py {path}")
        host.check_output(f"timeout 60 sh -c 'until test -S {path}; do sleep 0.1; done'")
        return path

    yield page
    for account in made:
        host.run(f"systemctl stop full-{account}")
        run(account, "vizgate remove full --yes")
        host.run(f"umount --lazy {SOCKETS}/{account}; rmdir {SOCKETS}/{account}")


@pytest.fixture
def full(host, page, run):
    """Fills her folder completely; returns its path."""
    page("mallory")
    done = host.check_output("runuser -u mallory -- python3 -c %s %s", FILL, f"{SOCKETS}/mallory")
    assert done == f"{FULL}; {FULL}"


def test_others_go_on(host, page, run, get, full):
    """A user with a folder restarts a program; a user without one, as after a boot, gets a folder."""
    for account in ("alice", "user49"):
        path = page(account)
        assert get(f"/{account}/full/", account).status == 200
        host.check_output(f"systemctl stop full-{account}; rm {path}")
        host.check_output(f"systemd-run -q --unit=full-{account} --uid={account} python3 /opt/unix_backend.py {path}")
        host.check_output(f"timeout 60 sh -c 'until test -S {path}; do sleep 0.1; done'")
        assert get(f"/{account}/full/", account).status == 200
    assert run("alice", "vizgate add between --port 9087")[0] == 0
    assert run("alice", "vizgate remove between --yes")[0] == 0
    done = host.run("vizgate init")
    assert (done.rc, done.stderr) == (0, "")


def test_what_she_has_goes_on_and_the_error_is_hers(host, run, get, full):
    assert get("/mallory/full/", "mallory").status == 200
    done = host.run("runuser -u mallory -- python3 -c %s %s", BIND, f"{SOCKETS}/mallory/more")
    assert FULL in done.stderr
    assert run("mallory", "vizgate add more --port 9087")[0] == 0
    assert run("mallory", "vizgate remove more --yes")[0] == 0


def test_a_folder_follows_no_links_and_holds_nothing_to_run(host, full):
    options = host.check_output(f"findmnt --noheadings --output OPTIONS {SOCKETS}/mallory").split(",")
    assert {"nosymfollow", "nosuid", "nodev", "noexec"} <= set(options)
