"""Daily metrics on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from serai.wire.model import ListOrNull, Moment, WireModel


class DayAggregatedMetrics(WireModel):
    """What happened on one day in UTC.

    Attributes:
        users_count: how many different users there were.
        token_metrics: sums of tokens: ``input_tokens``, ``output_tokens``, ``total_tokens`` and so on.
        model_metrics: for each model ``model_id``, ``model_provider`` and the ``count`` of its runs; of a Serai server
            their ``cost``, where its price is known.
        cost: US dollars, of the models whose prices are known; of a Serai server.
        date: the day's midnight.
    """

    id: str
    agent_runs_count: int = 0
    agent_sessions_count: int = 0
    team_runs_count: int = 0
    team_sessions_count: int = 0
    workflow_runs_count: int = 0
    workflow_sessions_count: int = 0
    users_count: int = 0
    token_metrics: dict[str, Any] = Field(default_factory=dict)
    model_metrics: ListOrNull[dict[str, Any]] = Field(default_factory=list)
    cost: float | None = None
    date: Moment
    created_at: Moment | None = None
    updated_at: Moment | None = None


class MetricsResponse(WireModel):
    """The metrics of some days; days on which nothing happened are left out."""

    metrics: ListOrNull[DayAggregatedMetrics] = Field(default_factory=list)
    updated_at: Moment | None = None


class MetricsRefreshResponse(WireModel):
    """What became of a request to refresh in the background: ``started`` or ``already_running``."""

    status: str
    message: str | None = None


class MetricsRefreshStatusResponse(WireModel):
    """How the last refresh fares: ``idle``, ``running``, ``completed`` or ``failed``."""

    status: str
    started_at: Moment | None = None
    finished_at: Moment | None = None
    error: str | None = None


RefreshedMetrics = list[DayAggregatedMetrics] | MetricsRefreshResponse
"""The days that were counted anew; or, of a refresh in the background, whether it has begun."""
