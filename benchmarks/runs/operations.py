"""What is asked of every server, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CONCURRENCIES = (1, 16, 64)
CHUNKS = 200
CHUNKS_PER_S = 50
LATE_MS = 50.0
COMMIT_MS = 3.0
MESSAGE = "What is 2 + 2?"


class Operation(StrEnum):
    """An operation; its text is its name in the tables."""

    PLAIN = "plain run"
    TOOL = "run with one tool call"
    STREAM = "streamed run of 200 chunks"
    TEAM = "team of two"
    WORKFLOW = "workflow of three steps"
    PARALLEL = "workflow with four parallel branches"
    BACKGROUND = "background run"


class Step(StrEnum):
    """What a node writes for its runs, in the order in which the engine load does it."""

    SUBMIT = "submit"
    EVENTS = "events"
    FINISH = "finish"
    CLAIM = "claim"


@dataclass(frozen=True)
class Ask:
    """How an operation is asked for, and what a good answer holds.

    Attributes:
        component: what runs, as its routes name it: ``agents/instant``.
        expect, count: text of a good answer, and text that is counted in it.
    """

    component: str
    message: str
    stream: str
    expect: str
    count: str = ""


ASKS = {
    Operation.PLAIN: Ask("agents/instant", MESSAGE, "false", "COMPLETED"),
    Operation.TOOL: Ask("agents/tooled", MESSAGE, "false", "COMPLETED"),
    Operation.STREAM: Ask("agents/instant", "stream", "true", "RunCompleted", "event: RunContent\n"),
    Operation.TEAM: Ask("teams/team", MESSAGE, "false", "In all: Four. Four."),
    Operation.WORKFLOW: Ask("workflows/three-steps", MESSAGE, "false", "Checked: Four."),
    Operation.PARALLEL: Ask("workflows/four-branches", MESSAGE, "false", "COMPLETED"),
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        rounds: samples of each kind.
        seconds: of load in each sample.
        concurrencies: runs under way at a time.
        rows: runs that each server has stored before anything is measured.
        background: background runs in a sample.
        positions: places in a session at which its runs are measured.
        sessions: that Serai's runs are measured in; the peers get a quarter, for theirs take long to fill.
        window: runs measured in each session from a place on.
        stream_s: how long a slow stream lasts.
        fixed_streams: at so many slow streams every server is measured; the search for the most begins there.
        most_streams: where it ends.
        followed: runs that are followed at a time, from both nodes.
        nodes: processes of the engine load.
        engine_s: how long each of its steps lasts.
    """

    rounds: int = 5
    seconds: float = 3.0
    concurrencies: tuple[int, ...] = CONCURRENCIES
    rows: int = 200
    background: int = 200
    positions: tuple[int, ...] = (1, 10, 100, 1000)
    sessions: int = 8
    window: int = 20
    stream_s: float = 4.0
    fixed_streams: int = 500
    most_streams: int = 2048
    followed: int = 8
    nodes: tuple[int, ...] = (1, 2, 4)
    engine_s: float = 2.0


QUICK = Sizes(
    rounds=1,
    seconds=0.05,
    concurrencies=(16,),
    rows=3,
    background=5,
    positions=(1, 3, 6),
    sessions=2,
    window=2,
    stream_s=0.3,
    fixed_streams=8,
    most_streams=8,
    followed=2,
    nodes=(1, 2),
    engine_s=0.1,
)


def position_name(position: int) -> str:
    """Return how the runs at a place of a session are called."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(position, "th")
    return f"{position:,}{ending} run of one session"
