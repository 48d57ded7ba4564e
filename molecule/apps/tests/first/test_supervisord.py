"""Bob's app runs in his own supervisord, which he controls without root."""

from __future__ import annotations


def test_owner_controls_it_without_root(run):
    assert run("bob", "supervisorctl status")[1].split()[:2] == ["flasktasks.1", "RUNNING"]


def test_it_is_the_owners_process(host):
    (process,) = host.process.filter(user="bob", comm="supervisord")
    assert host.check_output(f"cat /proc/{process.pid}/status").split("NoNewPrivs:")[1].split()[0] == "1"
    assert not host.process.filter(user="root", comm="supervisord")


def test_nobody_else_controls_it(run):
    socket = "unix:///run/vizgate-supervisord/bob/supervisor.sock"
    assert "RUNNING" in run("bob", f"supervisorctl -s {socket} status")[1]
    assert run("alice", f"supervisorctl -s {socket} status")[0] != 0


def test_what_has_secrets_is_the_owners_alone(host, run):
    secret = host.check_output("cat /var/lib/vizgate/apps/bob/flasktasks.secrets").split('"')[3]
    holders = host.check_output(f"grep -rlF -- {secret} /home/bob/etc /home/bob/apps/flasktasks/releases/1/run").split()
    assert holders == ["/home/bob/apps/flasktasks/releases/1/run"]
    assert host.file(holders[0]).mode == 0o700
    assert run("alice", f"cat {holders[0]}")[0] != 0


def test_crashed_app_is_started_again(host, visitor):
    before = visitor("bob").get("/bob/flasktasks/about").json()["pid"]
    host.check_output(f"kill -KILL {before}")
    host.check_output("pkill -KILL -u bob -f 'gunicorn.*flasktasks.1.sock' || true")
    for _ in range(100):
        answer = visitor("bob").get("/bob/flasktasks/about")
        if answer.status_code == 200:
            break
        host.check_output("sleep 0.2")
    assert answer.json()["pid"] != before
