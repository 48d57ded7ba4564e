"""What the benchmark plays: gateways of many users and of few, the same gateway new again and again, and a play of nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.vizgate.gateway.plugins.module_utils._core.host.passwords import hash_password
from rig import Rig

PASSWORD = "benchmark"
_EMPTY = "- name: Nothing\n  hosts: gateways\n  gather_facts: false\n  tasks: []\n"
_DECLARED = (
    "var/lib/vizgate",
    "etc/nginx/vizgate/links.d",
    "etc/nginx/vizgate/logins.d",
    "etc/nginx/vizgate/pages",
)


def users(count: int, ports: list[int]) -> dict[str, str]:
    """Users files, by user: a link to each port, and a login named like the user."""
    password_hash = hash_password(PASSWORD)
    links = "".join(
        f"  - name: link{number}\n    kind: http\n    host: 127.0.0.1\n    port: {port}\n    description: Run {number}\n"
        for number, port in enumerate(ports)
    )
    return {
        f"user{number}": f"links:\n{links}logins:\n  - name: user{number}\n    password_hash: {password_hash}\n"
        for number in range(count)
    }


class Gate(Rig):
    """A rootless gateway that stays as the playbook makes it."""

    def build(self) -> None:
        """Makes the gateway and starts it."""
        self.play("playbooks/site.yml", changed=True)

    def play(self, playbook: str, *, changed: bool) -> float:
        """Seconds that a playbook takes; it has to change something, or nothing."""
        os.sync()  # nobody else's files on the way to the disk
        started = time.perf_counter()
        done = self.run("ansible-playbook", "-i", str(self.inventory), playbook)
        seconds = time.perf_counter() - started
        counts = re.findall(r"changed=(\d+)", done.stdout)
        if done.returncode != 0 or any((count != "0") != changed for count in counts):
            raise RuntimeError(f"{playbook} did not go as expected:\n{done.stdout}{done.stderr}")
        return seconds

    def play_nothing(self) -> float:
        """Seconds that a play without tasks takes on the same inventory."""
        playbook = self.folder / "empty.yml"
        playbook.write_text(_EMPTY)
        return self.play(str(playbook), changed=False)

    def remember(self) -> None:
        """Keeps what is declared now for `renew`."""
        for path in _DECLARED:
            shutil.copytree(self.root / path, self.folder / "remembered" / path)

    def renew(self) -> None:
        """Brings back what was remembered. What is there is moved, not removed: ext4 is slow to use inodes again."""
        self.command("stop")
        old = Path(tempfile.mkdtemp(dir=self.folder))
        for path in _DECLARED:
            (self.root / path).rename(old / Path(path).name)
            shutil.copytree(self.folder / "remembered" / path, self.root / path)
        self.command("start")


@contextlib.contextmanager
def gate(declared: Mapping[str, str]) -> Iterator[Gate]:
    """A gateway of the users in a temporary folder."""
    with Gate.temporary(declared) as found:
        found.build()
        yield found
