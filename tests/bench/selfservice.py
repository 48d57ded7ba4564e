"""The figures of self-service: accounts of a whole host publish links with the command `vizgate`."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import sys
from collections.abc import Iterator, Sequence

from figures import ROUNDS, Figure, compare, rounds
from host import ACCOUNTS, IMAGES, VISDOM, Host, hosts
from plays import PASSWORD, users

ADDS = 5
"""So many links are added in a round, on each of the two hosts."""
CHANGES = 20
"""So many links change in a turn; then it is quiet for a while."""
MANY, MORE = 1_000, 10_000

Add = dict[str, float]
"""Milliseconds from pressing return, by what happens then; see container_side.py."""


class SelfService:
    """Two hosts with the same `system`: of many users, and of ten times as many. Their links lead to `ports`."""

    def __init__(self, system: str, many: Host, more: Host, ports: Sequence[int]) -> None:
        self.system, self.many, self.more, self.ports = system, many, more, ports

    def describe(self) -> str:
        """What the hosts are."""
        return f"{self.system}: {self.many.versions()}"

    def add(self) -> list[Figure]:
        """From pressing return on `vizgate add` to the page of a visdom that runs already."""
        many, more, pairs = list[Add](), list[Add](), []
        user, link, port = VISDOM
        for _ in rounds(f"{self.system}: add"):
            found: list[list[Add]] = [
                host.measure("add", user, PASSWORD, link, port, ADDS) for host in (self.many, self.more)
            ]
            pairs.append((_median(found[0], "answers"), _median(found[1], "answers")))
            many += found[0]
            more += found[1]
        what = f"{self.system}: `vizgate add`, from pressing return to the page of a real visdom,"
        size, tenfold = (f"{count:,} users of {len(self.ports)} links" for count in (MANY, MORE))
        return [
            Figure(f"{what} at {size}", [add["answers"] for add in many], "≤ 100 ms", _breakdown(many)),
            compare(
                f"{what} at {tenfold}, by the same at {size}",
                "≤ 1.5",
                "ms",
                [(at_more, at_many) for at_many, at_more in pairs],
                f"; the first after the playbook {more[0]['answers']:.0f}",
            ),
        ]

    def load(self) -> list[Figure]:
        """What others notice of a hundred changes: nothing."""
        print(f"{self.system}: load: {ROUNDS} turns of {CHANGES} changes", file=sys.stderr)
        found = self.many.measure("load", "user0", PASSWORD, self.ports[0], ROUNDS, CHANGES)
        first, *later = found["memory"]
        times = " against ".join(
            " / ".join(f"{statistics.median(turn[place] for turn in found[when]):.1f}" for place in (0, 1))
            for when in ("changing", "quiet")
        )
        failed, closed, added = len(found["failed"]), found["closed"], found["added"]
        for line in found["failed"][:10]:
            print(f"load: {line}", file=sys.stderr)
        return [
            Figure(
                f"{self.system}: nginx's memory after {ROUNDS * CHANGES} changes with {found['sockets']} websockets open and"
                f" {found['rate']} requests/s to other links, by before",
                [memory / first for memory in later],
                "≤ 1.05",
                f"{first / 2**20:.1f} MiB before; {failed} of {found['asked']:,} requests failed, {closed} websockets"
                f" closed, {added} processes added; half of the requests within, and 99 of 100: {times} ms without changes",
                holds=not failed and not closed and not added,
            )
        ]

    def crowd(self) -> list[Figure]:
        """Fifty accounts at once."""
        found = [self.many.measure("crowd", PASSWORD, self.ports[0], ACCOUNTS) for _ in rounds(f"{self.system}: crowd")]
        serving = sum(crowd["serving"] for crowd in found)
        waits = [sorted(crowd["seconds"]) for crowd in found]
        middle = statistics.median(statistics.median(seconds) for seconds in waits)
        figure = compare(
            f"{self.system}: {ACCOUNTS} accounts say `vizgate add` at once: until the last has its answer,"
            " by one after the other",
            "≤ 1",
            "s",
            [(seconds[-1], crowd["alone"] * ACCOUNTS) for seconds, crowd in zip(waits, found, strict=True)],
            f"; half of them within {middle:.2f} s; {serving} of {len(found) * ACCOUNTS} links served when they were told so",
        )
        return [dataclasses.replace(figure, holds=serving == len(found) * ACCOUNTS)]


def _median(adds: Sequence[Add], part: str) -> float:
    return statistics.median(add[part] for add in adds)


def _breakdown(adds: Sequence[Add]) -> str:
    """Where the time goes. The helper's start and the change are what is left of longer ways without the shorter ones."""
    part = {name: _median(adds, name) for name in adds[0]}
    return (
        f"{part['answers'] / part['python']:.1f} times Python's start; back after {part['returns']:.0f} ms; the first after"
        f" the playbook {adds[0]['answers']:.0f}; Python's start {part['python']:.0f}, sudo {part['sudo']:.0f}, the helper"
        f" {part['nothing'] - part['sudo']:.0f}, the change {part['edit'] - part['nothing']:.0f}, the command"
        f" {part['command']:.0f}, visdom's page without the gateway {part['visdom']:.0f} ms"
    )


@contextlib.contextmanager
def self_service(system: str, ports: Sequence[int]) -> Iterator[SelfService]:
    """The hosts with one of the systems of `IMAGES`, for as long as it takes."""
    print(f"{system}: building two hosts in containers", file=sys.stderr)
    with hosts(IMAGES[system], users(MANY, list(ports)), users(MORE, list(ports)), ports) as (many, more):
        yield SelfService(system, many, more, ports)
