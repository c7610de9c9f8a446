"""Counts what models used by a run's log, for a run that ends before it has replayed what it did."""

from __future__ import annotations

from collections.abc import Iterable

from serai.domain.json_text import load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import Event, Outcome
from serai.domain.usage import Usage, no_less, sum_usage, tokens_of, used
from serai.engine.active_run import ActiveRun
from serai.telemetry.prices import price_of


def count_logged(events: Iterable[Event]) -> Usage:
    """Return the tokens of completed model requests."""
    done = (load_json(event.data) for event in events if event.name.endswith("ModelRequestCompleted"))
    return sum_usage(
        item for each in done for item in _used(each.get("model"), each.get("model_provider"), tokens_of(each))
    )


def _used(model: str | None, provider: str | None, tokens: dict[str, int]) -> Usage:
    return used(model, provider, tokens, price_of(model, provider, tokens))


def count_at_least_logged(run: ActiveRun, outcome: Outcome) -> Outcome:
    """Return the outcome of a root, its tokens no fewer than its segment's log tells of.

    A run that is cancelled, or given up, when it was just taken over has replayed nothing or only a part.
    """
    if outcome.status in (RunStatus.CANCELLED, RunStatus.ERROR) and run.record.parent_key is None:
        outcome.usage = no_less(outcome.usage, count_logged(run.logged_within()))
    return outcome
