"""What one server counts and measures. Each server has its own; nothing is global."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from typing_extensions import override

from serai.domain.meter import Meter
from serai.domain.run_state import RunStatus
from serai.storage.census import Census
from serai.telemetry.tally import REQUESTS, SIZES, SLOW, Counter, Histogram

MINUTE_S: Final = 60.0
_TICK_S: Final = 0.25
_LAG_KEPT_S: Final = 30.0
_SNAPSHOT_S: Final = 5.0


class SpanCounts(Protocol):
    """What a writer of spans has done so far."""

    @property
    def written(self) -> int:
        """Spans that are in the database."""
        ...

    @property
    def lost(self) -> int:
        """Spans that nobody will see."""
        ...


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All series at one moment, which nobody changes any more.

    Attributes:
        tallies: counters and histograms.
        loop_lag_s: the longest wait of the event loop in the last 30 seconds.
        census: what the database counts; None: it does not answer.
    """

    tallies: tuple[Counter | Histogram, ...]
    loop_lag_s: float
    census: Census | None


class Series(Meter):
    """The series of one server.

    Attributes:
        spans: what became of spans; None where nothing is traced.
        http_seconds: how long requests took, by method, route and class of status.
    """

    def __init__(self) -> None:
        self.spans: SpanCounts | None = None
        self.runs_ended = Counter("serai_runs_ended", "Runs that ended.", ("kind", "component", "status"))
        self.runs_paused = Counter("serai_runs_paused", "Times that runs paused for a person.", ("kind", "component"))
        self.run_seconds = Histogram(
            "serai_run_seconds",
            "Seconds in which a node worked on a run, from its claim to its rest.",
            ("kind", "component"),
            bounds=SLOW,
        )
        self.queue_wait_seconds = Histogram(
            "serai_queue_wait_seconds", "Seconds from a run's request to its first claim.", ("kind",), bounds=SLOW
        )
        self.tokens = Counter("serai_tokens", "Tokens that models used.", ("model", "provider", "type"))
        self.cost = Counter("serai_cost_dollars", "US dollars, where the price is known.", ("model", "provider"))
        self.model_seconds = Histogram(
            "serai_model_request_seconds",
            "Seconds that a request to a model took.",
            ("model", "provider", "outcome"),
            bounds=SLOW,
            clock=time.monotonic,
        )
        self.tool_seconds = Histogram(
            "serai_tool_call_seconds",
            "Seconds that a call of a tool took.",
            ("tool", "outcome"),
            bounds=SLOW,
            clock=time.monotonic,
        )
        self.job_seconds = Histogram(
            "serai_job_seconds", "Seconds that an attempt at a background job took.", ("kind", "outcome"), bounds=SLOW
        )
        self.event_lag_seconds = Histogram(
            "serai_event_lag_seconds", "Seconds from what a run says to the commit of it."
        )
        self.batch_items = Histogram("serai_batch_items", "Items that one write took.", ("batch",), bounds=SIZES)
        self.database_wait_seconds = Histogram(
            "serai_database_wait_seconds", "Seconds that somebody waited for a connection."
        )
        self.database_use_seconds = Histogram(
            "serai_database_use_seconds", "Seconds that a connection was lent, for a statement or a transaction."
        )
        self.http_seconds = Histogram(
            "serai_http_request_seconds",
            "Seconds from a request to the end of its answer, streams included.",
            ("method", "route", "status"),
            bounds=REQUESTS,
            most=600,
        )
        self._lags: deque[tuple[float, float]] = deque()
        self._snapshots: deque[tuple[float, dict[str, float]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to measure the event loop."""
        self._snapshots.append((time.monotonic(), self._counts()))
        self._task = asyncio.create_task(self._watch_loop(), name="serai-loop-lag")

    async def stop(self) -> None:
        """Measure it no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def loop_lag_s(self) -> float:
        """The longest that the event loop kept somebody waiting in the last 30 seconds."""
        return max((lag for _, lag in self._lags), default=0.0)

    @property
    def tallies(self) -> tuple[Counter | Histogram, ...]:
        """All counters and histograms."""
        written, lost = Counter("serai_spans_written", "Spans written."), Counter("serai_spans_lost", "Spans lost.")
        written.add(amount=self.spans.written if self.spans else 0)
        lost.add(amount=self.spans.lost if self.spans else 0)
        return (
            *(self.runs_ended, self.runs_paused, self.run_seconds, self.queue_wait_seconds),
            *(self.tokens, self.cost, self.model_seconds, self.tool_seconds, self.job_seconds),
            *(self.event_lag_seconds, self.batch_items, self.database_wait_seconds, self.database_use_seconds),
            *(self.http_seconds, written, lost),
        )

    def snapshot(self, census: Census | None) -> Snapshot:
        """Return all series as they are now; `census` is what the database counts, None while it does not answer."""
        return Snapshot(tuple(tally.copy() for tally in self.tallies), self.loop_lag_s, census)

    def rates(self) -> dict[str, float]:
        """Return what happened per second in the last minute, or since the start."""
        now, counts = time.monotonic(), self._counts()
        began_at, earlier = next(
            ((at, then) for at, then in self._snapshots if now - at <= MINUTE_S + _SNAPSHOT_S), (now, counts)
        )
        took_s = max(now - began_at, 1.0)
        return {name: (value - earlier[name]) / took_s for name, value in counts.items()}

    @override
    def database_used(self, waited_s: float, used_s: float) -> None:
        self.database_wait_seconds.note(waited_s)
        self.database_use_seconds.note(used_s)

    @override
    def batch_written(self, what: str, items: int) -> None:
        self.batch_items.note(items, (what,))

    @override
    def events_committed(self, lag_s: float) -> None:
        self.event_lag_seconds.note(lag_s)

    @override
    def run_begun(self, kind: str, waited_s: float) -> None:
        self.queue_wait_seconds.note(waited_s, (kind,))

    @override
    def run_rested(self, kind: str, component_id: str, status: RunStatus, worked_s: float | None) -> None:
        if status is RunStatus.PAUSED:
            self.runs_paused.add((kind, component_id))
        else:
            self.runs_ended.add((kind, component_id, status.value))
        if worked_s is not None:
            self.run_seconds.note(worked_s, (kind, component_id))

    @override
    def usage_counted(self, usage: Iterable[Mapping[str, Any]]) -> None:
        for item in usage:
            named = (item.get("id") or "", item.get("provider") or "")
            for name, count in item.items():
                if count and name.endswith("_tokens") and name != "total_tokens":
                    self.tokens.add((*named, name.removesuffix("_tokens")), count)
            if (cost := item.get("cost")) is not None:
                self.cost.add(named, cost)

    @override
    def model_asked(self, model: str | None, provider: str | None, took_s: float, *, is_ok: bool) -> None:
        self.model_seconds.note(took_s, (model or "", provider or "", _outcome(is_ok)))

    @override
    def tool_called(self, name: str, took_s: float, *, is_ok: bool) -> None:
        self.tool_seconds.note(took_s, (name, _outcome(is_ok)))

    @override
    def job_ended(self, kind: str, outcome: str, took_s: float) -> None:
        self.job_seconds.note(took_s, (kind, outcome))

    def _counts(self) -> dict[str, float]:
        tokens = self.tokens.values
        return {
            "runs_ended": self.runs_ended.total,
            "runs_failed": sum(n for labels, n in self.runs_ended.values.items() if labels[2] == RunStatus.ERROR),
            "requests": self.http_seconds.count,
            "model_requests": self.model_seconds.count,
            "tool_calls": self.tool_seconds.count,
            "input_tokens": sum(count for labels, count in tokens.items() if labels[2] == "input"),
            "output_tokens": sum(count for labels, count in tokens.items() if labels[2] == "output"),
            "cost": self.cost.total,
        }

    async def _watch_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_at = loop.time()
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            self._lags.append((now, max(0.0, loop.time() - began_at - _TICK_S)))
            while now - self._lags[0][0] > _LAG_KEPT_S:
                self._lags.popleft()
            if now - self._snapshots[-1][0] >= _SNAPSHOT_S:
                self._snapshots.append((now, self._counts()))
                while now - self._snapshots[0][0] > MINUTE_S + _SNAPSHOT_S:
                    self._snapshots.popleft()


def _outcome(is_ok: bool) -> str:
    return "ok" if is_ok else "error"
