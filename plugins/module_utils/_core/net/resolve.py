# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns host names into addresses, so that nginx never has to."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping

from ..model.targets import address_problem, parse_address

THREADS = 32


def _lookup(host: str) -> list[str]:
    """All addresses of a host, IPv4 first: what listens on "localhost" seldom listens on ::1."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return []
    addresses = [address for address in map(parse_address, map(str, found)) if address]
    addresses.sort(key=lambda address: (address.version, int(address)))
    return [str(address) for address in addresses if not address_problem(address)]


def resolve(hosts: Iterable[str], known: Mapping[str, str], seconds: float = 10) -> dict[str, str]:
    """Looks the names among `hosts` up, in their order and many at once, for `seconds` at most; `/etc/hosts` counts.

    Returns name → address. A name keeps its `known` address ("" is none) while that is among the answers, and also when there is
    no answer at all: a name server that is away must not take a working link with it. Names that never had an
    address are left out.
    """
    names = dict.fromkeys(filter(is_name, hosts))
    if not names:
        return {}
    import queue  # most changes have no names, and could do without
    import threading

    addresses: dict[str, str] = {}
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)
    answers: queue.SimpleQueue[tuple[str, list[str]]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            answers.put((name, _lookup(name)))

    # daemon threads: one stuck in a dead name server's time-outs must not hold the process
    for _thread in range(min(THREADS, len(names))):
        threading.Thread(target=work, daemon=True).start()
    deadline = time.monotonic() + seconds
    for _name in names:
        try:
            name, found = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if found:
            addresses[name] = known[name] if known.get(name) in found else found[0]
    for name in names.keys() - addresses.keys():
        if known.get(name):
            addresses[name] = known[name]
    return addresses


def resolve_in_turns(
    users: Iterable[Iterable[str]], known: Mapping[str, str], *, skip_known: bool = False
) -> dict[str, str]:
    """Resolves the hosts of many users, or only those that are not `known` yet."""
    skipped = known.keys() if skip_known else ()
    # one name of each user, then another of each: who has many that no name server answers delays only their own
    turns = [turn for hosts in users for turn in enumerate(sorted(hosts))]
    turns.sort(key=lambda turn: turn[0])
    return resolve((host for _number, host in turns if host not in skipped), known)


def is_name(host: str) -> bool:
    """Whether a host has to be looked up."""
    return parse_address(host) is None
