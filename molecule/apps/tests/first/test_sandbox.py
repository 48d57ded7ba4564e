"""An app can neither control its owner's other processes nor read its owner's keys."""

from __future__ import annotations

import json

import pytest

KEY = "a key of alice's"
SOCKETS = """
import json, socket
found = set()
for line in list(open("/proc/net/unix"))[1:]:
    words = line.split()
    name = words[7] if len(words) > 7 else ""
    address = chr(0) + name[1:] if name.startswith("@") else name
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as client:
            client.settimeout(1)
            try:
                name and client.connect(address)
                name and found.add(name)
            except (OSError, ValueError):
                pass
print(json.dumps(sorted(found)))
"""
EXCHANGE = """
import ctypes, os, time
os.chdir("/home/alice/apps/a3")
os.symlink("/home/bob/open", "link")
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, b"shared", -100, b"link", 2)
    time.sleep(0.0001)
"""
OWN = (
    "/tmp/gunicorn.ctl",
    "/run/vizgate/sockets/alice/",
    "/run/postgresql/",
    "/var/run/postgresql/",
    "/run/systemd/journal/",
    "/run/systemd/userdb/",
)


@pytest.fixture(scope="module")
def shell(visitor):
    """The output of a shell inside of an app."""
    return lambda line, user="alice", app="a3": visitor(user).get(f"/{user}/{app}/shell", params=line).text


@pytest.fixture(scope="module")
def manager(host, run):
    """Starts alice's user manager before her app; returns the environment variable by which programs find it."""
    uid = host.user("alice").uid
    host.check_output(f"systemctl start user@{uid}.service")
    assert run("alice", "vizgate app restart a3")[0] == 0
    yield f"XDG_RUNTIME_DIR=/run/user/{uid}"
    host.check_output(f"systemctl stop user@{uid}.service")


@pytest.fixture(scope="module")
def outside(host):
    """A process of alice outside of the sandbox, with an abstract socket and a terminal; returns its pid."""
    program = (
        "import pty, socket, time; pty.openpty(); s = socket.socket(socket.AF_UNIX); s.bind(chr(0) + 'agent')"
        "; s.listen(9); time.sleep(600)"
    )
    host.check_output("systemd-run --quiet --collect --unit=outside -p User=alice python3 -c %s", program)
    host.check_output("timeout 60 sh -c 'until grep -q @agent /proc/net/unix; do sleep 0.1; done'")
    yield host.check_output("systemctl show --property=MainPID --value outside")
    host.check_output("systemctl stop outside")


def test_the_owners_manager_is_not_reached(host, run, shell, manager):
    attack = f"{manager} systemd-run --user --wait touch /home/alice/escaped"
    assert run("alice", attack)[0] == 0
    assert host.file("/home/alice/escaped").exists, "there is a manager that does it for alice"
    host.check_output("rm /home/alice/escaped")
    assert "Failed to connect" in shell(attack)
    assert not host.file("/home/alice/escaped").exists


def test_no_socket_is_reached_but_those_of_databases_names_and_the_journal(run, shell, manager, outside):
    program = SOCKETS.replace('"', "'")
    reached = json.loads(run("alice", f'python3 -c "{program}"')[1])
    assert {"@agent"} < set(reached)
    assert [name for name in reached if name.startswith(f"{manager.split('=')[1]}/")], "alice reaches her manager"
    assert [name for name in reached if "dbus" in name], "and the system's bus"
    left = json.loads(shell(f'python3 -c "{program}"'))
    assert [name for name in left if not name.startswith(OWN)] == []


def test_other_programs_of_the_owners_lend_nothing(run, shell, outside):
    paths = [f"/proc/{outside}/root/home/alice/.ssh/id_test", f"/proc/{outside}/environ", f"/proc/{outside}/mem"]
    assert run("alice", f"cat {paths[0]}")[1] == KEY, "one of the same user reads it"
    for path in paths:
        assert "No such file or directory" in shell(f"cat {path}")
    assert "Permission denied" in shell("ls /dev/pts")


def test_what_is_hidden_stays_so_when_it_comes_later(run, shell):
    assert run("alice", f"mv .ssh .ssh.kept && mkdir .ssh && echo {KEY!r} | tee .ssh/id_test .netrc later")[0] == 0
    try:
        for path in (".ssh/id_test", ".ssh.kept/id_test", ".netrc", "later"):
            assert run("alice", f"cat {path}")[1].strip() == KEY
            assert "Permission denied" in shell(f"cat /home/alice/{path}")
    finally:
        assert run("alice", "rm -r .ssh .netrc later && mv .ssh.kept .ssh")[0] == 0


def test_apps_of_one_owner_do_not_read_each_other(run, shell):
    path = "/home/alice/apps/flasktasks/shared/flasktasks.sqlite3"
    assert run("alice", f"head -c 6 {path}")[1] == "SQLite"
    assert "Permission denied" in shell(f"cat {path}")


def test_an_app_reaches_not_its_owners_supervisord(run, shell):
    attack = "supervisorctl -s unix:///run/vizgate-supervisord/bob/supervisor.sock status"
    assert "RUNNING" in run("bob", attack)[1]
    assert "RUNNING" not in shell(attack, "bob", "b3")


def test_an_app_moves_files_between_its_folders(shell):
    moved = "cd $VIZGATE_SHARED && mkdir -p one two && echo moved >one/file && mv one/file two/ && cat two/file && rm -r one two"
    assert shell(moved) == "moved\n"


@pytest.mark.parametrize(
    "attempt",
    [
        "echo evil >>kept",
        "echo evil >kept",
        "truncate -s 0 kept",  # from Linux 6.2 on
        "rm kept",
        "mv kept other",
        "mv kept $VIZGATE_SHARED",
        "ln kept $VIZGATE_SHARED/kept",
        "ln -s kept .profile.new",
        "mkdir .local-bin",
        "mkfifo pipe",
        "touch $VIZGATE_SHARED/../new",
        "touch $VIZGATE_SHARED/../log/new",
        "touch $VIZGATE_SHARED/../cache/new",
        "mv $VIZGATE_SHARED $VIZGATE_SHARED.old",
    ],
)
def test_an_app_writes_to_nothing_of_the_home_but_its_shared_folder(run, shell, attempt):
    # the app sees the entries that existed when it started
    assert run("alice", "[ -e kept ] || { echo kept >kept && vizgate app restart a3; }")[0] == 0
    said = shell(f"cd /home/alice && cat kept && touch $VIZGATE_SHARED/mine && ! {{ {attempt}; }} && echo refused")
    assert said.splitlines()[0] == "kept"
    assert said.splitlines()[-1] == "refused", said
    assert run("alice", "cat kept")[1] == "kept\n"


def test_no_folder_that_is_exchanged_leads_pid_1_into_a_closed_home(host, run, release):
    assert (
        run("bob", "mkdir -p open && chmod 755 open && echo secret >open/exchanged && chmod 644 open/exchanged")[0] == 0
    )
    unit = f"vizgate-app-alice:a3:{release('alice', 'a3')}.service"
    host.check_output("systemd-run --quiet --collect --unit=exchange -p User=alice python3 -c %s", EXCHANGE)
    host.check_output("timeout 60 sh -c 'until [ -e /home/alice/apps/a3/link ]; do sleep 0.1; done'")
    try:
        restart = f"systemctl kill -s KILL '{unit}'; systemctl restart '{unit}'"
        mounts = f"cat /proc/$(systemctl show --property=MainPID --value '{unit}')/mountinfo"
        # where PID 1 resolves a folder that is being exchanged, the unit may or may not start
        seen = host.run(f"for _ in $(seq 12); do {restart}; {mounts}; done").stdout
    finally:
        host.check_output("systemctl stop exchange")
        assert (
            run("alice", "cd apps/a3 && if [ -L shared ]; then rm shared && mv link shared; else rm link; fi")[0] == 0
        )
        assert run("alice", "vizgate app restart a3")[0] == 0
    found = [line.split() for line in seen.splitlines() if "/home/" in line]
    assert not [words for words in found if "/home/bob" in words[3]]
    assert {words[4] for words in found if words[3] != words[4]} <= {"/home/alice/.ssh"}, "nothing at another place"
    assert len([words for words in found if words[4] == "/home/alice"]) == 12, "the home is bound each time"


def test_a_package_that_is_built_sees_no_keys(host):
    seen = host.check_output("cat /home/alice/apps/a4/releases/1/src/nosy/seen")
    codes = dict(line.split()[:2] for line in seen.splitlines() if line.strip())
    assert set(codes) == {"keys", "home", "cache", "manager"}
    assert "0" not in codes.values()
    assert KEY not in seen
    assert not host.file("/home/alice/built").exists
