"""What a server is doing now, as people and `serai top` read it."""

from __future__ import annotations

import time
from typing import Any

from serai.server.times import utc_text
from serai.storage.census import Census, LiveNode, LiveRun
from serai.telemetry.series import MINUTE_S, Series
from serai.telemetry.tally import Histogram


def show_status(
    series: Series, census: Census | None, *, node: str, nodes: list[LiveNode], runs: list[LiveRun]
) -> dict[str, Any]:
    """Return the status: nodes, runs and queue of all nodes; rates and times of the one that answers.

    Args:
        series: what this node has measured.
        census: what the database counts; None: it does not answer, and there are no nodes and runs either.
        node: the id of the node that answers.
        nodes: those that are alive.
        runs: those that wait or are at work.
    """
    spans = series.spans
    return {
        "node": node,
        "database": "up" if census is not None else "down",
        "nodes": [_show_node(each) for each in nodes],
        "runs": [_show_run(run) for run in runs],
        "run_counts": _show_counts(census),
        "queue": {
            "runs": census.queued if census is not None else None,
            "oldest_s": round(census.oldest_s, 3) if census is not None else None,
        },
        "rates": {name: round(rate, 6) for name, rate in series.rates().items()},
        "models": _show_slowest(series.model_seconds),
        "tools": _show_slowest(series.tool_seconds),
        "loop_lag_s": round(series.loop_lag_s, 6),
        "spans": {"written": spans.written if spans else 0, "lost": spans.lost if spans else 0},
    }


def _show_node(node: LiveNode) -> dict[str, Any]:
    return {"id": node.id, "name": node.name, "started_at": utc_text(node.started_at), "runs": node.runs}


def _show_run(run: LiveRun) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "kind": run.kind,
        "component_id": run.component_id,
        "session_id": run.session_id,
        "user_id": run.user_id,
        "status": run.status,
        "created_at": utc_text(run.created_at),
        "since": utc_text(run.since),
        "takeovers": run.takeovers,
        "node": run.node,
        "last_step": run.last_step,
    }


def _show_counts(census: Census | None) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (_, status), number in census.runs.items() if census is not None else ():
        counts[status] = counts.get(status, 0) + number
    return counts


def _show_slowest(seconds: Histogram) -> list[dict[str, Any]]:
    """Return the calls of the last minute by name, the slowest mean first."""
    by_name: dict[str, dict[str, list[float]]] = {}
    for labels, values in seconds.recent(time.monotonic() - MINUTE_S):
        by_name.setdefault(labels[0], {}).setdefault(labels[-1], []).extend(values)
    shown: list[dict[str, Any]] = []
    for name, by_outcome in by_name.items():
        took = [value for values in by_outcome.values() for value in values]
        shown.append(
            {
                "name": name,
                "calls": len(took),
                "errors": len(by_outcome.get("error", ())),
                "mean_s": round(sum(took) / len(took), 6),
                "longest_s": round(max(took), 6),
            }
        )
    return sorted(shown, key=lambda each: -each["mean_s"])[:20]
