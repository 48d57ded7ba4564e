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
    def row(self) -> str:
        """A line of the table: the median, and the span of the values."""
        median = statistics.median(self.values)
        sign, limit, *unit = self.target.split()
        met = median >= float(limit) if sign == "≥" else median <= float(limit)
        digits, unit_text = (0, f" {unit[0]}") if unit else (2, "")
        span = f"{min(self.values):.{digits}f} to {max(self.values):.{digits}f}"
        verdict = "met" if met and self.holds else "missed"
        value = f"{median:.{digits}f}{unit_text}"
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
