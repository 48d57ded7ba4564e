"""Self-service is disabled: command and helper refuse all accounts, and existing links are still served. Then root removes all."""

from __future__ import annotations

import json

import pytest
from conftest import HELPER


@pytest.mark.parametrize("account", ["alice", "mallory"])
def test_sudo_allows_only_the_reload(run, account):
    allowed = run(account, "sudo -nl")[1].partition("may run the following commands")[2].splitlines()[1:]
    assert [line.strip() for line in allowed] == ["(root) NOPASSWD: /usr/sbin/service nginx reload"]
    assert run(account, f"sudo -n {HELPER} </dev/null") == (1, "", "sudo: a password is required\n")


def test_helper_refuses_even_if_it_is_called(host):
    done = host.run(f"""echo '{{"do": "show"}}' | SUDO_UID=$(id -u alice) {HELPER}""")
    reason = "self-service is switched off on this gateway; ask its administrator"
    assert (done.rc, json.loads(done.stdout)) == (1, {"unavailable": reason})


@pytest.mark.parametrize("line", ["list", "add more --port 9087", "remove own --yes", "export"])
def test_command_reports_that_self_service_is_disabled(run, line):
    code, output, errors = run("alice", f"vizgate {line}")
    assert (code, output) == (4, "")
    assert len(errors.splitlines()) == 1


def test_links_are_served_on(get, crowd):
    assert [get(f"/alice/{name}/", "alice").port for name in ("own", "old", "train")] == [9088, 9089, 9089]
    assert crowd["mismatches"] == []
    assert crowd["links"] >= 25


def test_root_removes_everything_by_script_and_puts_it_back(host, get, name):
    refused = host.run("vizgate remove-everything --confirm gate")
    assert (refused.rc, refused.stdout) == (1, "")
    assert refused.stderr == f"'gate' is not the name of this host, {name}; nothing was removed\n"
    own, bobs = (lambda: get("/alice/own/", "alice")), (lambda: get("/bob/training/", "bob"))
    assert (own().port, bobs().port) == (9088, 9089)

    output = host.check_output(f"vizgate remove-everything --confirm {name}").splitlines()
    assert f"removed http://{name}:1234/alice/own/ -> 127.0.0.1:9088" in output
    assert f"removed login bob of http://{name}:1234/bob/" in output
    assert (own().status, bobs().status) == (401, 401)

    archive = output[0].removeprefix("the previous state is archived in ")
    host.check_output(f"tar -xzf {archive} -C /")
    edited = "/etc/nginx/vizgate/links.d/bob.map"
    host.check_output(f"echo '# edited' >{edited}; systemctl stop nginx vizgate-auth vizgate-resolve.timer")
    output = host.check_output("vizgate init").splitlines()
    assert output[0] == f"repaired {edited}"
    assert output[-1].endswith(" users are published, and the services run")
    assert (own().port, bobs().port) == (9088, 9089)
    assert json.loads(host.check_output("/opt/crowd.py check"))["mismatches"] == []
    for unit in ("nginx", "vizgate-auth", "vizgate-resolve.timer"):
        assert host.service(unit).is_running, unit


def test_root_removes_everything_and_has_an_archive(host, terminal, get, name):
    shown = terminal(
        "root",
        [
            ("Action: ", "6"),
            ("To confirm, type the name of this host: ", "gate"),
            (f"'gate' is not the name of this host, {name}", name),
            ("Action: ", "0"),
        ],
    )
    assert f"removed http://{name}:1234/alice/own/ -> 127.0.0.1:9088\n" in shown
    assert [get(path, "alice").status for path in ("/alice/own/", "/alice/train/")] == [401, 401]
    assert get("/bob/training/", "bob").status == 401
    archive = next(line.partition("archived in ")[2] for line in shown.splitlines() if "archived in " in line)
    assert host.file(archive).mode == 0o600
    held = host.check_output(f"tar -xOf {archive} var/lib/vizgate/users/alice/self.json")
    assert {link["name"] for link in json.loads(held)["links"]} == {"old", "own", "train"}
