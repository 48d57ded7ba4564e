"""A local attacker, mallory, with a shell and knowledge of the source: sudo, process state, folders and requests."""

from __future__ import annotations

import itertools
import json
import re
import time

import pytest
from conftest import HELPER

RELOAD = "/usr/sbin/service nginx reload"
SOCKETS = "/run/vizgate/sockets"
PASSWORD = "never-in-a-log-7381"
HERS = "/tmp /var/tmp /dev/shm /run/lock /home/mallory /run/vizgate/sockets/mallory"
"""Folders that she can write to."""
OTHERS = """find /etc /root /usr/local /var/lib/vizgate /home/alice /home/bob -xdev -type f \
! -path '*/turns/*' ! -path '*/audit/*' ! -path '*/mallory*' ! -path '*/carol*' ! -name '*.pyc' ! -name lock ! -name addresses.json \
! -name audit.jsonl ! -path '/etc/*-' ! -name .pwd.lock -exec stat -c '%n %a %U %G' {} + -exec md5sum {} + | sort"""

KIT = """
import glob, json, os, pty, signal, subprocess, sys, time
HELPER = ["sudo", "-n", "/usr/local/libexec/vizgate/apply"]

def ask(request, before=None, **how):
    request = request if isinstance(request, bytes) else json.dumps(request).encode()
    done = subprocess.run(HELPER, input=request, capture_output=True, timeout=60, preexec_fn=before, **how)
    return [done.returncode, done.stdout.decode(), done.stderr.decode()]

def add(name, **link):
    return {"do": "add", "link": {"name": name, "port": 9087, **link}}

def names():
    return [link["name"] for link in json.loads(ask({"do": "show"})[1])["links"]]

def until(seconds, holds):
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.02)
    return found

def is_below(folder, pid):
    while folder not in ("/proc/0", "/proc/1"):
        if folder == f"/proc/{pid}":
            return True
        with open(folder + "/status") as file:
            folder = "/proc/" + next(line.split()[1] for line in file if line.startswith("PPid:"))
    return False

# the /proc folder of the root helper that this process started, once there is one
def helper_below(pid):
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(folder + "/cmdline") as file:
                if file.read().split("\\0")[:3] == ["/usr/bin/python3", "-IBS", HELPER[2]] and is_below(folder, pid):
                    return folder
        except OSError:
            pass
"""


@pytest.fixture(scope="module")
def python(host):
    """Runs Python code as an account; returns its JSON output."""

    def python(account, code, *arguments):
        words = ["runuser", "-u", account, "--", "env", "-C", "/tmp", "python3", "-c", KIT + code]
        done = host.run(" ".join(["%s"] * (len(words) + len(arguments))), *words, *map(json.dumps, arguments))
        assert done.rc == 0, done.stderr
        return json.loads(done.stdout)

    return python


@pytest.fixture(scope="module")
def ask(python):
    """The response to a request of an account."""

    def ask(account, do, **keys):
        code, output, errors = python(account, "print(json.dumps(ask(json.loads(sys.argv[1]))))", {"do": do, **keys})
        assert code in (0, 1), errors
        return json.loads(output)

    return ask


TIDY = """
shown = json.loads(ask({"do": "show"})[1])
for kind, do in (("links", "remove"), ("logins", "remove_login")):
    for item in shown[kind]:
        ask({"do": do, "name": item["name"]})
print("null")
"""


@pytest.fixture(scope="module", autouse=True)
def nobody_else_notices(host, python):
    """Checks afterwards: no file except her own has changed, root has left none in her folders, no transaction hangs."""
    python("mallory", TIDY)
    host.check_output("touch /root/mallory-begins")
    before = host.check_output(OTHERS).splitlines()
    known = len(host.check_output("cat /var/lib/vizgate/audit.jsonl").splitlines())
    yield
    python("mallory", TIDY)
    left = f"find {HERS} -xdev -newer /root/mallory-begins ! -type d ! -user mallory"
    assert host.run(left).stdout == ""
    host.check_output("rm /root/mallory-begins")
    after = host.check_output(OTHERS).splitlines()
    assert sorted(set(before) ^ set(after)) == []
    # the administrators' log has root's changes for her, and none of her own
    log = host.check_output("cat /var/lib/vizgate/audit.jsonl").splitlines()[known:]
    assert {json.loads(line)["by"] for line in log} <= {"root"}
    unfinished = "find /etc/nginx/vizgate /var/lib/vizgate -name '*.new' -o -name '*.old' -o -name 'journal*'"
    assert host.check_output(unfinished) == ""
    assert host.run("pgrep -f 'vizgate/[a]pply'").stdout == ""
    assert host.run("nginx -t").rc == 0


# sudo, on a site with weaker sudoers settings than Debian's


@pytest.fixture(scope="module")
def loose_site(host):
    """Sets all insecure sudoers options that sites use for convenience."""
    lines = [
        "Defaults !secure_path, !env_reset, setenv, runchroot=*, runcwd=*, closefrom_override, user_command_timeouts",
        "Defaults noexec, log_input, log_output, use_pty",
        'Defaults env_keep += "PATH LD_PRELOAD BASH_ENV ENV PYTHONPATH PYTHONHOME OPENSSL_CONF TMPDIR SUDO_UID"',
    ]
    # before the gateway's rules and after them
    host.check_output("printf '%%s\\n' %s %s %s >/root/site && visudo -cf /root/site", *lines)
    host.check_output("cp /root/site /etc/sudoers.d/00-site && mv /root/site /etc/sudoers.d/zz-site")
    yield
    host.check_output("rm -r /etc/sudoers.d/00-site /etc/sudoers.d/zz-site")
    host.check_output("rm -rf /var/log/sudo-io")


TRAPS = """
home = os.path.expanduser("~")
traps, sprung = home + "/traps", home + "/sprung"
os.makedirs(traps + "/jail/usr/sbin")
os.makedirs(traps + "/jail" + os.path.dirname(HELPER[2]))
def trap(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)
for name in ("basename", "systemctl", "nginx", "htpasswd", "env", "python3", "stat"):
    trap(f"{traps}/{name}", f'#!/bin/sh\\n[ "$(/usr/bin/id -u)" = 0 ] && echo $0 >>{sprung}\\nexec /usr/bin/{name} "$@"\\n')
trap(f"{traps}/script", f'[ "$(/usr/bin/id -u)" = 0 ] && echo script >>{sprung}\\n')
for name in ("sitecustomize", "usercustomize", "json", "string", "contextlib"):
    trap(f"{traps}/{name}.py", f"import os\\nos.getuid() or open({sprung!r}, 'a').write({name!r})\\n")
for command in ("/usr/sbin/service", HELPER[2]):
    trap(f"{traps}/jail{command}", "")
    os.unlink(f"{traps}/jail{command}")
    # whatever a chroot of hers runs would be hers
    os.symlink("/bin/true", f"{traps}/jail{command}")
os.makedirs(traps + "/jail/bin")
subprocess.run(["cp", "/bin/true", traps + "/jail/bin/true"], check=True)
for line in subprocess.run(["ldd", "/bin/true"], capture_output=True, text=True, check=True).stdout.split():
    if line.startswith("/"):
        os.makedirs(traps + "/jail" + os.path.dirname(line), exist_ok=True)
        subprocess.run(["cp", line, traps + "/jail" + line], check=True)
words = {"PATH": f"{traps}:/usr/bin:/bin", "LD_PRELOAD": traps + "/no.so", "LD_LIBRARY_PATH": traps, "BASH_ENV": traps + "/script",
    "ENV": traps + "/script", "IFS": "/", "PS4": "$(id)", "PYTHONPATH": traps, "PYTHONHOME": traps, "PYTHONSTARTUP": traps + "/json.py",
    "PYTHONINSPECT": "1", "OPENSSL_CONF": traps + "/script", "TMPDIR": traps, "HOME": home, "CDPATH": traps, "LOCPATH": traps,
    "LC_ALL": "../../../" + home, "TZ": home, "SUDO_UID": "0", "SUDO_USER": "bob", "USER": "bob", "GCONV_PATH": traps,
    "BASH_FUNC_basename%%": "() { " + traps + "/basename; }", "SYSTEMD_LOG_LEVEL": "debug", "SHELLOPTS": "xtrace"}
"""

TRY = """
commands = {"reload": "/usr/sbin/service nginx reload".split(), "helper": HELPER[2:]}
pairs = [f"{key}={words[key]}" for key in ("PATH", "LD_PRELOAD", "BASH_ENV", "PYTHONPATH", "OPENSSL_CONF")]
ways = {"plain": [], "-E": ["-E"], "words": pairs, "preserve": ["--preserve-env=PATH,LD_PRELOAD,PYTHONPATH,OPENSSL_CONF"],
    "-R": ["-R", traps + "/jail"], "-D": ["-D", traps], "-C": ["-C", "200"], "-T": ["-T", "1"]}
results = {}
for command, line in commands.items():
    for way, options in ways.items():
        request = {"do": "show"}
        if way == "plain":
            request = {"do": "add_login", "name": f"loose{len(results)}", "password": json.loads(sys.argv[1])}
        done = subprocess.run(["/usr/bin/sudo", "-n", *options, *line], env=words, input=json.dumps(request).encode(), capture_output=True)
        results[f"{command} {way}"] = [done.returncode, done.stdout.decode(), done.stderr.decode()]
print(json.dumps([results, open(sprung).read() if os.path.exists(sprung) else ""]))
"""


@pytest.fixture(scope="module")
def loose(host, python, loose_site):
    """Attack → result; and the traps that root has triggered."""
    results, sprung = python("mallory", TRAPS + TRY, PASSWORD)
    yield results, sprung
    host.check_output("rm -rf /home/mallory/traps /home/mallory/sprung")


def test_no_trap_of_hers_is_sprung_by_root(loose):
    assert loose[1] == ""


def test_the_commands_work_on_a_loose_site(loose):
    results, _sprung = loose
    assert results["reload plain"] == [0, "", ""]
    code, answer, errors = results["helper plain"]
    assert (code, errors) == (0, "")
    assert json.loads(answer)["plan"][0]["user"] == "mallory"


def test_nothing_of_her_environment_comes_along(loose):
    results, _sprung = loose
    for way in ("reload -R", "helper -R"):
        # 'a password is required' if the rule does not match
        assert results[way][0] == 1, results[way]
    for way in ("reload words", "helper words", "reload -E", "helper -E", "reload preserve", "helper preserve"):
        code, _answer, errors = results[way]
        assert (code, errors.partition(" allowed to ")[0]) == (1, "sudo: sorry, you are not"), results[way]
    for way, (code, answer, errors) in results.items():
        assert "ld.so" not in errors, way
        # she can act neither for bob nor for root
        assert code == 1 or way.startswith("reload") or '"user": "mallory"' in answer, way


def test_a_password_is_in_no_log(host, loose):
    # sudo's I/O logs are compressed
    find = "find /var/log /run/log /var/lib/vizgate /etc/nginx -type f -exec zgrep -l {} '{{}}' + 2>/dev/null"
    assert host.run(find.format(PASSWORD)).stdout == ""
    assert PASSWORD not in host.check_output("journalctl --no-pager -q")


# the state of her process when it calls the helper

STATES = {
    # the state, and whether the request must succeed nevertheless
    "ulimit -f 0": False,
    "ulimit -n 3": False,
    "ulimit -n 5": False,
    "ulimit -n 12": False,
    "ulimit -t 0": False,
    "ulimit -v 40000": False,
    "ulimit -s 100": False,
    "ulimit -d 1000": False,
    "ulimit -u 1": False,
    "ulimit -c unlimited": True,
    "ulimit -s unlimited": True,
    "ulimit -l 0; ulimit -i 0; ulimit -q 0; ulimit -m 0": True,
    "umask 0": True,
    "umask 777": True,
    "exec 2>&-": True,
    "exec 2</dev/null": True,
    "exec 2>/dev/full": True,
    "exec >&-": None,
    "exec >/dev/full": None,
    "exec </dev/null": None,
    "exec <&-": None,
    "exec </tmp": None,
    "exec 7<>/tmp/mallory-7 200<>/tmp/mallory-7": True,
    "trap '' HUP INT QUIT TERM CHLD PIPE ALRM USR1 USR2 XFSZ XCPU TSTP TTIN TTOU": True,
    "mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone": True,
    "mkdir -p /tmp/shut; cd /tmp/shut; chmod 0 /tmp/shut": True,
    "cd /proc/self": True,
    "nice -n 19 true; renice -n 19 $$ >/dev/null": False,
    "chrt --idle --pid 0 $$": False,
    "ionice -c 3 -p $$": True,
    "taskset -p 1 $$ >/dev/null": True,
}


@pytest.fixture(scope="module")
def called(python):
    """State → the helper's output, and whether the link exists afterwards."""
    code = """
results = {}
for number, state in enumerate(json.loads(sys.argv[1])):
    name = f"state{number}"
    with open(f"/tmp/mallory-request", "w") as file:
        json.dump(add(name), file)
    # the request comes on stdin unless the state says otherwise
    line = f"exec </tmp/mallory-request; {state}; exec {' '.join(HELPER)}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60)
    results[state] = [done.stdout.decode(), name in names(), name]
for path in glob.glob("/tmp/mallory-*") + glob.glob("/tmp/shut"):
    (os.rmdir if os.path.isdir(path) else os.unlink)(path)
print(json.dumps(results))
"""
    return python("mallory", code, list(STATES))


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_her_process_stops_nothing_half_way(called, state):
    said, there, _name = called[state]
    if STATES[state] is None:
        # with closed stdin or stdout: no output in any case
        assert said == ""
    else:
        # where the limits cannot be raised, as in this container, nothing is changed
        assert there == ('"plan"' in said), said
        assert there or not STATES[state], said


def test_what_she_has_added_in_any_state_serves(host, called, ask):
    shown = {link["name"]: (link["rendered"], link["live"]) for link in ask("mallory", "show")["links"]}
    for _said, there, name in called.values():
        assert (shown.get(name) == (True, True)) == there
    for path in ("links.d/mallory.map", "pages/mallory.html"):
        assert host.file(f"/etc/nginx/vizgate/{path}").mode == 0o640


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
            return "cold.scope" not in cgroup.read()
if not until(30, has_left):
    sys.exit("the helper stays in its caller's session")
with open(freezer, "w") as file:
    file.write("1")
helper.stdin.write(json.dumps(add("frozen")).encode())
helper.stdin.close()
os.set_blocking(helper.stdout.fileno(), False)
said = until(20, helper.stdout.read)
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
        return not any(unit in line for line in file if line.split(":")[1] in ("", "name=systemd"))

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


# invalid requests

UNUSABLE = {
    # as Python expressions, because the texts are too long for a command line
    "one byte too much": ("b' ' * 65536 + b'1'", "the request has more than 65536 bytes"),
    "a hundred megabytes": ("b'[' * 100_000_000", "the request has more than 65536 bytes"),
    "too deep": ("b'[' * 60000", "the request is no JSON: maximum recursion depth exceeded"),
    "not UTF-8": (
        """b'{"do": "show", "x": "\\xff"}'""",
        "the request is no JSON: 'utf-8' codec can't decode byte 0xff",
    ),
    "no JSON": ("b'add train 9087'", "the request is no JSON: Expecting value"),
    "two requests": ("""b'{"do": "show"}' * 2""", "the request is no JSON: Extra data"),
    "half a request": ("""b'{"do": "show"'""", "the request is no JSON: Expecting ',' delimiter"),
    "NUL": ("""b'{"do": "show"}\\0'""", "the request is no JSON: Extra data"),
    "a huge number": (
        """b'{"do": "history", "lines": ' + b'9' * 60000 + b'}'""",
        "the request is no JSON: Exceeds the limit",
    ),
}
REFUSED = {
    "a list": ("[]", "request 'None' is not known"),
    "not a number": ("add('a', port=float('nan'))", "link 'a': port 'nan' is not a number"),
    "infinity": ("add('a', port=float('inf'))", "link 'a': port 'inf' is not a number"),
    "a thousand digits": ("add('a', port=10**1000)", "link 'a': port '1000"),
    "the last of two": ("""b'{"do": "show", "do": "rm", "user": "bob"}'""", "request 'rm' is not known"),
    "somebody else's": ("{'do': 'show', 'user': 'bob'}", "request 'show': unknown key 'user'"),
    "another source": ("{'do': 'move', 'source': 'inventory'}", "request 'move': unknown key 'source'"),
    "bob's link": ("add('../bob/x')", "link '../bob/x': the name is not of"),
    "half a character": (
        "{'do': 'add_login', 'name': 'm', 'password': '\\ud800'}",
        "the password is not valid Unicode",
    ),
    "UTF-16": ("""'{"do": "rm"}'.encode('utf-16')""", "request 'rm' is not known"),
}


@pytest.fixture(scope="module")
def unusable(python):
    """The responses to invalid requests."""
    code = """
print(json.dumps({name: ask(eval(text)) for name, text in json.loads(sys.argv[1]).items()}))
"""
    texts = {name: text for name, (text, _said) in {**UNUSABLE, **REFUSED}.items()}
    return python("mallory", code, texts)


@pytest.mark.parametrize("request_", UNUSABLE)
def test_a_request_that_cannot_be_read(unusable, request_):
    code, said, errors = unusable[request_]
    assert (code, errors) == (1, "")
    assert json.loads(said)["unavailable"].startswith(f"{HELPER}: {UNUSABLE[request_][1]}")


@pytest.mark.parametrize("request_", REFUSED)
def test_a_request_that_is_refused(unusable, request_):
    code, said, errors = unusable[request_]
    assert (code, errors) == (1, "")
    assert json.loads(said)["problems"][0].startswith(REFUSED[request_][1])


POISON = [
    *("\n", "\r\n", "\0", "\t", "\x7f", "\x1b[2J", '"', "'", "{", "}", "$", "${host}", ";", "#", "\\", "%0a", "%00"),
    *("$(id)", "`id`", "{{ 7*7 }}", "{% raw %}", "../", "<script>", "\u202e", "\u2028", "\ufeff", "\u212a", "é"),
    *('"; } http { server { listen 1; } } #', '" "y";\n"bob/lab" "strip 127.0.0.1:22'),
]
FIELDS = ["name", "host", "kind", "prefix", "socket", "login", "description", "password"]


def poisoned(fields, number):
    """A request with fields that another program could interpret."""
    text = f"a{POISON[number]}b"
    if fields in (["login"], ["password"]):
        name, password = (text, "secret") if fields == ["login"] else (f"p{number}", text)
        return {"do": "add_login", "name": name, "password": password}
    if fields == ["socket"]:
        return {"do": "add", "link": {"name": "poison", "socket": f"{SOCKETS}/mallory/{text}"}}
    return {"do": "add", "link": {"name": f"{fields[0]}{number}", "port": 9087, **dict.fromkeys(fields, text)}}


@pytest.fixture(scope="module")
def answers(python):
    """Field → the response to each poison. Where responses list all problems, four fields share a request."""
    code = """
print(json.dumps([json.loads(ask(request)[1]) for request in json.loads(sys.argv[1])]))
"""
    groups = [FIELDS[:4], *([field] for field in FIELDS[4:])]
    results = iter(
        python("mallory", code, [poisoned(group, number) for group in groups for number in range(len(POISON))])
    )
    batches = [(group, list(itertools.islice(results, len(POISON)))) for group in groups]
    return {field: batch for group, batch in batches for field in group}


@pytest.mark.parametrize("field", [field for field in FIELDS if field not in ("description", "password")])
def test_poison_in_a_field_is_refused(answers, field):
    for poison, answer in zip(POISON, answers[field], strict=True):
        assert list(answer) == ["problems"], (poison, answer)
        value = f"{SOCKETS}/mallory/a{poison}b" if field == "socket" else f"a{poison}b"
        problem = f"{'link' if field == 'name' else field} {value!a}"
        assert any(problem in line for line in answer["problems"]), answer
        assert all(line.isprintable() for line in answer["problems"])


def test_poison_in_a_description_is_text(host, answers, ask, get, her_login):
    assert all("plan" in answer for answer in answers["description"])
    shown = {link["name"]: link for link in ask("mallory", "show")["links"]}
    for number, poison in enumerate(POISON):
        link = shown[f"description{number}"]
        assert link["description"] == f"a{poison}b"
        assert (link["rendered"], link["live"]) == (True, True)
        assert get(f"/mallory/description{number}/", "mallory").status == 200
    keys = host.check_output("cut -d ' ' -f 1 /etc/nginx/vizgate/links.d/mallory.map").split()
    assert {key.split("/")[0] for key in keys if key != "#"} == {'"mallory'}
    assert get("/bob/lab/", "bob").status == 404
    page = get("/mallory/", "mallory").body.decode()
    assert "a&lt;script&gt;b" in page
    assert "a<script>b" not in page


def test_poison_in_a_password_is_typed_by_visitors_too(answers, get):
    opened = 0
    for number, poison in enumerate(POISON):
        answer = answers["password"][number]
        if any(letter < " " or letter == "\x7f" for letter in poison):
            assert answer == {"problems": ["the password holds a control character"]}
        else:
            assert "plan" in answer
            assert get("/mallory/", f"p{number}", f"a{poison}b").status == 200, poison
            assert number % 8 or get("/mallory/", f"p{number}", "ab").status == 401
            opened += 1
    assert opened >= 20


@pytest.fixture
def no_links_of_hers(host):
    """Removes all her links at once, before and after, because single removals take too long."""
    code = """
import sys
sys.path.insert(0, "/usr/local/lib/vizgate/current")
from vizgate.apply.gateway import Gateway
from vizgate.paths import Paths
def without_links(registry):
    return {"mallory": registry.sources("mallory")["self"]._replace(links=())}
Gateway(Paths()).declare("self", without_links)
"""
    host.check_output("python3 -c %s", code)
    yield
    host.check_output("python3 -c %s", code)


def test_she_has_as_many_links_as_the_site_allows(host, python, her_login, no_links_of_hers):
    code = """
from concurrent.futures import ThreadPoolExecutor
def one_more(number):
    return json.loads(ask(add(f"quota{number}", description="x" * 200))[1])
with ThreadPoolExecutor(3) as pool:
    results = list(pool.map(one_more, range(201)))
print(json.dumps([sum("plan" in answer for answer in results), [answer for answer in results if "plan" not in answer]]))
"""
    added, (refused,) = python("mallory", code)
    assert added == 200
    assert refused["problems"][0].endswith(": you have 200, and the site's limit is 200; remove one first")
    hers = "find /etc/nginx/vizgate /var/lib/vizgate '(' -path '*/mallory/*' -o -name 'mallory.*' ')' -type f"
    sizes = list(map(int, host.check_output(f"{hers} -exec stat -c %s {{}} +").split()))
    assert len(sizes) >= 4  # registry, audit log, map, page
    assert sum(sizes) < 2 * 2**20


def test_whoever_keeps_the_helper_waiting_is_left(python):
    """Four helpers with an unfinished request, forty whose response is not read: root ends all of them soon."""
    code = """
import fcntl
pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
slow = []
# until all four are under way; one that came too late is replaced
for _ in range(50):
    slow = [helper for helper in slow if helper.poll() is None]
    while len(slow) < 4:
        slow.append(subprocess.Popen(HELPER, **pipes))
        slow[-1].stdin.write(b'{"do": ')
        slow[-1].stdin.flush()
    fifth = ask({"do": "show"})
    if fifth[0]:
        break
reader, full = os.pipe()
fcntl.fcntl(full, fcntl.F_SETPIPE_SZ, 4096)
os.write(full, b"x" * 4096)
deaf = [subprocess.Popen(HELPER, stdin=subprocess.PIPE, stdout=full, stderr=subprocess.DEVNULL) for _ in range(40)]
end = time.monotonic() + 60
while time.monotonic() < end and any(helper.poll() is None for helper in slow + deaf):
    time.sleep(0.1)
left = [sum(helper.poll() is None for helper in helpers) for helpers in (slow, deaf)]
os.close(reader)
reasons = sorted({helper.stderr.read().decode() for helper in slow})
print(json.dumps([fifth, left, reasons, ask({"do": "show"})[0]]))
"""
    fifth, left, reasons, code = python("mallory", code)
    assert reasons == ["its caller sent or read nothing for 20 s, or this host is too busy; try again\n"]
    reason = "you already have 4 requests in progress; try again when they have finished"
    assert fifth == [1, json.dumps({"unavailable": f"{HELPER}: {reason}"}) + "\n", ""]
    assert left == [0, 0]
    assert code == 0


def test_racing_herself_she_loses_nothing_and_bob_is_served(host, python, ask):
    """Eighty requests at once: each one succeeds or is refused."""
    code = """
helpers = []
for number in range(80):
    helper = subprocess.Popen(HELPER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    helpers.append(helper)
for number, helper in enumerate(helpers):
    try:
        helper.stdin.write(json.dumps(add(f"race{number % 20}")))
        helper.stdin.close()
    except BrokenPipeError:
        pass  # refused already
results = [json.loads(helper.stdout.read()) for helper in helpers]
added = sorted(step["url"].split("/")[2] for answer in results for step in answer.get("plan", []))
lines = [line for answer in results for line in [*answer.get("problems", []), answer.get("unavailable", "")]]
said = sorted({line.partition(": ")[2] for line in lines if line})
print(json.dumps([added, said, sorted(name for name in names() if name.startswith("race"))]))
"""
    added, said, names = python("mallory", code)
    assert added == names
    # concurrent requests may use the same name, and only one succeeds
    assert 1 <= len(added) <= 20
    assert set(said) <= {
        "you already have a link with this name; change or remove it, or choose another name",
        "you already have 4 requests in progress; try again when they have finished",
    }
    assert "plan" in ask("bob", "add", link={"name": "between", "port": 9087})
    assert "plan" in ask("bob", "remove", name="between")


# her folders


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


@pytest.fixture(scope="module")
def her_login(ask):
    """A login for her links."""
    assert "plan" in ask("mallory", "add_login", name="mallory", password="mallory-secret")


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


# account names and uids


@pytest.fixture
def account(host):
    """Creates accounts, and removes them with their files."""
    made = []

    def account(name, *options):
        host.check_output("useradd --badname -m %s " + " ".join(options), name)
        made.append(name)
        return int(host.check_output("id -u %s", name))

    yield account
    for name in made:
        host.run("userdel -r %s", name)
        host.run("umount --lazy %s; rm -rf %s", f"{SOCKETS}/{name}", f"{SOCKETS}/{name}")


@pytest.mark.parametrize("name", ["api", "static"])
def test_a_reserved_name_has_no_links(host, account, name):
    account(name)
    said = host.run(f"""echo '{{"do": "show"}}' | runuser -u {name} -- sudo -n {HELPER}""")
    assert json.loads(said.stdout)["problems"] == [
        f"user '{name}': the name is reserved; take another; self-service needs an account with such a name"
    ]


@pytest.mark.parametrize("name", ["proxy", "vizgate"])
def test_a_reserved_name_that_a_service_has_is_not_asked_further(host, name):
    said = host.run(f"""echo '{{"do": "show"}}' | runuser -u {name} -- sudo -n {HELPER}""")
    assert f"{name} is a system account" in json.loads(said.stdout)["unavailable"]


@pytest.mark.parametrize("name", ["Carol", "carol.x", "c" * 32 + "x"])
def test_a_name_that_is_no_address_has_no_links(host, account, name):
    if host.run("useradd --badname -m %s", name).rc != 0:
        assert len(name) > 32, "Debian has no longer names"
        return
    try:
        said = host.run(f"""echo '{{"do": "show"}}' | runuser -u {name} -- sudo -n {HELPER}""")
        assert json.loads(said.stdout)["problems"][0].startswith(f"user '{name}': the name is not of the form ")
    finally:
        host.check_output("userdel -r %s 2>/dev/null", name)


def test_a_second_root_is_nobody(host, account):
    account("toor", "-o", "-u", "0")
    said = host.run(f"""echo '{{"do": "show"}}' | runuser -u toor -- sudo -n {HELPER}""")
    assert json.loads(said.stdout) == {"unavailable": f"{HELPER}: sudo did not pass the uid of the caller (SUDO_UID)"}
    # userdel would refuse, because every process of root belongs to this account as well
    host.check_output("sed -i /^toor:/d /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid")


def test_two_names_of_one_number_are_the_first(host, account, ask):
    """The kernel and sudo know uids only."""
    account("mallory2", "-o", "-u", host.check_output("id -u mallory"))
    assert ask("mallory2", "show")["user"] == "mallory"


def test_a_folder_for_sockets_is_not_inherited(host, account, ask):
    """carol is removed, eve gets her uid, and a new carol is created: eve's files in carol's folder are never served."""
    uid = account("carol")
    assert "plan" in ask("carol", "add", link={"name": "s", "socket": f"{SOCKETS}/carol/s"})
    refresh, look = "systemctl start vizgate-resolve.service", f"stat -c '%U %G %a' {SOCKETS}/carol"
    assert host.check_output(look) == "carol www-data 2710"
    host.check_output("userdel -r carol 2>/dev/null")
    host.check_output(refresh)
    # no user owns the folder yet
    assert host.check_output(look) == "UNKNOWN www-data 2710"
    account("eve", "-u", str(uid))
    assert host.run(f"runuser -u eve -- touch {SOCKETS}/carol/eves").rc == 0
    host.check_output(refresh)
    assert not host.file(f"{SOCKETS}/carol").exists
    host.check_output(f"useradd -m carol; mkdir -m 2710 {SOCKETS}/carol; chown eve {SOCKETS}/carol")
    host.check_output(refresh)
    assert host.check_output(look) == "carol www-data 2710"
    assert host.check_output(f"ls {SOCKETS}/carol") == ""
    # the new carol owns what the earlier carol has declared
    assert "plan" in ask("carol", "remove", name="s")


def test_a_folder_that_was_half_made_is_made_whole(host, ask):
    """Killed between creating and mounting it; also full of her files, as with an old gateway with one file system for all."""
    host.run(f"umount --lazy {SOCKETS}/alice")
    host.check_output(f"rm -rf {SOCKETS}/alice && mkdir -m 700 {SOCKETS}/alice && touch {SOCKETS}/alice/left")
    assert "plan" in ask("alice", "add", link={"name": "half", "socket": f"{SOCKETS}/alice/s"})
    assert host.check_output(f"stat -c '%U %G %a' {SOCKETS}/alice; ls {SOCKETS}/alice") == "alice www-data 2710"
    assert host.run(f"mountpoint --quiet {SOCKETS}/alice").rc == 0
    assert "plan" in ask("alice", "remove", name="half")


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


ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\r\n\x00\u202e\u2028{{ 7*7 }}$(id)`id`\"'<script>"


@pytest.mark.parametrize(
    "command", ["list", "status", "status --all", "history", "export", "list --json", "history --json"]
)
def test_no_text_of_hers_reaches_a_terminal_as_it_is(host, ask, terminal, command):
    """Also in root's terminal."""
    results = ask("mallory", "add", link={"name": "escapes", "port": 9087, "description": ESCAPES})
    assert "plan" in results or "you already have a link with this name" in results["problems"][0]
    line = f"vizgate {'' if '--all' in command else '--user mallory '}{command}"
    for shown in (host.check_output(line), terminal("root", [], line)):
        # the command itself uses colours
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert "escapes" in plain
        assert [letter for letter in plain if not letter.isprintable() and letter not in "\r\n"] == []


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


def test_her_links_are_hers_alone(get, ask):
    """Her names appear on no page of another user."""
    assert "plan" in ask("mallory", "add", link={"name": "training", "port": 9088})
    assert get("/bob/training/", "bob").port == 9089
    assert "plan" in ask("mallory", "remove", name="training")
