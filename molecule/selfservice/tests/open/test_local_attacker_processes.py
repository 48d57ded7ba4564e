"""mallory attacks by processes and signals: terminals that close, frozen cgroups, stopped sessions and helpers."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.usefixtures("nobody_else_notices")


def test_neither_hang_up_nor_keys_stop_a_change_half_way(python, ask):
    """Her terminal closes, or sends ^C, ^\\ and ^Z, during the change; bob's changes do not wait for her."""
    code = """
begun = time.monotonic()
ask({"do": "show"})
whole = time.monotonic() - begun  # what a request takes on this host, at this load
helpers = []
for number in range(14):
    child, terminal = pty.fork()
    if not child:
        os.execvp("bash", ["bash", "-c", "exec " + " ".join(HELPER)])
    helpers.append(until(60, lambda: helper_below(child)))
    name = f"hangup{number}"
    os.write(terminal, json.dumps(add(name)).encode() + b"\\n\\x04\\x04")
    if number % 7 < 6:
        time.sleep(number % 7 * whole / 20)
    elif not until(60, lambda: name in names()):
        sys.exit(f"{name} is never added")
    if number < 7:
        os.write(terminal, b"\\x03\\x1c\\x1a")
        time.sleep(whole / 20)
    os.close(terminal)
if not until(60, lambda: not any(map(os.path.exists, helpers))):
    sys.exit("a helper does not end")
print(json.dumps(names()))
"""
    there = python("mallory", code)
    assert {"hangup6", "hangup13"} <= set(there)
    before = time.monotonic()
    assert "plan" in ask("bob", "add", link={"name": "hurried", "port": 9087})
    assert "plan" in ask("bob", "remove", name="hurried")
    assert time.monotonic() - before < 20, "a lock is waited for longer"
    shown = {link["name"]: link for link in ask("mallory", "show")["links"]}
    assert all(link["rendered"] and link["live"] for link in shown.values())


@pytest.fixture(scope="module")
def own_cgroup(host):
    """mallory's service manager, which gives her cgroups that she can freeze; returns the cgroup folder."""
    folder = host.check_output("findmnt -n -o TARGET -t cgroup2 | head -n 1")
    uid = host.check_output("id -u mallory")
    host.check_output(f"systemctl start user@{uid}.service")
    yield folder, uid
    host.check_output(f"systemctl stop user@{uid}.service")


def test_a_frozen_cgroup_holds_nobody_up(own_cgroup, python):
    folder, uid = own_cgroup
    code = """
folder, uid = map(json.loads, sys.argv[1:])
os.environ["XDG_RUNTIME_DIR"] = f"/run/user/{uid}"
scope = ["systemd-run", "--user", "--scope", "-q", "--unit=cold.scope"]
helper = subprocess.Popen([*scope, *HELPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
pattern = f"{folder}/user.slice/user-{uid}.slice/user@{uid}.service/*/cold.scope/cgroup.freeze"
(freezer,) = until(30, lambda: glob.glob(pattern))
# it has started, and waits for the request, out of her session
def has_left():
    folder = helper_below(helper.pid)
    if folder:
        with open(folder + "/cgroup") as cgroup:
            return "cold.scope" not in cgroup.read() and is_alone(folder)
if not until(30, has_left):
    sys.exit("the helper stays in its caller's session")
with open(freezer, "w") as file:
    file.write("1")
helper.stdin.write(json.dumps(add("frozen")).encode())
helper.stdin.close()
os.set_blocking(helper.stdout.fileno(), False)
said = until(60, helper.stdout.read)
with open(freezer, "w") as file:
    file.write("0")
helper.wait()
print(json.dumps([said.decode() if said else "", names()]))
"""
    said, names = python("mallory", code, folder, uid)
    assert '"plan"' in said, "sudo is frozen, the helper must not be"
    assert "frozen" in names


STOPPED = """
import http.client
(uid,) = map(json.loads, sys.argv[1:])
unit, fifo, results = "session-c777777.scope", "/tmp/stopped-asks", "/tmp/stopped-told"

def processes():
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(folder + "/cmdline") as file:
                yield folder, file.read().split("\\0")
        except OSError:
            pass

def one(is_it):
    for _ in range(200):
        for folder, words in processes():
            if is_it(folder, words):
                return folder
        time.sleep(0.05)
    sys.exit("no such process")

def waits_for_its_request(folder, words):
    try:
        open_ = [os.readlink(path) for path in glob.glob(folder + "/fd/*")]
    except OSError:
        open_ = []
    return words[0].endswith("python3") and any(path.startswith("/run/vizgate/requests/") for path in open_)

def status(path):
    connection = http.client.HTTPConnection("127.0.0.1", 1234, timeout=60)
    connection.request("GET", path, headers={"Authorization": "Basic bWFsbG9yeTptYWxsb3J5LXNlY3JldA=="})
    return connection.getresponse().status

os.mkfifo(fifo)
os.chown(fifo, uid, uid)
call = f"exec {' '.join(HELPER)} <{fifo} >{results}"
scope = ["systemd-run", "-q", "--scope", f"--slice=user-{uid}.slice", f"--unit={unit}", f"--uid={uid}", f"--gid={uid}"]
session = subprocess.Popen([*scope, "sh", "-c", call])
request = open(fifo, "wb")
helper = one(waits_for_its_request)

def has_left():
    with open(helper + "/cgroup") as file:
        left = not any(unit in line for line in file if line.split(":")[1] in ("", "name=systemd"))
    return left and is_alone(helper)

# a moment before, a signal reaches it: it has no lock then, and holds nobody up
if not until(60, has_left):
    sys.exit("the helper stays in its caller's session")
sudo = one(lambda folder, words: words[:3] == HELPER)
subprocess.run(["systemctl", "kill", "--signal=STOP", unit], check=True)

def is_stopped():
    with open(sudo + "/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"

try:
    stopped = until(60, is_stopped)
    request.write(json.dumps(add("stopped")).encode())
    request.close()
    served = until(60, lambda: status("/mallory/stopped/") == 200)
    before, bobs = time.monotonic(), []
    for change in (add("hurried"), {"do": "remove", "name": "hurried"}):
        done = subprocess.run(["runuser", "-u", "bob", "--", *HELPER], input=json.dumps(change).encode(), capture_output=True)
        bobs.append("plan" in json.loads(done.stdout))
    took, still = time.monotonic() - before, is_stopped()
finally:
    subprocess.run(["systemctl", "kill", "--signal=CONT", unit])
    session.wait(30)
with open(results) as file:
    answer = json.load(file)
os.unlink(fifo)
os.unlink(results)
print(json.dumps([stopped, still, served, "plan" in answer, bobs, took]))
"""


def test_a_stopped_session_holds_nobody_up(host, python, her_login):
    """A user can let systemd send signals to all processes of the session, including those of root."""
    stopped, still, served, done, bobs, took = python("root", STOPPED, host.user("mallory").uid)
    assert (stopped, still) == (True, True)
    assert served, "sudo is stopped, the helper must not be"
    assert done
    assert bobs == [True, True]
    assert took < 30, "a lock is waited for longer"


LEFT_STOPPED = """
command = ["runuser", "-u", "mallory", "--", *HELPER]
session = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)

def state(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"

def helper():
    found = subprocess.run(["pgrep", "-f", f"^/usr/bin/python3 -IBS {HELPER[2]}$"], capture_output=True, text=True)
    return found.stdout.split()

(pid,) = until(60, helper)
# of root's, in place of her session's, which would have to come in the very milliseconds
os.kill(int(pid), signal.SIGSTOP)
stopped = until(60, lambda: state(pid) == "T")
subprocess.run(json.loads(sys.argv[1]), stdin=subprocess.DEVNULL, check=True)
ended = until(40, lambda: state(pid) in ("Z", "gone"))
# runuser and sudo stop with what they have started
os.killpg(session.pid, signal.SIGKILL)
session.wait()
print(json.dumps([stopped, ended]))
"""


@pytest.mark.parametrize(
    "command",
    [
        ["systemctl", "start", "vizgate-resolve.service"],
        # as the command does after a few seconds without a response
        ["runuser", "-u", "mallory", "--", "/usr/bin/sudo", "-n", "/usr/local/libexec/vizgate/apply"],
    ],
)
def test_a_helper_that_was_stopped_ends(python, command):
    assert python("root", LEFT_STOPPED, command) == [True, True]
