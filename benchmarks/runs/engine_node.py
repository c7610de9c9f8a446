"""One node of the engine load: the statements that a node sends for its runs, without anything that would run them.

``python -m benchmarks.runs.engine_node FILE`` reads a pickled `Job`, says when it is ready for each step, waits for
the word to begin, and prints what it has done as JSON.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks.runs.operations import Step
from serai.domain.ids import new_key
from serai.domain.run_state import RunStatus
from serai.domain.runs import Event, NewRun, RunRecord
from serai.storage.batching import Batcher
from serai.storage.connection import Database
from serai.storage.run_log import Append, RunLog
from serai.storage.runs import Finished, FinishedRun, RunStore, Submitted

CALLERS = 64
EVENTS_PER_FLUSH = 4
CLAIMED_AT_ONCE = 16
_BATCH = 500
_EVENT = b'{"event":"RunContent","content":"word "}'.ljust(250)
_INPUT = b'{"message":"What is 2 + 2?"}'
_OUTPUT = b'{"content":"Four."}'.ljust(600)
_MESSAGES = b'[{"kind":"request"},{"kind":"response"}]'.ljust(800)


class Job(NamedTuple):
    """Which node, where, for how long each step, and how many runs it puts into the queue."""

    node_id: str
    dsn: str
    seconds: float
    queued: int


class _Node:
    def __init__(self, job: Job, database: Database) -> None:
        self._job = job
        self._store = RunStore(database)
        self._log = RunLog(database)
        self._submits: Batcher[NewRun, Submitted | None] = Batcher(self._store.submit)
        self._finishes: Batcher[FinishedRun, Finished] = Batcher(self._write_finishes)
        self._held: list[RunRecord] = []
        self._ends_at = 0.0

    async def submit(self) -> int:
        """Many callers submit runs, which this node claims with the same statement."""
        await asyncio.gather(*(self._until_end(self._submit_one) for _ in range(CALLERS)))
        return len(self._held)

    async def events(self) -> int:
        """The one flusher writes some events of each of many runs, again and again."""
        held, seq, done = self._held[:CALLERS], 0, 0
        while time.perf_counter() < self._ends_at:
            numbers = range(seq, seq + EVENTS_PER_FLUSH)
            events = [Event(seq=number, name="RunContent", data=_EVENT) for number in numbers]
            written = await self._log.append([Append(record, events) for record in held], node_id=self._job.node_id)
            assert len(written) == len(held)
            seq += EVENTS_PER_FLUSH
            done += len(held) * EVENTS_PER_FLUSH
        return done

    async def finish(self) -> int:
        """Many callers end the runs that are held."""
        before = len(self._held)
        await asyncio.gather(*(self._until_end(self._finish_one) for _ in range(CALLERS)))
        return before - len(self._held)

    async def enqueue(self) -> None:
        """Put runs into the queue, to be claimed by whoever comes."""
        for _ in range(0, self._job.queued, _BATCH):
            await self._store.submit([self._new_run(None) for _ in range(_BATCH)])

    async def claim(self) -> int:
        """The one claimer takes what it finds, until the queue is empty."""
        done = 0
        while time.perf_counter() < self._ends_at:
            claimed = await self._store.claim([("agent", "instant")], node_id=self._job.node_id, limit=CLAIMED_AT_ONCE)
            done += len(claimed)
            if not claimed:
                break
        return done

    async def measured(self, act: Callable[[], Coroutine[Any, Any, int]]) -> dict[str, float]:
        """Do a step for as long as the job says; return how much was done and how long it took."""
        began = time.perf_counter()
        self._ends_at = began + self._job.seconds
        done = await act()
        return {"done": done, "wall_s": time.perf_counter() - began}

    async def _until_end(self, act: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        while time.perf_counter() < self._ends_at and await act():
            pass

    async def _submit_one(self) -> bool:
        submitted = await self._submits.submit(self._new_run(self._job.node_id))
        assert submitted is not None
        assert submitted.is_claimed
        self._held.append(submitted.record)
        return True

    async def _finish_one(self) -> bool:
        if not self._held:
            return False
        finished = await self._finishes.submit(_ended(self._held.pop()))
        assert finished.is_done
        return True

    async def _write_finishes(self, items: list[FinishedRun]) -> list[Finished]:
        return await self._store.finish(items, node_id=self._job.node_id)

    def _new_run(self, node_id: str | None) -> NewRun:
        key = new_key()
        return NewRun(
            key=key,
            id=str(key),
            project_id="default",
            user_id=None,
            session_id=str(new_key()),
            kind="agent",
            component_id="instant",
            input=_INPUT,
            idempotency_key=None,
            fingerprint=b"0" * 16,
            node_id=node_id,
        )


def _ended(record: RunRecord) -> FinishedRun:
    last_seq = EVENTS_PER_FLUSH * 1_000_000  # beyond all that was written before
    return FinishedRun(
        record=record,
        status=RunStatus.COMPLETED,
        output=_OUTPUT,
        messages=_MESSAGES,
        carried=None,
        events=[Event(seq=last_seq, name="RunCompleted", data=_OUTPUT)],
        next_seq=last_seq + 1,
        state_changes={},
        state_removals=(),
        usage=[{"id": "instant", "provider": "none", "input_tokens": 10, "output_tokens": 1}],
    )


async def work(job: Job) -> None:
    """Go through the steps, each at the parent's word."""
    database = Database(job.dsn)
    node = _Node(job, database)
    acts = {Step.SUBMIT: node.submit, Step.EVENTS: node.events, Step.FINISH: node.finish, Step.CLAIM: node.claim}
    await database.open()
    for step, act in acts.items():
        if step is Step.CLAIM:
            await node.enqueue()
        print(json.dumps({"ready": step}), flush=True)
        sys.stdin.readline()  # nothing else is under way
        print(json.dumps(await node.measured(act)), flush=True)
    await database.close()


def main() -> None:
    uvloop.run(work(pickle.loads(Path(sys.argv[1]).read_bytes())))


if __name__ == "__main__":
    main()
