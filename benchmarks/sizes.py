"""How much is measured; every benchmark scales with these numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """What the command line asks for.

    Attributes:
        rows: runs that are stored before anything is measured.
        samples: repetitions of each measurement; the median is reported.
    """

    rows: int = 200
    samples: int = 7


QUICK = Sizes(rows=3, samples=1)
