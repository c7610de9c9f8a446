"""What ``serai metrics`` does, over HTTP: through the client, as any program would."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from serai.cli.lists import Columns, print_list
from serai.cli.remote import asked
from serai.cli.tables import dollars, shortened
from serai.wire.metrics import DayAggregatedMetrics, MetricsRefreshResponse

_LONGEST_CELL = 60


def list_days(
    url: str, key: str | None, starting: date | None, ending: date | None, user_id: str | None, *, as_json: bool
) -> None:
    """Print what has happened on each day."""
    with asked(url, key) as client:
        found = client.get_metrics(starting, ending, user_id=user_id)
    _print(found.metrics, "Nothing has happened on these days.", as_json=as_json)


def refresh_days(url: str, key: str | None, *, as_json: bool) -> None:
    """Have metrics counted anew, and print the days that were."""
    with asked(url, key) as client:
        days = client.refresh_metrics()
    if not isinstance(days, MetricsRefreshResponse):
        _print(days, "There was nothing to count.", as_json=as_json)


def _print(days: Sequence[DayAggregatedMetrics], nothing: str, *, as_json: bool) -> None:
    print_list(days, Columns(_HEADING, _row, nothing, frozenset(range(1, 11))), as_json=as_json)


_HEADING = (
    *("DAY (UTC)", "USERS", "AGENTS: RUNS", "SESSIONS", "TEAMS: RUNS", "SESSIONS", "WORKFLOWS: RUNS", "SESSIONS"),
    *("TOKENS IN", "OUT", "COST", "RUNS BY MODEL"),
)


def _row(day: DayAggregatedMetrics) -> Sequence[str]:
    counts = (
        day.users_count,
        day.agent_runs_count,
        day.agent_sessions_count,
        day.team_runs_count,
        day.team_sessions_count,
        day.workflow_runs_count,
        day.workflow_sessions_count,
        day.token_metrics.get("input_tokens", 0),
        day.token_metrics.get("output_tokens", 0),
    )
    cost = "" if day.cost is None else dollars(day.cost)
    models = ", ".join(f"{model.get('model_id')} {model.get('count')}" for model in day.model_metrics)
    return (f"{day.date:%Y-%m-%d}", *(f"{count:,}" for count in counts), cost, shortened(models, _LONGEST_CELL))
