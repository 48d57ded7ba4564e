# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only root does, or the owner of a rootless gateway: repair the gateway, empty it, list its protection."""

from __future__ import annotations

import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from vizgate.apply.change import Options
from vizgate.apply.gateway import Gateway
from vizgate.diagnose import protection
from vizgate.errors import VizgateError
from vizgate.model.sources import SELF, Declaration
from vizgate.registry.store import Registry

from . import client
from .output import plans, tables

QUESTION = "All links and logins of all users will be removed. To confirm, type the name of this host"
UNITS = ("run-vizgate-sockets.mount", "vizgate-auth.service", "nginx.service", "vizgate-resolve.timer")


@contextmanager
def whole_gateway(action: str) -> Iterator[Gateway]:
    """The gateway, for root or the owner of a rootless one; its errors become Failed."""
    if not client.is_privileged():
        raise client.refused(f"{action}: only root can do that")
    gateway = client.open_gateway()
    try:
        gateway.registry.policy()  # the first thing that a host without a gateway lacks
        yield gateway
    except (VizgateError, OSError, tarfile.TarError) as error:
        raise client.Failed(4, str(error).splitlines()) from None


def repair() -> None:
    """Finishes an interrupted change, renders and publishes every user again, and starts the services."""
    with whole_gateway("init") as gateway:
        outcome = gateway.declare(SELF, _nothing, Options(repair=True))
        for line in outcome.diff:
            click.echo(f"repaired {line['after_header']}")
        _run_services("start")
        if outcome.reload:
            _run_services("reload")
        click.echo(f"{len(gateway.registry.users())} users are published, and the services run")


def remove_everything(confirm: str | None = None) -> None:
    """Leaves an archive, then withdraws the links and logins of all users and sources. The site policy stays.

    `confirm` has to be the host's name; without it the user is asked for that name.
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
            raise client.refused(f"{confirm!a} is not the name of this host, {host}; nothing was removed")
        saved, plan = "", list[dict[str, str]]()
        try:
            # one lock for all, so that nothing goes that has come after the archive
            with gateway.registry.locked():
                saved = archive(gateway)
                sources = {source for declared in gateway.registry.everything().values() for source in declared}
                # first what other sources override, lest it is served for a moment
                for source in sorted(sources, key=lambda source: (source != SELF, source)):
                    plan += gateway.declare(source, _nothing, Options(prune=True, diff=False, locked=True)).plan
                gateway.declare(SELF, _nothing, Options(repair=True, locked=True))
                for name in os.listdir(gateway.paths.state):
                    # or the next converge would take the users files for published
                    if name.endswith(".digest"):
                        os.unlink(os.path.join(gateway.paths.state, name))
        finally:
            # after the lock is released: a reader of this output may be slow
            if saved:
                click.echo(f"the previous state is archived in {saved}")
            plans.print_plan({"plan": plan})


def print_protection(plain: bool) -> None:
    """Prints which recommended protection is on, and for what is off the reason and the variable that switches it on."""
    with whole_gateway("protection") as gateway:
        measures = protection.measures(protection.facts(gateway))
    if plain:
        tables.print_json([measure._asdict() for measure in measures])
        return
    off = [measure for measure in measures if not measure.on]
    on = ", ".join(measure.name for measure in measures if measure.on)
    click.echo(f"on: {on or 'nothing'}")
    for measure in off:
        click.secho(f"off: {measure.name}: {tables.clean(measure.why)}", fg="yellow")
        click.echo(f"  {tables.clean(measure.fix)}")
    if off:
        click.echo("set these variables in the inventory, then run the playbook site")


def _nothing(_registry: Registry) -> Declaration:
    return {}


def archive(gateway: Gateway) -> str:
    """Policy, registry and include files as a tar archive that only root reads; returns its path. Under the lock."""
    paths = gateway.paths
    folder = os.path.join(client.ROOT, "var/backups/vizgate")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, time.strftime("vizgate-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime()))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        gateway.recover()
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            for part in (paths.policy, paths.state, paths.includes):
                tar.add(part, os.path.relpath(part, client.ROOT))
        file.flush()
        os.fsync(descriptor)
    return path


def _run_services(action: str) -> None:
    """Starts or reloads the gateway's services."""
    if client.ROOT == "/":
        units = UNITS if action == "start" else ("nginx.service",)
        command = ["systemctl", action, *units]
    else:
        command = [os.path.join(client.ROOT, "usr/local/lib/vizgate/bin/vizgate-rootless"), action]
    process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if process.returncode != 0:
        reason = (process.stderr or process.stdout).strip().split("\n")[-1]
        raise client.unavailable(f"{' '.join(command)} fails: {reason}")
