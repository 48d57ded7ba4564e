"""Shared by all phases: the output of the playbook, alice's uid, and the ssh command."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

UID = 1501
"""Alice's uid."""
SSH = "ssh -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"


@pytest.fixture(scope="module")
def output(host):
    """The output of a run of the playbook for this host: the lines of its report, its number of changes, and all text."""

    def output(name):
        text = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], name).read_text()
        here = host.backend.get_hostname()
        report = re.search(rf"^ok: \[{here}\] => \{{\n    \"msg\": \[\n(.*?)^    \]", text, re.MULTILINE | re.DOTALL)
        changed = re.search(rf"^{here} .*changed=(\d+)", text, re.MULTILINE)
        lines = re.findall(r'^        "(.*?)",?$', report[1], re.MULTILINE) if report else []
        return lines, int(changed[1]), text

    return output
