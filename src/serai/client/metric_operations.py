"""The rows of the table that are about daily metrics. Sends nothing."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from serai.client._calls import Answer, Arguments, Headers
from serai.client._rows import Rows

if TYPE_CHECKING:
    from serai.wire.metrics import (
        DayAggregatedMetrics,
        MetricsRefreshResponse,
        MetricsRefreshStatusResponse,
        MetricsResponse,
    )

METRICS: Answer[MetricsResponse] = Answer("metrics:MetricsResponse")
REFRESHED: Answer[list[DayAggregatedMetrics] | MetricsRefreshResponse] = Answer("metrics:RefreshedMetrics")
STATUS: Answer[MetricsRefreshStatusResponse] = Answer("metrics:MetricsRefreshStatusResponse")

_row = Rows({})


@_row(
    "GET",
    "/metrics",
    METRICS,
    starting_date="the first day, in UTC; of a time the day it is written with.",
    ending_date="the last day, likewise.",
    user_id="only what this user has caused; of agno's own server and Serai's.",
)
def get_metrics(
    starting_date: date | None = None,
    ending_date: date | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
    *,
    user_id: str | None = None,
) -> Arguments:
    """Return what has happened on each day: runs, sessions, users, tokens, models."""
    query = {
        "starting_date": _day(starting_date),
        "ending_date": _day(ending_date),
        "user_id": user_id,
        "db_id": db_id,
        "table": table,
    }
    return Arguments(query=query, headers=headers)


@_row("POST", "/metrics/refresh", REFRESHED, background="return at once; `get_metrics_refresh_status` tells the rest.")
def refresh_metrics(
    db_id: str | None = None,
    table: str | None = None,
    background: bool = False,
    headers: Headers | None = None,
) -> Arguments:
    """Have metrics counted anew and return the days that were; with ``background`` only whether that has begun."""
    return Arguments(query={"db_id": db_id, "table": table, "background": background or None}, headers=headers)


@_row("GET", "/metrics/refresh/status", STATUS)
def get_metrics_refresh_status(
    db_id: str | None = None, table: str | None = None, headers: Headers | None = None
) -> Arguments:
    """Return how the last refresh fares."""
    return Arguments(query={"db_id": db_id, "table": table}, headers=headers)


def _day(day: date | None) -> str | None:
    if day is None:
        return None
    return (day.date() if isinstance(day, datetime) else day).isoformat()
