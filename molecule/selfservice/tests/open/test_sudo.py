"""Accounts may run two commands as root: the reload of nginx, and the helper without arguments."""

from __future__ import annotations

import json

import pytest
from conftest import HELPER

RELOAD = "/usr/sbin/service nginx reload"
PASSWORD = "sudo: a password is required"
SET = "sudo: sorry, you are not allowed to set the following environment variables: "

# the command after `sudo -n`, and sudo's message
REFUSED = {
    "id": PASSWORD,
    "/bin/sh": PASSWORD,
    "/usr/local/bin/vizgate list": PASSWORD,
    # additional arguments
    f"{HELPER} show": PASSWORD,
    f"{HELPER} ''": PASSWORD,
    f"{HELPER} --help": PASSWORD,
    f"{RELOAD} now": PASSWORD,
    "service nginx restart": PASSWORD,
    "service nginx": PASSWORD,
    "service vizgate-auth reload": PASSWORD,
    "systemctl reload nginx": PASSWORD,
    # other ways to the helper
    f"/usr/bin/python3 {HELPER}": PASSWORD,
    f"/bin/sh -c {HELPER}": PASSWORD,
    f"/usr/bin/env {HELPER}": PASSWORD,
    f"-s {HELPER}": PASSWORD,
    f"-i {HELPER}": PASSWORD,
    "-s": PASSWORD,
    "-i": PASSWORD,
    # editing
    "-e /etc/passwd": PASSWORD,
    f"-e {HELPER}": PASSWORD,
    # other users and groups
    f"-u bob {HELPER}": PASSWORD,
    f"-u bob {RELOAD}": PASSWORD,
    f"-u www-data {HELPER}": PASSWORD,
    f"-u vizgate {RELOAD}": PASSWORD,
    f"-g root {HELPER}": PASSWORD,
    f"-g www-data {HELPER}": PASSWORD,
    f"-u root -g www-data {HELPER}": PASSWORD,
    f"-u '#-1' {HELPER}": "sudo: unknown user #-1",
    f"-u '#4294967295' {HELPER}": "sudo: unknown user #4294967295",
    # other folders, roots, files and limits
    f"-D /tmp {HELPER}": f"sudo: you are not permitted to use the -D option with {HELPER}",
    f"-D /tmp {RELOAD}": "sudo: you are not permitted to use the -D option with /usr/sbin/service",
    f"-R / {HELPER}": f"sudo: you are not permitted to use the -R option with {HELPER}",
    f"-C 100 {HELPER}": "sudo: you are not permitted to use the -C option",
    f"-T 1 {HELPER}": "sudo: sorry, you are not allowed set a command timeout",
    # the environment
    f"PYTHONPATH=/tmp {HELPER}": SET + "PYTHONPATH",
    f"LD_PRELOAD=/tmp/x.so {HELPER}": SET + "LD_PRELOAD",
    f"PATH=/tmp {HELPER}": SET + "PATH",
    f"SUDO_UID=0 {HELPER}": SET + "SUDO_UID",
    f"HOME=/tmp {HELPER}": SET + "HOME",
    f"PATH=/tmp {RELOAD}": SET + "PATH",
    f"-E {HELPER}": "sudo: sorry, you are not allowed to preserve the environment",
    f"-E {RELOAD}": "sudo: sorry, you are not allowed to preserve the environment",
    f"--preserve-env=PYTHONPATH {HELPER}": SET + "PYTHONPATH",
    f"--preserve-env=PYTHONPATH {RELOAD}": SET + "PYTHONPATH",
}


@pytest.fixture(scope="module", params=["alice", "mallory"])
def account(request):
    return request.param


@pytest.fixture(scope="module")
def refusals(host, account):
    """Command → exit code and first words of sudo's message, all run in one script."""
    ask = """
import json, subprocess, sys
for line in json.loads(sys.argv[1]):
    done = subprocess.run(f"PYTHONPATH=/tmp sudo -n {line}", shell=True, input="", capture_output=True, text=True)
    print(json.dumps([line, [done.returncode, done.stderr.split(chr(10))[0]]]))
"""
    done = host.check_output("runuser -u %s -- python3 -c %s %s", account, ask, json.dumps(list(REFUSED)))
    return dict(map(json.loads, done.splitlines()))


@pytest.mark.parametrize("line", REFUSED)
def test_refused(refusals, line):
    assert refusals[line] == [1, REFUSED[line]]


def test_sudoedit_is_refused(run, account):
    assert run(account, "sudoedit -n /etc/sudoers.d/vizgate") == (1, "", "sudoedit: a password is required\n")


def test_sudo_lists_two_commands(run, account):
    code, listed, _errors = run(account, "sudo -nl")
    assert code == 0
    allowed = listed.partition("may run the following commands")[2].splitlines()[1:]
    assert [line.strip() for line in allowed] == [f"(root) NOPASSWD: {RELOAD}", f'(root) NOPASSWD: {HELPER} ""']


@pytest.mark.parametrize("line", [RELOAD, "service nginx reload"])
def test_reload_is_allowed(run, account, line):
    assert run(account, f"sudo -n {line}")[0] == 0


def test_helper_takes_its_caller_for_what_sudo_says(run, account):
    ask = f"""echo '{{"do": "show"}}' | SUDO_UID=0 SUDO_USER=bob LOGNAME=bob USER=bob sudo -n {HELPER}"""
    code, answer, _errors = run(account, ask)
    assert (code, json.loads(answer)["user"]) == (0, account)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"SUDO_UID=$(id -u alice) {HELPER} show", "it takes no arguments"),
        (f"runuser -u alice -- env SUDO_UID=0 {HELPER}", "it has to be run by sudo"),
        (f"SUDO_UID=64999 {HELPER}", "uid 64999 has no account"),
        (f"SUDO_UID=0 {HELPER}", "sudo did not pass the uid of the caller (SUDO_UID)"),
        (HELPER, "sudo did not pass the uid of the caller (SUDO_UID)"),
    ],
)
def test_helper_refuses_other_calls_than_by_sudo(host, line, reason):
    """Even if the sudoers rules of a site allow the call."""
    done = host.run(f"""echo '{{"do": "show"}}' | {line}""")
    assert (done.rc, json.loads(done.stdout)) == (1, {"unavailable": f"{HELPER}: {reason}"})


@pytest.mark.parametrize(
    "path",
    [
        HELPER,
        "/usr/local/libexec/vizgate",
        "/usr/local/lib/vizgate",
        "/usr/local/lib/vizgate/releases",
        "/usr/local/lib/vizgate/current",
        "/usr/local/lib/vizgate/current/vizgate",
    ],
)
@pytest.mark.parametrize("change", ["chmod g+w", "chmod o+w", "chown bob"])
def test_helper_refuses_files_that_others_can_write(host, run, path, change):
    path = host.check_output(f"readlink -f {path}")  # of the release in use
    mode = host.file(path).mode
    try:
        host.check_output(f"{change} {path}")
        code, output, errors = run("alice", "vizgate list")
    finally:
        host.check_output(f"chmod {mode:o} {path} && chown root {path}")
    assert (code, output, errors) == (4, "", f"{HELPER}: {path} is not root's alone; run role gateway again\n")
    assert run("alice", "vizgate list")[0] == 0
