"""How ``serai top`` shows a server: what goes on, what is slow, what is wrong, and that it is away."""

from __future__ import annotations

import io

from rich.console import Console

from serai.cli.top_view import shown
from serai.wire.server_status import ServerStatus

STATUS = ServerStatus.model_validate(
    {
        "node": "n1",
        "database": "up",
        "nodes": [{"id": "n1", "name": "one", "runs": 1}],
        "runs": [
            {
                "run_id": "r-1",
                "kind": "team",
                "component_id": "pair[bold]",
                "status": "RUNNING",
                "since": "2026-01-01T00:00:00Z",
                "takeovers": 1,
                "node": "one\x1b[2J",
                "last_step": "model",
            }
        ],
        "run_counts": {"RUNNING": 1, "PENDING": 1234, "PAUSED": 2},
        "queue": {"runs": 3, "oldest_s": 75.2},
        "rates": {"runs_ended": 1.5, "runs_failed": 0.1, "requests": 2.0, "input_tokens": 10.0, "cost": 0.001},
        "models": [{"name": "gpt-4o", "calls": 2, "errors": 1, "mean_s": 1.5, "longest_s": 2.25}],
        "tools": [{"name": "add", "calls": 7, "mean_s": 0.002, "longest_s": 0.0045}],
        "loop_lag_s": 0.25,
        "spans": {"written": 10, "lost": 4},
    }
)


def text_of(status: ServerStatus | None, *, away_s: float | None = None) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(shown(status, url="http://server", away_s=away_s))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_that_goes_on_is_shown():
    text = text_of(STATUS)
    for part in (
        *("1: one (1)", "event loop 250.0 ms", "4 spans lost", "1 at work", "1,234 waiting", "2 paused for a person"),
        *("queue 3, the oldest 1 min 15 s", "1.50 runs/s", "600 tokens in/min", "$3.60/h", "6.0 failed/min"),
        *("running", "team pair[bold]", "r-1", "(taken over 1×)", "model"),
    ):
        assert part in text
    assert [line.split() for line in text.splitlines() if line.startswith(("gpt-4o", "add"))] == [
        ["gpt-4o", "2", "1", "1.50", "s", "2.25", "s"],
        ["add", "7", "0", "2.0", "ms", "4.5", "ms"],
    ]


def test_names_cannot_steer_the_terminal():
    assert "\x1b[2J" not in text_of(STATUS)


def test_a_server_that_is_away_is_told_beside_what_was_last_seen():
    text = text_of(STATUS, away_s=12.0)
    assert "no server answers since 12 s; trying again" in text
    assert "team pair" in text
    assert "no server answers" in text_of(None, away_s=0.0)


def test_a_database_that_is_away_leaves_the_nodes_unknown():
    text = text_of(ServerStatus(node="n1", database="down"))
    assert "its database does not answer" in text
    assert "unknown" in text
