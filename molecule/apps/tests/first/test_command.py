"""vizgate app: users control their own apps by the root helper, and no others."""

from __future__ import annotations

import json


def test_list_and_releases(run):
    found = json.loads(run("alice", "vizgate app list --json")[1])
    assert {app["name"]: (app["state"], app["release"]) for app in found} == dict.fromkeys(
        ("a3", "a4", "flasktasks", "survey"), ("active", 1)
    )
    assert "flasktasks" in run("alice", "vizgate app list")[1]
    (release,) = json.loads(run("alice", "vizgate app releases flasktasks --json")[1])
    assert (release["version"], len(release["commit"])) == ("v1.0", 40)
    assert json.loads(run("bob", "vizgate app list --json")[1])[2]["state"] == "active", "under supervisord"


def test_restart(run, visitor):
    for user, name in (("alice", "a3"), ("bob", "flasktasks")):
        assert run(user, f"vizgate app restart {name}")[:2] == (0, f"restarted {name}, release 1\n")
        assert visitor(user).get(f"/{user}/{name}/").status_code == 200


def test_logs(run):
    assert "gunicorn" in run("alice", "vizgate app logs flasktasks --lines 1000")[1]
    assert "commit" in run("alice", "vizgate app logs flasktasks --build --lines 1000")[1]


def test_logs_are_followed(host, run):
    follow = "timeout --signal INT 60 vizgate app logs a3 --follow --lines 1 >followed 2>&1"
    waits = "until grep -q {} /home/alice/followed; do sleep 0.1; done"
    begun = waits.format(".")
    host.check_output("timeout 60 sh -c %s", f"runuser -l alice -c '{follow}' >/dev/null 2>&1 & {begun}")
    # as when it has become large
    write = r"echo first >>{0}; {1}; mv {0} {0}.1; printf 'next\033[2J\n' >>{0}; {2}"
    log = "/home/alice/apps/a3/log/a3.log"
    host.check_output(
        "timeout 60 runuser -u alice -- sh -c %s", write.format(log, waits.format("first"), waits.format("next"))
    )
    # as if the time limit had expired
    host.check_output("pkill -ALRM -x -u alice timeout; while pgrep -x -u alice timeout; do sleep 0.1; done")
    assert run("alice", "cat followed")[1].splitlines()[1:] == ["first", r"next\x1b[2J"]


def test_nobody_elses(run):
    for line in ("restart b2", "logs b2", "releases b2", "restart ../bob/b2"):
        code, said, why = run("alice", f"vizgate app {line}")
        assert (code, said) == (1, "")
        assert "you have no app" in why
