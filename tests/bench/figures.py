"""Figures that have a target, and the rounds that they are measured in."""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Iterator, Sequence

ROUNDS = 5


@dataclasses.dataclass
class Figure:
    """A figure that has a target, with what it was made from."""

    what: str
    values: list[float]
    """Ratios, or milliseconds."""
    target: str
    """`≥ 0.8`, `≤ 3` or `≤ 100 ms`."""
    detail: str
    holds: bool = True
    """Whether the rest of what is asked is true, besides the value."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        """Whether the median is on the target's side, and all the rest is true."""
        sign, limit, *_ = self.target.split()
        return self.holds and (self.median >= float(limit) if sign == "≥" else self.median <= float(limit))

    @property
    def row(self) -> str:
        """A line of the table: the median, and the span of the values."""
        unit = self.target.split()[2:]
        digits, unit_text = (0, f" {unit[0]}") if unit else (2, "")
        span = f"{min(self.values):.{digits}f} to {max(self.values):.{digits}f}"
        verdict = "met" if self.met else "missed"
        value = f"{self.median:.{digits}f}{unit_text}"
        return f"| {self.what} | **{value}** | {span} | {self.target} | {verdict} | {self.detail} |"


def compare(what: str, target: str, unit: str, pairs: Sequence[tuple[float, float]], more: str = "") -> Figure:
    """The figure of pairs that were measured one after the other: the first of each by the second."""
    first, second = (statistics.median(values) for values in zip(*pairs, strict=True))
    digits = 0 if second >= 100 else 2
    detail = f"{first:,.{digits}f} against {second:,.{digits}f} {unit}{more}"
    return Figure(what, [a / b for a, b in pairs], target, detail)


def rounds(name: str) -> Iterator[int]:
    """Counts the rounds, visibly."""
    for number in range(ROUNDS):
        print(f"{name}: round {number + 1} of {ROUNDS}", file=sys.stderr)
        yield number
