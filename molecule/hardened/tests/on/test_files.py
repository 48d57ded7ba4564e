"""The gateway's files: who can write them, who can read them, and that none of them has a password."""

from __future__ import annotations

import base64
import http.client
import ssl

import pytest

PLACES = (
    "/etc/nginx/conf.d /etc/nginx/vizgate /etc/sudoers.d/vizgate /etc/systemd/system/vizgate-* /etc/vizgate /run/vizgate"
    " /usr/local/bin/vizgate /usr/local/lib/vizgate /usr/local/libexec/vizgate /var/lib/vizgate /var/log/nginx"
)
PUBLIC = (
    "/etc/nginx/conf.d/00-vizgate.conf",
    "/etc/nginx/vizgate/auth.conf",
    "/etc/systemd/system/vizgate-",
    "/etc/vizgate/folders",
    "/etc/vizgate/packages",
    "/etc/vizgate/policy.json",
    "/usr/local/bin/vizgate",
    "/usr/local/lib/vizgate/",
    "/usr/local/libexec/vizgate/apply",
)
"""World-readable files: programs, and settings without secrets and users' data."""
SECRET = "Canary-5c1d2f"


def test_only_root_writes(host):
    # nginx's sockets are world-writable, but their folders are closed; see the test below
    assert host.check_output(f"find {PLACES} ! -type l ! -type s -perm /022") == ""
    others = host.check_output(f"find {PLACES} ! -user root -printf '%p %u\n'").splitlines()
    # the workers own the logs, because they reopen them after a rotation
    known = ("/run/vizgate/auth", "/run/vizgate/sockets/", "/var/log/nginx/")
    assert [line for line in others if not line.startswith(known)] == []


@pytest.mark.parametrize("account", ["mallory", "nobody"])
def test_others_read_what_is_public(host, account):
    readable = host.run(f"runuser -u {account} -- find {PLACES} -type f -readable").stdout.splitlines()
    assert [path for path in readable if not path.startswith(PUBLIC)] == []
    assert len(readable) > 20, "or nobody could run the command"
    assert host.run(f"runuser -u {account} -- find {PLACES} ! -type l -writable").stdout == ""


def test_nothing_lends_its_rights(host):
    assert host.check_output(f"find {PLACES} -perm /6000 ! -path '/run/vizgate/sockets/*'") == ""


@pytest.fixture
def used_password(host, run, address):
    """Creates, uses and mistypes a login of alice in every way; its password is in /root/secret."""
    host.check_output("umask 077; printf %%s %s >/root/secret", SECRET)
    host.check_output("runuser -l alice -c 'vizgate login add canary --password-stdin' </root/secret")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    answers = []
    for path in ("/alice/", "/alice/report/", "/alice/none/", "/bob/"):
        for login in ("canary", "alice"):
            client = http.client.HTTPSConnection(address, timeout=60, context=context)
            credential = base64.b64encode(f"{login}:{SECRET}".encode()).decode()
            client.request("GET", path, headers={"Authorization": f"Basic {credential}"})
            answer = client.getresponse()
            answers.append((answer.status, answer.read().decode() + str(answer.getheaders())))
    for line in ("vizgate login list", "vizgate history", "vizgate list --json", "vizgate export", "vizgate status"):
        answers.append((200, "".join(map(str, run("alice", line)))))
    assert answers[0][0] == 200, "the login works"
    yield answers
    assert run("alice", "vizgate login remove canary")[0] == 0
    host.check_output("rm -f /root/secret /root/patterns")


def test_a_password_is_nowhere(host, used_password):
    coded = [base64.b64encode(f"{login}:{SECRET}".encode()).decode() for login in ("canary", "alice")]
    # not as arguments, because the search would find those
    patterns = "\n".join([SECRET, *coded]).encode()
    host.check_output(f"umask 077; echo {base64.b64encode(patterns).decode()} | base64 -d >/root/patterns")
    assert [text for _status, text in used_password if any(word in text for word in (SECRET, *coded))] == []
    folders = "/etc /home /run /tmp /usr/local /var --exclude-dir=apt --exclude-dir=dpkg"
    assert host.run(f"grep -rlaFf /root/patterns {folders}").stdout == ""
    assert host.run("grep -laFf /root/patterns /proc/[0-9]*/cmdline /proc/[0-9]*/environ").stdout == ""
    assert host.run("journalctl --no-pager | grep -aFf /root/patterns").stdout == ""
