"""One figure over another, and whether that is as it should be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Ratio:
    """One figure over another; both None when not measured.

    Attributes:
        unit: of the figures.
        aim: the most the ratio should be; None where it only informs.
    """

    what: str
    ours: float | None
    theirs: float | None
    unit: str
    aim: float | None

    @property
    def value(self) -> float | None:
        """The ratio."""
        return self.ours / self.theirs if self.ours is not None and self.theirs else None

    @property
    def verdict(self) -> str:
        """Met, missed, or that it is not known."""
        if self.value is None:
            return "not measured"
        if self.aim is None:
            return ""
        return "met" if self.value <= self.aim else "**missed**"


def middle(values: Iterable[float | None]) -> float | None:
    """Return the median of what is known, None when nothing is."""
    known = [value for value in values if value is not None]
    return median(known) if known else None
