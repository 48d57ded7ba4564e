"""What the tests with a local attacker share. She is mallory, and has a shell and knowledge of the source."""

from __future__ import annotations

SOCKETS = "/run/vizgate/sockets"
HERS = "/tmp /var/tmp /dev/shm /run/lock /home/mallory /run/vizgate/sockets/mallory"
"""Folders that she can write to."""
OTHERS = """find /etc /root /usr/local /var/lib/vizgate /home/alice /home/bob -xdev -type f \
! -path '*/turns/*' ! -path '*/audit/*' ! -path '*/mallory*' ! -path '*/carol*' ! -name '*.pyc' ! -name lock ! -name addresses.json \
! -name audit.jsonl ! -path '/etc/*-' ! -name .pwd.lock -exec stat -c '%n %a %U %G' {} + -exec md5sum {} + | sort"""
"""Lists all files of root, alice and bob with their owners and contents."""

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

# the /proc folder of a process's parent
def parent(folder):
    with open(folder + "/status") as file:
        return "/proc/" + next(line.split()[1] for line in file if line.startswith("PPid:"))

def is_below(folder, pid):
    while folder not in ("/proc/0", "/proc/1"):
        if folder == f"/proc/{pid}":
            return True
        folder = parent(folder)
    return False

# whether the shell has ended that moves the helper; it is in the caller's cgroup until then, and the helper waits for it
def is_alone(helper):
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            if parent(folder) == helper:
                return False
        except OSError:
            pass
    return True

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


TIDY = """
shown = json.loads(ask({"do": "show"})[1])
for kind, do in (("links", "remove"), ("logins", "remove_login")):
    for item in shown[kind]:
        ask({"do": do, "name": item["name"]})
print("null")
"""
