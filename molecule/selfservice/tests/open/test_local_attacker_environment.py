"""mallory attacks sudo and the environment: weak sudoers settings, variables, limits and open files of her process."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.usefixtures("nobody_else_notices")

PASSWORD = "never-in-a-log-7381"


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
