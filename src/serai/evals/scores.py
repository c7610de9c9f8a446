"""Statistics over what the iterations of an eval gave, with the definitions of the published protocol."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TypedDict


class Spread(TypedDict):
    """Statistics of scores; None where there are no scores."""

    avg_score: float | None
    min_score: float | None
    max_score: float | None
    std_dev_score: float | None


def spread_of(scores: Sequence[float]) -> Spread:
    """Return the statistics of scores."""
    if not scores:
        return Spread(avg_score=None, min_score=None, max_score=None, std_dev_score=None)
    return Spread(
        avg_score=mean_of(scores), min_score=min(scores), max_score=max(scores), std_dev_score=deviation_of(scores)
    )


def measures_of(values: Sequence[float], name: str) -> dict[str, float]:
    """Return average, least, greatest, deviation, median and 95th percentile, each named with what was measured.

    Args:
        values: none give zeros.
        name: for example ``run_time``.
    """
    found = {
        "avg": mean_of(values),
        "min": min(values, default=0.0),
        "max": max(values, default=0.0),
        "std_dev": deviation_of(values),
        "median": statistics.median(values) if values else 0.0,
        "p95": percentile_of(values),
    }
    return {f"{measure}_{name}": value for measure, value in found.items()}


def mean_of(values: Sequence[float]) -> float:
    """Return the arithmetic mean, 0 of none."""
    return float(statistics.mean(values)) if values else 0.0


def deviation_of(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample, 0 of less than two values."""
    return float(statistics.stdev(values)) if len(values) > 1 else 0.0


def percentile_of(values: Sequence[float]) -> float:
    """Return the 95th percentile, between the values next to it, never outside of them."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=100, method="inclusive")[94]


def rate_of(passed: Sequence[bool]) -> float:
    """Return how many of a hundred passed, 0 of none."""
    return sum(passed) / len(passed) * 100 if passed else 0.0
