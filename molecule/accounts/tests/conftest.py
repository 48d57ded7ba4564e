"""What all phases share: what the administrator was told, and how alice is known."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

UID = 1501
"""The number that alice has."""
SSH = "ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"


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
