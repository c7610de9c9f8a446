"""What a server is doing now, on the wire. Only Serai servers have it."""

from __future__ import annotations

from pydantic import Field

from serai.wire.model import Moment, OpenModel


class LiveNode(OpenModel):
    """A node that is alive, and how many runs it works on."""

    id: str
    name: str | None = None
    started_at: Moment | None = None
    runs: int = 0


class LiveRun(OpenModel):
    """A run that is at work, or waits for its turn or for a node.

    Attributes:
        since: when a node took it first; of one that waits, when it came.
        takeovers: how many nodes lost it.
        node: the name of the node that works on it.
        last_step: what it finished last, as ``model_request`` or ``tool_call``.
    """

    run_id: str
    kind: str | None = None
    component_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    status: str | None = None
    created_at: Moment | None = None
    since: Moment | None = None
    takeovers: int = 0
    node: str | None = None
    last_step: str | None = None


class LiveQueue(OpenModel):
    """How many runs wait for a node, and the seconds that the oldest of them waits."""

    runs: int | None = None
    oldest_s: float | None = None


class RecentCalls(OpenModel):
    """Calls of one model or tool in the last minute."""

    name: str
    calls: int = 0
    errors: int = 0
    mean_s: float = 0.0
    longest_s: float = 0.0


class SpanCounts(OpenModel):
    """What became of the spans of a node since it started."""

    written: int = 0
    lost: int = 0


class ServerStatus(OpenModel):
    """What is under way on all nodes, and what the node that answers has measured.

    Attributes:
        node: the id of the node that answers.
        database: ``up`` or ``down``; while it is down nothing is known of nodes, runs and the queue.
        runs: those at work, then those that wait.
        run_counts: how many runs there are of each status.
        rates: what happened per second in the last minute: ``runs_ended``, ``input_tokens``, ``cost`` and so on.
        models, tools: calls in the last minute, the slowest first.
        loop_lag_s: the longest wait of the event loop in the last 30 seconds.
    """

    node: str
    database: str | None = None
    nodes: list[LiveNode] = Field(default_factory=list)
    runs: list[LiveRun] = Field(default_factory=list)
    run_counts: dict[str, int] = Field(default_factory=dict)
    queue: LiveQueue = Field(default_factory=LiveQueue)
    rates: dict[str, float] = Field(default_factory=dict)
    models: list[RecentCalls] = Field(default_factory=list)
    tools: list[RecentCalls] = Field(default_factory=list)
    loop_lag_s: float = 0.0
    spans: SpanCounts = Field(default_factory=SpanCounts)
