"""mallory attacks by files and folders: links to others' sockets, planted files, odd socket names, a full disk."""

from __future__ import annotations

import json
import re

import pytest
from attacker import HERS, SOCKETS

pytestmark = pytest.mark.usefixtures("nobody_else_notices")

RELOAD = "/usr/sbin/service nginx reload"


@pytest.fixture(scope="module")
def bobs_socket(host, ask):
    """A link of bob to a socket with a listening program."""
    assert "plan" in ask("bob", "add", link={"name": "private", "socket": f"{SOCKETS}/bob/private"})
    unit = "systemd-run -q --unit=bobs-backend --uid=bob --gid=bob python3 /opt/unix_backend.py"
    host.check_output(f"{unit} {SOCKETS}/bob/private")
    host.check_output(f"timeout 60 sh -c 'until test -S {SOCKETS}/bob/private; do sleep 0.1; done'")
    yield
    host.check_output("systemctl stop bobs-backend")
    ask("bob", "remove", name="private")
    host.check_output(f"umount --lazy {SOCKETS}/bob && rmdir {SOCKETS}/bob")


@pytest.fixture
def her_socket(host, ask):
    """A link of mallory to a socket that does not exist yet."""
    assert "plan" in ask("mallory", "add", link={"name": "trap", "socket": f"{SOCKETS}/mallory/trap"})
    yield f"{SOCKETS}/mallory/trap"
    host.check_output(f"find {SOCKETS}/mallory -mindepth 1 -delete")
    assert "plan" in ask("mallory", "remove", name="trap")


@pytest.mark.parametrize(
    "target",
    [
        "../bob/private",
        f"{SOCKETS}/bob/private",
        "/run/vizgate/auth/password.sock",
        "/run/vizgate/control/publish.sock",
    ],
)
def test_a_symbolic_link_leads_nginx_nowhere(run, get, bobs_socket, her_login, her_socket, target):
    assert get("/bob/private/", "bob").status == 200
    assert run("mallory", f"ln -s {target} {her_socket}")[0] == 0
    assert get("/mallory/trap/", "mallory").status == 502
    assert json.loads(get("/mallory/-/status/trap", "mallory").body)["answers"] is False


def test_neither_hard_links_nor_moved_folders_lead_there(run, bobs_socket, her_socket):
    for line in (
        f"ln {SOCKETS}/bob/private {her_socket}",
        f"ls {SOCKETS}/bob",
        f"mv {SOCKETS}/mallory {SOCKETS}/mallory2",
        f"mv {SOCKETS}/bob {SOCKETS}/bob2",
        f"ln -s bob {SOCKETS}/carol",
        f"mkdir {SOCKETS}/carol",
        f"rmdir {SOCKETS}/mallory",
        f"chgrp -R bob {SOCKETS}/mallory",
    ):
        code, _said, errors = run("mallory", line)
        assert code != 0, line
        assert re.search("Permission denied|Operation not permitted", errors), line


def test_her_own_socket_serves(host, get, her_login, her_socket):
    """Proves that the tests above fail because of the attack and not in general."""
    unit = "systemd-run -q --unit=mallorys-backend --uid=mallory --gid=mallory python3 /opt/unix_backend.py"
    host.check_output(f"{unit} {her_socket}")
    host.check_output(f"timeout 60 sh -c 'until test -S {her_socket}; do sleep 0.1; done'")
    assert get("/mallory/trap/", "mallory").status == 200
    host.check_output("systemctl stop mallorys-backend")


PLANTED = [
    *(
        "lock",
        "reload",
        "journal.json",
        "journal.json.new",
        "policy.json",
        "addresses.json.new",
        "self.json",
        "self.json.new",
    ),
    *("mallory.jsonl.new", "audit.jsonl.new", "alice.map", "alice.map.new", "mallory.map", "mallory.map.new"),
    *("mallory.map.old", "mallory.htpasswd.new", "mallory.html.new", "nginx.conf", "body", "pid", "socket", "vizgate"),
    *("vizgate-", "vizgate-00000000", "vizgate-mallory", "vizgate.lock", "__pycache__", "0.0"),
]
"""The names of all files that root's programs write."""
CANARY = "/root/canary"


@pytest.fixture(params=["symbolic", "hard"])
def planted(request, host, python):
    """Plants links with these names to a file of root in all of her folders; returns their number and a state function."""
    host.check_output(f"echo unharmed >{CANARY}; chmod 640 {CANARY}; touch -d yesterday {CANARY}")
    # logind removes her files in /dev/shm some time after her last session has ended
    host.check_output("loginctl enable-linger mallory")
    uid = host.user("mallory").uid
    paths = [f"{folder}/{name}" for folder in HERS.split() for name in [*PLANTED, f"{uid}.0"]]
    code = """
target, paths, symbolic = map(json.loads, sys.argv[1:])
made = []
for path in paths:
    try:
        (os.symlink if symbolic else os.link)(target, path)
        made.append(path)
    except OSError as error:
        # another file system, a file there already, or a kernel that protects others' files
        assert error.errno in (1, 13, 17, 18), error
print(json.dumps(made))
"""
    # she cannot create hard links to it, so root does
    symbolic = request.param == "symbolic"
    made = python("mallory" if symbolic else "root", code, CANARY, paths, symbolic)
    try:
        yield made
    finally:
        host.check_output("loginctl disable-linger mallory")
        host.check_output(f"find {HERS} -maxdepth 1 '(' -lname {CANARY} -o -samefile {CANARY} ')' -delete; rm {CANARY}")


def test_root_writes_through_no_link_that_she_has_planted(host, python, her_socket, planted):
    look = f"stat -c '%U %G %a %h %s %Y' {CANARY}; md5sum {CANARY}; stat -c '%n %F %i' {' '.join(planted)}"
    assert len(planted) >= 2 * len(PLANTED)
    before = host.check_output(look).splitlines()
    code = """
for folder in json.loads(sys.argv[1]).split():
    how = {"cwd": folder, "env": {**os.environ, "TMPDIR": folder, "HOME": folder}}
    for request in (
        add("planted", description="x"),
        {"do": "edit", "name": "planted", "link": {"port": 9088}},
        {"do": "add_login", "name": "planted", "password": "secret"},
        {"do": "remove_login", "name": "planted"},
        {"do": "remove", "name": "planted"},
    ):
        assert "plan" in ask(request, **how)[1], request
print("null")
"""
    python("mallory", code, f"/tmp /home/mallory {SOCKETS}/mallory")
    host.check_output(f"runuser -u mallory -- sudo -n {RELOAD}")
    host.check_output("cd /home/mallory && vizgate init && vizgate --user mallory export")
    host.check_output("systemctl start vizgate-resolve.service")
    assert host.check_output(look).splitlines() == before


def test_what_is_not_hers_is_closed(host, run):
    for path in (
        "/var/lib/vizgate/users",
        "/var/lib/vizgate/users/bob/inventory.json",
        "/var/lib/vizgate/audit/bob.jsonl",
        "/var/lib/vizgate/lock",
        "/var/lib/vizgate/turns",
        "/etc/nginx/vizgate/links.d/bob.map",
        "/etc/nginx/vizgate/logins.d/bob.htpasswd",
        "/etc/nginx/vizgate/pages/bob.html",
        "/run/vizgate/requests",
        "/run/vizgate/control",
        "/run/vizgate/auth",
    ):
        assert host.file(path).exists, path
        for line in (f"cat {path}", f"ls {path}/", f"touch {path}", f"ln -f {path} /tmp/mallorys"):
            assert run("mallory", line)[0] != 0, line


# what other users see


def test_names_of_her_sockets_confuse_nobody(host, run, python):
    """The kernel writes them to /proc/net/unix without escaping."""
    code = """
import socket
kept = []
for name in ("x\\n1: 2 3 zz 5 6 7 8", "y\\n1 2 3", "z\\x85 \\u2028a b c", "\\n", "w\\n0: 0 0 00010000 0001 01 x /q"):
    os.makedirs(os.path.dirname("/tmp/mallorys/" + name), exist_ok=True)
    kept.append(socket.socket(socket.AF_UNIX))
    kept[-1].bind("/tmp/mallorys/" + name)
    kept[-1].listen()
if os.fork():
    print("null")
else:
    os.setsid()
    os.close(1)
    os.close(2)
    time.sleep(600)
"""
    python("mallory", code)
    try:
        assert run("bob", "vizgate status")[0] == 0
        assert run("bob", "vizgate doctor training")[0] in (0, 3)
        assert host.run("vizgate status --all").rc == 0
    finally:
        host.check_output("pkill -u mallory -f mallorys; rm -rf /tmp/mallorys")


# a full disk

SMALL = """
folder, rooms = map(json.loads, sys.argv[1:])

def run(line):
    subprocess.run(line, shell=True, check=True)

def mallory(request):
    done = subprocess.run(["runuser", "-u", "mallory", "--", *HELPER], input=json.dumps(request), capture_output=True, text=True)
    return json.loads(done.stdout)

def links():
    return {link["name"]: link["rendered"] and link["live"] for link in mallory({"do": "show"})["links"]}

run(f"cp -a {folder} /root/large; mount -t tmpfs -o size=4m,mode=0755 tmpfs {folder}")
run(f"cp -a /root/large/. {folder}/; chmod --reference=/root/large {folder}; rm -r /root/large")
results, ballast = [], folder + "/ballast"
for pages in rooms:
    run(f"rm -f {ballast}; head -c 5m /dev/zero >{ballast} 2>/dev/null || truncate -s -{4 * pages}k {ballast}")
    before, answer = links(), mallory(add(f"room{pages}"))
    results.append([before, answer, links()])
for pages in rooms:
    mallory({"do": "remove", "name": f"room{pages}"})
run(f"rm {ballast}; cp -a {folder} /root/large; umount {folder}; cp -a /root/large/. {folder}/; rm -r /root/large")
print(json.dumps(results))
"""


@pytest.mark.parametrize("folder", ["/var/lib/vizgate", "/etc/nginx/vizgate"])
def test_without_room_nothing_is_acknowledged_that_is_not_there(python, folder):
    """Mounts one of the gateway's folders on a small file system with only some free pages."""
    rooms = [0, 1, 2, 3, 4, 6, 8, 12, 256]
    done = []
    for pages, (before, answer, after) in zip(rooms, python("root", SMALL, folder, rooms), strict=True):
        done.append("plan" in answer)
        assert after == {**before, **({f"room{pages}": True} if done[-1] else {})}, answer
        assert all(after.values())
        assert done[-1] or "No space left on device" in answer["unavailable"]
    assert done == sorted(done)
    assert set(done) == {False, True}
