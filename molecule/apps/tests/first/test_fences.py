"""Bob has no access to alice's files and sockets, and an app has access to its own files only."""

from __future__ import annotations

import time

import pytest

FOLDER = "/home/alice/apps/flasktasks"


def test_socket_is_the_gateways_and_the_owners(run, release):
    socket = f"/run/vizgate/sockets/alice/flasktasks.{release('alice', 'flasktasks')}.sock"
    program = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{socket}'); print('connected')"
    ask = f'python3 -c "{program}"'
    assert run("alice", ask)[1] == "connected\n"
    assert "PermissionError" in run("bob", ask)[2]


@pytest.mark.parametrize(
    "path",
    [
        FOLDER,
        f"{FOLDER}/shared/flasktasks.sqlite3",
        f"{FOLDER}/log/flasktasks.log",
        f"{FOLDER}/log/flasktasks.build.log",
        "/var/lib/vizgate/apps/alice/flasktasks.secrets",
        "/var/lib/vizgate/apps/alice/flasktasks.1.env",
    ],
)
def test_bob_reads_nothing(host, run, path):
    assert host.run("test -e %s", path).rc == 0, "there is something to read"
    code, said, _why = run("bob", f"cat {path} || ls {path}/")
    assert (code != 0, said) == (True, "")


def test_alice_reads_her_logs_and_nobody_elses(run):
    assert "gunicorn" in run("alice", "cat ~/apps/flasktasks/log/flasktasks.log")[1]
    assert "commit" in run("alice", "cat ~/apps/flasktasks/log/flasktasks.build.log")[1]
    assert run("alice", "cat ~bob/apps/flasktasks/log/flasktasks.log")[0] != 0


def test_secrets_are_in_no_command_line_and_no_unit(host):
    secret = host.check_output("cat /var/lib/vizgate/apps/alice/flasktasks.secrets").split('"')[3]
    assert len(secret) >= 40
    assert secret not in host.check_output("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
    assert secret not in host.check_output("cat /etc/systemd/system/vizgate-app-*")
    assert secret not in host.check_output("systemctl show 'vizgate-app-alice:*'")
    assert secret not in host.check_output("journalctl --no-pager")
    assert host.file("/var/lib/vizgate/apps/alice/flasktasks.secrets").mode == 0o600


def test_two_users_have_two_secrets(visitor):
    found = {user: visitor(user).get(f"/{user}/flasktasks/about").json()["secret"] for user in ("alice", "bob")}
    assert found["alice"] != found["bob"]


def test_app_does_not_see_its_owners_keys(run, visitor):
    assert run("alice", "ls -d ~/.ssh")[0] == 0
    assert probe(visitor, "/home/alice/.ssh") == {"error": "Permission denied"}


def probe(visitor, path, **more):
    """The result of alice's app when it accesses a path."""
    answer = visitor("alice").get("/alice/flasktasks/probe", params={"path": path, **more})
    return answer.json() if answer.status_code == 200 else {"status": answer.status_code}


def restarted(host, visitor, number):
    """Restarts alice's app, and waits until it responds."""
    host.check_output(f"systemctl restart 'vizgate-app-alice:flasktasks:{number}.service'")
    end = time.monotonic() + 60
    while "status" in probe(visitor, "/etc/hostname"):
        assert time.monotonic() < end
        time.sleep(0.2)


def test_no_link_of_the_owners_leads_pid_1_into_a_closed_home(host, run, visitor, release):
    # the contents of bob's home are readable; only the home itself is closed
    run("bob", "mkdir -p open && chmod 755 open && echo secret >open/file && chmod 644 open/file")
    shared = f"{FOLDER}/shared"
    run("alice", f"mv {shared} {shared}.real && ln -s /home/bob/open {shared}")
    try:
        assert "secret" in host.check_output(f"cat {shared}/file"), "there is something to see"
        restarted(host, visitor, release("alice", "flasktasks"))
        assert probe(visitor, f"{shared}/file") == {"error": "Permission denied"}
    finally:
        run("alice", f"rm {shared} && mv {shared}.real {shared}")
        restarted(host, visitor, release("alice", "flasktasks"))


def test_app_cannot_change_its_own_code(visitor, release):
    number = release("alice", "flasktasks")
    for path in (f"{FOLDER}/releases/{number}/src/new", "/home/alice/new"):
        assert probe(visitor, path, write="yes") == {"error": "Permission denied"}
    assert probe(visitor, "/opt/new", write="yes") == {"error": "Read-only file system"}
    assert probe(visitor, f"{FOLDER}/shared/new", write="yes") == {"there": ""}


def test_app_has_no_privileges_and_limits(host, visitor):
    pid = visitor("alice").get("/alice/flasktasks/about").json()["pid"]
    status = host.check_output(f"cat /proc/{pid}/status")
    assert "NoNewPrivs:\t1" in status
    assert "CapBnd:\t0000000000000000" in status
    unit = "'vizgate-app-alice:flasktasks:*'"
    shown = host.check_output(f"systemctl show --property=MemoryMax,CPUQuotaPerSecUSec,TasksMax {unit}")
    assert set(shown.replace("1.500000s", "1.5s").split()) >= {
        f"MemoryMax={300 * 2**20}",
        "CPUQuotaPerSecUSec=1.5s",
        "TasksMax=256",
    }


def test_processor_is_shared_as_declared(visitor):
    assert 0 < float(visitor("alice").get("/alice/a4/busy").text) < 0.3, "of one processor; 0.2 is declared"


def test_an_app_that_declares_a_gpu_gets_devices(host, visitor):
    host.check_output("mkdir -p /dev/dri")
    seen = {app: visitor("alice").get(f"/alice/{app}/devices").text.split() for app in ("a3", "a4")}
    assert ("dri" in seen["a3"], "dri" in seen["a4"], "null" in seen["a4"]) == (True, False, True)
    for app in seen:
        shown = host.check_output(f"systemctl show --property=DevicePolicy --value vizgate-app-alice:{app}:1.service")
        assert shown == "closed"


def test_memory_ends_a_worker_and_not_the_app(visitor):
    alice = visitor("alice")
    assert alice.get("/alice/flasktasks/hungry").status_code in (500, 502, 504)
    assert [alice.get("/alice/flasktasks/about").status_code for _ in range(5)].count(200) >= 4


def test_steps_were_run_by_the_owner(host):
    said = host.check_output("cat /home/carol/apps/c1/log/c1.build.log")
    assert "migrated as carol" in said
    assert host.run("find /home/*/apps -user root").stdout == ""
