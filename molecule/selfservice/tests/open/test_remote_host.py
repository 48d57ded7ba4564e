"""The remote host in the history comes from systemd's session data, not from the account itself."""

from __future__ import annotations

import json

import pytest

SCOPE = "--quiet --scope --unit=session-c999999.scope"


@pytest.fixture(scope="module")
def uid(host):
    """alice's uid. She has logged in from another machine, and her service manager runs."""
    uid = host.user("alice").uid
    session = "/run/systemd/sessions/c999999"
    host.check_output(f"printf 'UID={uid}\\nUSER=alice\\nREMOTE=1\\nREMOTE_HOST=192.0.2.7\\n' >{session}")
    host.check_output(f"systemctl start user@{uid}.service")
    host.check_output("vizgate --user alice add whence --port 9087")
    yield uid
    host.check_output("vizgate --user alice remove whence --yes")
    host.check_output(f"systemctl stop user@{uid}.service")
    host.check_output(f"rm {session}")


@pytest.fixture
def last(host):
    """The last change of alice's links: actor, remote host, and new value."""

    def last():
        line = json.loads(host.check_output("vizgate --user alice history --json"))[-1]
        return line["by"], line["from"], line["target"]

    return last


def test_a_session_is_named(host, run, uid, last):
    edit = "runuser -u alice -- vizgate edit whence --port 9088"
    host.check_output(f"systemd-run {SCOPE} --slice=user-{uid}.slice {edit}")
    assert last() == ("alice", "192.0.2.7", "127.0.0.1:9088")
    assert run("alice", "vizgate history")[1].splitlines()[-1].split(None, 4)[1:4] == ["alice", "from", "192.0.2.7"]


def test_without_a_session_there_is_none(run, uid, last):
    assert run("alice", "vizgate edit whence --port 9089")[0] == 0
    assert last() == ("alice", "", "127.0.0.1:9089")


def test_a_scope_of_her_own_making_is_no_session(run, uid, last):
    """She can choose the name of the scope, and every account can list all sessions."""
    environment = f"XDG_RUNTIME_DIR=/run/user/{uid}"
    done = run("alice", f"{environment} systemd-run --user {SCOPE} vizgate edit whence --port 9087")
    assert done[0] == 0, done
    assert last() == ("alice", "", "127.0.0.1:9087")
