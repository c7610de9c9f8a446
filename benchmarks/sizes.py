"""How much is measured; every benchmark scales with these numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """What the command line asks for.

    Attributes:
        runs: plain runs in one sample; a sample of streamed runs has a tenth.
        rows: runs that are stored before anything is measured, which also warms the servers up.
        samples: repetitions of each measurement; the median is reported.
    """

    runs: int = 400
    rows: int = 200
    samples: int = 7

    @property
    def streams(self) -> int:
        """Streamed runs in one sample."""
        return max(1, self.runs // 10)


QUICK = Sizes(runs=10, rows=3, samples=1)
