"""What all phases share: a visitor from outside of the host, a line of shell as an account, what the administrator was told."""

from __future__ import annotations

import base64
import http.client
import os
import re
from pathlib import Path

import pytest

PORT = 1234
UID = 1501
"""The number that alice has."""
SSH = "ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"


@pytest.fixture(scope="module")
def status(host):
    """Requests a path from outside, as a login whose password is `<login>-secret`."""
    address = host.check_output("hostname -I").split()[0]

    def status(path, login):
        credential = base64.b64encode(f"{login}:{login}-secret".encode()).decode()
        connection = http.client.HTTPConnection(address, PORT, timeout=20)
        connection.request("GET", path, headers={"Authorization": f"Basic {credential}"})
        return connection.getresponse().status

    return status


@pytest.fixture(scope="module")
def run(host):
    """Runs a line of shell as an account that has logged in; `(exit code, stdout, stderr)`."""

    def run(account, line):
        done = host.run("runuser -l %s -c %s", account, line)
        return done.rc, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def told(host):
    """What a run of the playbook has said of this host: the lines of its report, and its number of changes."""

    def told(name):
        text = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], name).read_text()
        here = host.backend.get_hostname()
        report = re.search(rf"^ok: \[{here}\] => \{{\n    \"msg\": \[\n(.*?)^    \]", text, re.MULTILINE | re.DOTALL)
        changed = re.search(rf"^{here} .*changed=(\d+)", text, re.MULTILINE)
        lines = re.findall(r'^        "(.*?)",?$', report[1], re.MULTILINE) if report else []
        return lines, int(changed[1]), text

    return told
