"""Signing in by the passwords of accounts: the checker as its unit runs it, with accounts that exist nowhere else."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.vizgate.gateway.tests.unit.support import rendered, with_settings
from conftest import Backends
from rig import ALICE, Answer, Credential, Rig, eventually

MODULE = Path("/usr/lib/nginx/modules/ngx_http_auth_pam_module.so")

pytestmark = [
    pytest.mark.skipif("os.getuid() != 0", reason="only root makes accounts, though they are gone with the test"),
    pytest.mark.skipif(not MODULE.exists(), reason="needs libnginx-mod-http-auth-pam"),
]

ACCOUNTS = {"alice": 4701, "bob": 4702, "system": 470, "locked": 4703}
PASSWORD = "account's own"

# In a copy of /etc that only this process and its children see, as a user who may read shadow and gains nothing by setuid.
CHECKER = """
set -e
mount --make-rprivate /
cp -a /etc {folder}/etc
cp {folder}/pam {folder}/etc/pam.d/vizgate
cat {folder}/passwd >>{folder}/etc/passwd
cat {folder}/shadow >>{folder}/etc/shadow
mount --bind {folder}/etc /etc
exec setpriv --reuid={uid} --regid={uid} --groups={groups} --no-new-privs /usr/sbin/nginx -e stderr -c {conf} -g "daemon off;"
"""
NOBODY = 65534


class Site:
    """A gateway whose checker asks PAM."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.checker: subprocess.Popen[bytes] | None = None

    def start(self, groups: str = "shadow") -> None:
        folder = self.rig.folder
        shutil.rmtree(folder / "etc", ignore_errors=True)
        run = self.rig.root / "run/vizgate/auth"
        (run / "password.sock").unlink(missing_ok=True)
        text = CHECKER.format(
            folder=folder, uid=NOBODY, groups=groups, conf=self.rig.root / "etc/nginx/vizgate/auth.conf"
        )
        self.checker = subprocess.Popen(["unshare", "--mount", "sh", "-c", text])
        eventually((run / "password.sock").exists)
        os.chmod(run / "password.sock", 0o666)

    def stop(self) -> None:
        if self.checker:
            self.checker.terminate()
            self.checker.wait(10)

    def get(self, path: str, login: Credential, source: str = "") -> Answer:
        return self.rig.get(path, login, source=source or self.rig.address())


def hashed(password: str) -> str:
    done = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def site(backends: Backends) -> Iterator[Site]:
    users = {
        "alice": {
            "links": [{"name": "echo", "port": backends.alice.port}],
            "logins": [{"name": name, "password": ALICE[1]} for name in ("alice", "guest", "bob")],
        },
        "bob": {"links": [{"name": "echo", "port": backends.bob.port}]},
        "system": {"links": [{"name": "echo", "port": backends.bob.port}]},
        "locked": {"links": [{"name": "echo", "port": backends.bob.port}]},
    }
    with Rig.temporary(users) as rig, contextlib.ExitStack() as ending:
        folder, site = rig.folder, Site(rig)
        ending.callback(site.stop)
        rig.build()
        os.kill(int((rig.root / "run/vizgate/auth/nginx.pid").read_text()), signal.SIGTERM)
        (folder / "pam").write_text(rendered("pam.j2"))
        (folder / "passwd").write_text("".join(f"{name}:x:{uid}:{uid}::/:/bin/sh\n" for name, uid in ACCOUNTS.items()))
        hashes = {name: hashed(PASSWORD) for name in ACCOUNTS}
        hashes["locked"] = "!" + hashes["locked"]
        (folder / "shadow").write_text("".join(f"{name}:{text}:20000:0:99999:7:::\n" for name, text in hashes.items()))
        conf = rig.root / "etc/nginx/vizgate/auth.conf"
        text = rendered("nginx/auth.conf.j2", gateway_auth="pam", gateway_rootless_dir=str(rig.root))
        conf.write_text(re.sub("daemon on;|error_log .*;|user root;", "", text))
        way = 'vizgate.sign_in { way = "pam" }'
        assert way in rendered("nginx/gateway.conf.j2", gateway_auth="pam")
        rig.gateway_conf.write_text(with_settings(rig.gateway_conf.read_text(), way))
        folder.chmod(0o755)
        run, logins = rig.root / "run/vizgate/auth", rig.root / "etc/nginx/vizgate/logins.d"
        for path in [run, *run.rglob("*"), *logins.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        for path in (rig.root, logins):
            path.chmod(0o755)
        site.start()
        rig.reload()
        yield site


@pytest.mark.parametrize(
    ("path", "login", "status"),
    [
        ("/alice/echo/", ("alice", PASSWORD), 200),
        # one without any declared login
        ("/bob/echo/", ("bob", PASSWORD), 200),
        ("/alice/echo/", ("guest", ALICE[1]), 200),
        # the account decides for its own name, whatever login of that name is declared
        ("/alice/echo/", ("alice", ALICE[1]), 401),
        # another account's password opens nothing; that of a login with its name does
        ("/alice/echo/", ("bob", PASSWORD), 401),
        ("/alice/echo/", ("bob", ALICE[1]), 200),
        ("/bob/echo/", ("alice", PASSWORD), 401),
        ("/bob/echo/", ("guest", ALICE[1]), 401),
        ("/alice/echo/", ("alice", ""), 401),
        ("/alice/echo/", ("", PASSWORD), 401),
        # accounts that are no person's, and those that may not log in
        ("/system/echo/", ("system", PASSWORD), 401),
        ("/locked/echo/", ("locked", PASSWORD), 401),
        ("/nobody/", ("nobody", PASSWORD), 401),
        ("/nowhere/", ("nowhere", PASSWORD), 401),
    ],
)
def test_whose_password_opens_what(site: Site, path: str, login: Credential, status: int) -> None:
    for _ in range(2):
        assert site.get(path, login).status == status


def test_wrong_passwords_keep_nobody_waiting(site: Site) -> None:
    answers = [site.get("/alice/echo/", ("alice", f"wrong {number}")) for number in range(4)]
    assert [answer.status for answer in answers] == [401] * 4
    # the quickest: on a busy machine any of them may be late
    assert min(answer.seconds for answer in answers) < 2, "PAM's own delay is 2 s for each"


def test_an_old_password_is_forgotten_within_a_minute(site: Site) -> None:
    source, shadow = site.rig.address(), site.rig.folder / "shadow"
    former = shadow.read_text()
    with site.rig.stopped_clock():
        assert site.get("/bob/echo/", ("bob", PASSWORD), source).status == 200
        site.stop()
        try:
            shadow.write_text(former.replace("bob:", "bob:!"))
            site.start()
            # remembered, and asked for all the time, which must not prolong it
            for _ in range(3):
                site.rig.advance(10)
                assert site.get("/bob/echo/", ("bob", PASSWORD), source).status == 200
            site.rig.advance(30)
            assert site.get("/bob/echo/", ("bob", PASSWORD), source).status == 401
        finally:
            site.stop()
            shadow.write_text(former)
            site.start()


def test_whoever_is_in_is_not_locked_out_by_others_at_the_same_address(site: Site) -> None:
    """PAM is asked again and again about who is in: that is no guess."""
    source = site.rig.address()
    with site.rig.stopped_clock():
        assert site.get("/alice/echo/", ("alice", PASSWORD), source).status == 200
        statuses = []
        for number in range(11):
            statuses.append(site.get("/alice/echo/", ("alice", f"guess {number}"), source).status)
            site.rig.advance(0.25)
        assert statuses == [401] * 10 + [429]
        for _ in range(3):
            site.rig.advance(60)
            assert site.get("/alice/echo/", ("alice", PASSWORD), source).status == 200
        # who was not is not let in by that
        assert site.get("/alice/echo/", ("bob", ALICE[1]), source).status == 200
        assert site.get("/alice/echo/", ("alice", PASSWORD + " "), source).status == 429


def test_the_checker_needs_the_group_of_shadow(site: Site) -> None:
    site.stop()
    try:
        site.start("nogroup")
        assert site.get("/alice/echo/", ("alice", PASSWORD + " ")).status == 401
        assert site.get("/system/echo/", ("system", PASSWORD)).status == 401
        assert site.get("/alice/echo/", ("guest", ALICE[1])).status == 200
    finally:
        site.stop()
        site.start()
