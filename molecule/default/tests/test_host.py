"""What accounts of the host can read, connect to and run, and that nothing of a removed user stays."""

from __future__ import annotations

import pytest
from conftest import GONE_USERS, NOW

INCLUDES, REGISTRY, CONTROL = "/etc/nginx/vizgate", "/var/lib/vizgate/users", "/run/vizgate/control/publish.sock"
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def as_account(host, account, command):
    return host.run(f"runuser -u {account} -- {command}")


def files_below(host, *folders):
    return host.check_output(f"find {' '.join(folders)} -type f").split()


@pytest.mark.parametrize("account", ["www-data", "visitor", "nobody"])
def test_secrets_are_for_root_and_the_password_checker(host, account):
    secrets = files_below(host, INCLUDES + "/logins.d", REGISTRY)
    assert len(secrets) >= 2 * len(NOW)
    for secret in secrets:
        assert host.run("cat " + secret).rc == 0
        refused = as_account(host, account, "cat " + secret)
        assert (refused.rc, "Permission denied" in refused.stderr) == (1, True), secret


def test_password_checker_reads_password_files_only(host):
    assert host.check_output("ps -o user= -p $(systemctl show -P MainPID vizgate-auth.service)") == "vizgate"
    for path in files_below(host, INCLUDES + "/logins.d"):
        assert as_account(host, "vizgate", "cat " + path).rc == 0
    for path in files_below(host, REGISTRY, INCLUDES + "/links.d"):
        assert as_account(host, "vizgate", "cat " + path).rc == 1


@pytest.mark.parametrize(
    ("socket", "allowed", "refused"),
    [
        (CONTROL, ["root"], ["www-data", "vizgate", "visitor"]),
        # this socket has no limit for wrong passwords
        ("/run/vizgate/auth/password.sock", ["root", "www-data"], ["visitor", "nobody"]),
    ],
)
def test_sockets_are_for_those_who_need_them(host, socket, allowed, refused):
    for account in allowed + refused:
        done = as_account(host, account, f'python3 -c "{CONNECT}" {socket}')
        assert (done.rc == 0) == (account in allowed), (account, done.stderr)
        assert account in allowed or "PermissionError" in done.stderr


def test_everybody_may_reload_nginx(host):
    workers = "pgrep -u www-data -x nginx"
    before = set(host.check_output(workers).split())
    for command in ("sudo -n /usr/sbin/service nginx reload", "sudo -n service nginx reload"):
        assert as_account(host, "visitor", command).rc == 0
    host.check_output(f"timeout 60 sh -c 'while {workers} | grep -qxE \"{'|'.join(before)}\"; do sleep 0.1; done'")
    assert host.run(workers).rc == 0


@pytest.mark.parametrize(
    "command",
    [
        "id",
        "service nginx stop",
        "service nginx restart",
        "service nginx reload now",
        "service dbus reload",
        "service --status-all",
        "systemctl reload nginx",
        "nginx -s reload",
        "-u www-data service nginx reload",
        "-u vizgate service nginx reload",
    ],
)
def test_nobody_may_anything_else(host, command):
    refused = as_account(host, "visitor", "sudo -n " + command)
    assert refused.rc == 1
    assert "password is required" in refused.stderr


def test_everything_runs(host):
    assert host.run("nginx -t").rc == 0
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""
    for unit in ("nginx.service", "vizgate-auth.service", "vizgate-resolve.timer"):
        service = host.service(unit)
        assert (service.is_running, service.is_enabled) == (True, True), unit


def test_the_password_checker_weighs_less_than_the_proxy(host):
    assert host.check_output("systemctl show -P CPUWeight vizgate-auth.service") == "10"


@pytest.mark.parametrize("user", sorted(NOW))
def test_user_has_their_files(host, user):
    for path in (f"links.d/{user}.map", f"logins.d/{user}.htpasswd", f"pages/{user}.html"):
        assert host.file(f"{INCLUDES}/{path}").size > 0
    assert host.file(f"{REGISTRY}/{user}/inventory.json").size > 0


@pytest.mark.parametrize("user", GONE_USERS)
def test_nothing_is_left_of_a_user_who_is_not_declared_now(host, user):
    # the empty map of a removed user stays, because nginx may be about to open it
    empty = f"{INCLUDES}/links.d/{user}.map"
    assert host.check_output(f"find {INCLUDES} {REGISTRY} -name '*{user}*'") in ("", empty)
    assert host.run(f"grep -v '^#' {empty}").stdout == ""
    assert host.run(f"grep -rlw {user} {INCLUDES} {REGISTRY}").stdout == ""
