# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only root does, or the owner of a rootless gateway: make the gateway whole again, or empty."""

from __future__ import annotations

import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from vizgate.apply.gateway import SELF, Declaration, Gateway, NginxRefused
from vizgate.model.data import InvalidData
from vizgate.registry.store import Locked, Registry

from . import show, talk

QUESTION = "All links and logins of all users will be gone. The name of this host, to go on"
UNITS = ("run-vizgate-sockets.mount", "vizgate-auth.service", "nginx.service", "vizgate-resolve.timer")


@contextmanager
def whole_gateway(action: str) -> Iterator[Gateway]:
    """The gateway, its failures told in lines."""
    if not talk.privileged():
        raise talk.refused(f"{action}: only root does that")
    gateway = talk.gateway()
    try:
        gateway.registry.policy()  # the first thing that a host without a gateway lacks
        yield gateway
    except (InvalidData, Locked, NginxRefused, OSError, tarfile.TarError) as error:
        raise talk.Failed(4, str(error).splitlines()) from None


def init() -> None:
    """Finishes a change that was cut short, renders and publishes every user anew, and starts the services."""
    with whole_gateway("init") as gateway:
        outcome = gateway.declare(SELF, _nothing, verify=True)
        for line in outcome.diff:
            click.echo(f"repaired {line['after_header']}")
        _services("start")
        if outcome.reload:
            _services("reload")
        click.echo(f"{len(gateway.registry.users())} users are published, and the services run")


def remove_everything(confirm: str | None = None) -> None:
    """Leaves an archive, then withdraws the links and logins of all users and sources. The site policy stays.

    `confirm` has to be the host's name; the user is asked for it where it is not given.
    """
    with whole_gateway("remove-everything") as gateway:
        host = os.uname().nodename

        def check(name: str) -> str:
            if name != host:
                raise click.UsageError(f"{name!a} is not the name of this host, {host}")
            return name

        if confirm is None:
            click.prompt(QUESTION, value_proc=check)
        elif confirm != host:
            raise talk.refused(f"{confirm!a} is not the name of this host, {host}; nothing was removed")
        archive, plan = "", list[dict[str, str]]()
        try:
            # one lock for all, so that nothing goes that has come after the archive
            with gateway.registry.locked():
                archive = _archive(gateway)
                sources = {source for declared in gateway.registry.everything().values() for source in declared}
                # first what yields to others: it must not come back for a moment
                for source in sorted(sources, key=lambda source: (source != SELF, source)):
                    plan += gateway.declare(source, _nothing, complete=True, diff=False, locked=True).plan
                gateway.declare(SELF, _nothing, verify=True, locked=True)
                for name in os.listdir(gateway.paths.state):
                    # the next converge shall not take inventory for published
                    if name.endswith(".digest"):
                        os.unlink(os.path.join(gateway.paths.state, name))
        finally:
            # told when the lock is free again: whoever reads it may take their time
            if archive:
                click.echo(f"{archive} has what was there")
            show.results({"plan": plan})


def _nothing(_registry: Registry) -> Declaration:
    return {}


def _archive(gateway: Gateway) -> str:
    """Policy, registry and include files as a tar archive that only root reads; returns its path. Under the lock."""
    paths = gateway.paths
    folder = os.path.join(talk.ROOT, "var/backups/vizgate")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, time.strftime("vizgate-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime()))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        gateway.recover()
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for part in (paths.policy, paths.state, paths.includes):
                archive.add(part, os.path.relpath(part, talk.ROOT))
        file.flush()
        os.fsync(descriptor)
    return path


def _services(action: str) -> None:
    """Starts or reloads whatever serves."""
    if talk.ROOT == "/":
        units = UNITS if action == "start" else ("nginx.service",)
        command = ["systemctl", action, *units]
    else:
        command = [os.path.join(talk.LIB, "bin/vizgate-rootless"), action]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().split("\n")[-1]
        raise talk.unavailable(f"{' '.join(command)} fails: {said}")
