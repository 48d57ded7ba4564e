"""What a removed gateway leaves on its host: nothing but traces that every installation of a package leaves."""

from __future__ import annotations

import re

import pytest

# Caches, logs, and the state of apt, dpkg, systemd and Ansible; backups of /etc/passwd and its like, and those that Debian makes
# of dpkg's state at midnight; the welcome page that Debian's nginx does not take along.
TRACES = re.compile(
    r"file /(var/(cache|log|lib/(apt|dpkg|systemd|ucf|private))|root|proc|sys|dev|tmp|run/(systemd|log|user|lock|sudo))\b"
    r"|(file|content) /etc/((passwd|group|shadow|gshadow|subuid|subgid)-|ld\.so\.cache|\.pwd\.lock)\s"
    r"|file /var/backups/(alternatives|apt|dpkg)\."
    r"|file /var/www\b"
    r"|unit (session|user|apt-daily|dpkg-db-backup|fstrim|e2scrub|systemd-tmpfiles-clean|run-|ansible)"
)


@pytest.fixture(scope="module")
def change(host):
    before = set(host.file("/root/before").content_string.splitlines())
    after = set(host.check_output("/root/snapshot").splitlines())
    assert len(before) > 5000
    return before, after


def test_nothing_is_left_and_nothing_is_missing(change):
    before, after = change
    changes = [f"left: {line}" for line in after - before] + [f"missing: {line}" for line in before - after]
    changes = [line for line in sorted(changes) if not TRACES.match(line.partition(": ")[2])]
    assert not changes, "\n".join(changes)


def test_nothing_is_called_vizgate(change):
    called = [line for line in sorted(change[1]) if "vizgate" in line]
    assert not called, "\n".join(called)


def test_site_of_before_still_answers(host):
    if "debian13" in host.backend.get_hostname():
        fetch = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8081').read().decode())"
        assert host.check_output(f'python3 -c "{fetch}"') == "still here"
        assert host.service("nginx").is_running
