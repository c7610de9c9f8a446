"""Counters and histograms of one process as plain numbers: 0.5 µs for each, exposed when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Final

OTHER: Final = "(other)"
"""Stands for all names that come after the most that are told apart."""
QUICK: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 1800.0)
REQUESTS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_RECENT: Final = 512

Labels = tuple[str, ...]


class Counter:
    """Numbers that only grow, one for each set of labels.

    Args:
        name: without ``_total``.
        help: what it counts, in one line.
        labels: their names.
        most: sets of labels that are told apart; all further ones are `OTHER`.
    """

    def __init__(self, name: str, help: str, labels: Labels = (), *, most: int = 500) -> None:  # noqa: A002
        self.name = name
        self.help = help
        self.labels = labels
        self.values: dict[Labels, float] = {}
        self._most = most

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Let a number grow."""
        values = self.values
        if labels not in values and len(values) >= self._most:
            labels = (OTHER,) * len(labels)
        values[labels] = values.get(labels, 0) + amount

    @property
    def total(self) -> float:
        """All of them together."""
        return sum(self.values.values())

    def copy(self) -> Counter:
        """Return what it is now."""
        copied = Counter(self.name, self.help, self.labels)
        copied.values = dict(self.values)
        return copied


class _Cells:
    __slots__ = ("counts", "recent", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.total = 0.0
        self.recent: deque[tuple[float, float]] | None = None

    def copy(self) -> _Cells:
        copied = _Cells(0)
        copied.counts, copied.total = self.counts.copy(), self.total
        return copied


class Histogram:
    """How values spread, for each set of labels.

    Args:
        name: with its unit.
        help: what it measures, in one line.
        labels: their names.
        bounds: upper ends of the buckets.
        most: sets of labels that are told apart; all further ones are `OTHER`.
        clock: keeps the last values, each with the time by this clock; None: they are not kept.
    """

    def __init__(
        self,
        name: str,
        help: str,  # noqa: A002
        labels: Labels = (),
        *,
        bounds: tuple[float, ...] = QUICK,
        most: int = 200,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.name = name
        self.help = help
        self.labels = labels
        self._bounds = bounds
        self._most = most
        self._clock = clock
        self._cells: dict[Labels, _Cells] = {}

    def note(self, value: float, labels: Labels = ()) -> None:
        """Take a value."""
        cells = self._cells.get(labels) or self._new_cells(labels)
        cells.counts[bisect_left(self._bounds, value)] += 1
        cells.total += value
        if cells.recent is not None and self._clock is not None:
            cells.recent.append((self._clock(), value))

    @property
    def count(self) -> int:
        """How many values it took."""
        return sum(sum(cells.counts) for cells in self._cells.values())

    def recent(self, since: float) -> Iterator[tuple[Labels, list[float]]]:
        """Yield the values of each set of labels from a time on, 512 of each at most."""
        for labels, cells in self._cells.items():
            if values := [value for at, value in cells.recent or () if at >= since]:
                yield labels, values

    def copy(self) -> Histogram:
        """Return what it is now, without the last values."""
        copied = Histogram(self.name, self.help, self.labels, bounds=self._bounds)
        copied._cells = {labels: cells.copy() for labels, cells in self._cells.items()}
        return copied

    def buckets(self) -> Iterator[tuple[Labels, list[tuple[str, float]], float]]:
        """Yield each set of labels with the counts up to each bound, and the sum; without labels it begins at 0."""
        bounds = (*map(str, map(float, self._bounds)), "+Inf")
        cells_of = self._cells or ({} if self.labels else {(): _Cells(len(self._bounds))})
        for labels, cells in cells_of.items():
            yield labels, list(zip(bounds, accumulate(cells.counts), strict=True)), cells.total

    def _new_cells(self, labels: Labels) -> _Cells:
        if len(self._cells) >= self._most:
            labels = (OTHER,) * len(labels)
        cells = self._cells.setdefault(labels, _Cells(len(self._bounds)))
        if cells.recent is None and self._clock is not None:
            cells.recent = deque(maxlen=_RECENT)
        return cells
