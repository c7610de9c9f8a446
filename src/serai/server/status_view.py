"""What a server is doing now, as people and `serai top` read it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from serai.server.times import utc_text
from serai.storage.census import Census, LiveNode, LiveRun
from serai.telemetry.series import MINUTE_S, Series
from serai.telemetry.tally import Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """What the database tells of all nodes: counts, the nodes that are alive, and runs that wait or are at work."""

    census: Census
    nodes: list[LiveNode]
    runs: list[LiveRun]


def show_status(series: Series, view: ClusterView | None, *, node: str) -> dict[str, Any]:
    """Return the status: nodes, runs and queue of all nodes; rates and times of the one that answers.

    Args:
        series: what this node has measured.
        view: what the database tells; None: it does not answer.
        node: the id of the node that answers.
    """
    spans = series.spans
    return {
        "node": node,
        "database": "down" if view is None else "up",
        "nodes": [] if view is None else [_show_node(each) for each in view.nodes],
        "runs": [] if view is None else [_show_run(run) for run in view.runs],
        "run_counts": {} if view is None else _show_counts(view.census),
        "queue": {
            "runs": None if view is None else view.census.queued,
            "oldest_s": None if view is None else round(view.census.oldest_s, 3),
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


def _show_counts(census: Census) -> dict[str, int]:
    counts: dict[str, int] = {}
    for (_, status), number in census.runs.items():
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
