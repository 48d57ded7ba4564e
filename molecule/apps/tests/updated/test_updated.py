"""The requests during an update, and the state after it."""

from __future__ import annotations


def test_no_request_failed(kept):
    found = kept("update")
    assert found["wrong"] == {}
    assert found["seen"]["one"] > 100
    assert found["seen"]["two"] > 100
    assert set(found["slow"]) == {"done"}, "requests that were under way have ended"


def test_in_a_browser(browse):
    assert browse() == []


def test_new_release_serves_with_the_old_data(host, visitor, release):
    assert release("alice", "flasktasks") == 2
    assert "buy " in visitor("alice").get("/alice/flasktasks/").text
    database = "/home/alice/apps/flasktasks/shared/flasktasks.sqlite3"
    program = f"import sqlite3; print(sqlite3.connect('{database}').execute('pragma table_info(task)').fetchall())"
    assert "'done'" in host.check_output(f'python3 -c "{program}"'), "migrated"


def test_bobs_app_is_unchanged(release):
    assert release("bob", "flasktasks") == 1


def test_old_release_is_stopped_but_kept(host):
    unit = "vizgate-app-alice:flasktasks"
    assert host.run(f"systemctl is-active {unit}:1").stdout.strip() == "inactive"
    assert host.run(f"systemctl is-enabled {unit}:1").stdout.strip() == "disabled"
    assert host.run(f"systemctl is-enabled {unit}:2").stdout.strip() == "enabled"
    assert set(host.check_output("ls /home/alice/apps/flasktasks/releases").split()) == {"1", "2"}


def test_pictures_are_there_still(host, visitor):
    name = host.check_output("ls /home/alice/apps/flasktasks/shared/uploads").split()[0]
    assert visitor("alice").get(f"/alice/flasktasks/images/{name}").status_code == 200


def test_secret_has_stayed(host):
    numbers = [1, 2]
    lines = [
        host.check_output(f"grep SECRET_KEY /var/lib/vizgate/apps/alice/flasktasks.{number}.env") for number in numbers
    ]
    assert lines[0] == lines[1]


def test_one_app_has_followed_its_branch(host, release):
    assert (release("alice", "a3"), release("alice", "a4"), release("bob", "b2")) == (2, 1, 1)
    commit = host.check_output("git -C /opt/apps/tiny rev-parse main")
    assert host.check_output("cat /home/alice/apps/a3/releases/2/commit") == commit
