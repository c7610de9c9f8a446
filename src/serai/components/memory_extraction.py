"""The jobs that look for memories in what users wrote, once their runs have ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic_ai.models import Model

from serai.components.agent import AgentComponent
from serai.components.counted_model import Spender, counted
from serai.components.run_input import load_run_input
from serai.components.run_memory import extraction_kind, source_of
from serai.components.team import Team
from serai.domain.memories import MemoryAction, MemoryOrigin, MemoryRecord
from serai.domain.runs import RunRecord
from serai.domain.traces import SpanKind
from serai.domain.usage import sum_cost
from serai.engine.jobs import ActiveJob, JobHandler
from serai.engine.spans import SpanFacts
from serai.engine.tracing import RunTrace, Tracer
from serai.memory.changes import plan_changes
from serai.memory.extraction import Extracted, extract
from serai.memory.options import Memory
from serai.memory.recall import MOST_LOOKED_AT, choose_aside
from serai.storage.connection import Database
from serai.storage.metrics import MetricsStore
from serai.storage.runs import RunStore
from serai.storage.user_memories import UserMemories

_TOKENS_SHOWN: Final = 4000


def extraction_handlers(
    database: Database, components: Iterable[Any], *, tracer: Tracer | None = None
) -> dict[str, JobHandler]:
    """Return what does these jobs for the components that remember their users, by the kinds of the jobs."""
    tracer = tracer or Tracer()
    return {
        extraction_kind(each.kind, each.id): MemoryExtraction(database, each.memory, each.memory_model, tracer).do
        for each in components
        if isinstance(each, AgentComponent | Team) and each.memory is not None and each.memory.extract
    }


class MemoryExtraction:
    """Looks for memories in the runs of one component.

    Args:
        database: where runs and memories are.
        options: what the component remembers.
        model: which is asked.
        tracer: the work becomes part of the run's trace.
    """

    def __init__(self, database: Database, options: Memory, model: Model, tracer: Tracer) -> None:
        self._runs = RunStore(database)
        self._memories = UserMemories(database)
        self._metrics = MetricsStore(database)
        self._options = options
        self._model = model
        self._tracer = tracer

    async def do(self, job: ActiveJob) -> None:
        """Read what the user wrote in a job's run, and store what is worth remembering; done twice it changes nothing.

        Raises:
            pydantic_ai.exceptions.AgentRunError: the model failed.
            ConflictError: a memory that would be corrected was changed meanwhile.
            FencedError: the job is another node's by now, or was cancelled, or its run was removed.
        """
        run = await self._runs.find(job.project_id, job.payload["run_id"])
        if run is None or run.user_id is None:  # deleted meanwhile
            return
        source = source_of(run, MemoryOrigin.EXTRACTION, f"{run.key}:extraction")
        if await self._memories.is_done(run.project_id, run.user_id, source.operation_id):
            return
        said = load_run_input(run.input).message
        memories = await self._memories.list_latest(run.project_id, run.user_id, limit=MOST_LOOKED_AT)
        known = await choose_aside(memories, said, token_budget=_TOKENS_SHOWN)
        trace = self._tracer.trace_of(run)
        try:
            found = await self._extract(run, trace, said, known, attempt=job.attempts)
        finally:
            trace.drop()  # of one that was stopped nobody tells
        await job.check()
        actions: Counter[MemoryAction] = Counter()
        if found.wanted:
            changed = await self._memories.change(
                run.project_id,
                run.user_id,
                lambda current: plan_changes(found.wanted, current),
                root_key=run.key,
                source=source,
                looked_at=MOST_LOOKED_AT,
            )
            actions.update(change.action for change in changed)
        await job.report(
            {
                "created": actions[MemoryAction.CREATED],
                "updated": actions[MemoryAction.UPDATED],
                "input_tokens": found.input_tokens,
                "output_tokens": found.output_tokens,
            }
        )

    async def _extract(
        self, run: RunRecord, trace: RunTrace, said: str, known: Sequence[MemoryRecord], *, attempt: int
    ) -> Extracted:
        """Ask the model what is worth remembering; that is part of the run's trace."""
        with trace.work(SpanKind.MEMORY, "extract memories", place=f"extraction {attempt}", given=said) as facts:
            async with counted(self._model, self._metrics, Spender.of(run)) as model:
                found = await extract(model, said, known, instructions=self._options.instructions)
            facts.known = SpanFacts(
                output=[wanted.text for wanted in found.wanted],
                model=self._model.model_name,
                provider=self._model.system,
                input_tokens=found.input_tokens,
                output_tokens=found.output_tokens,
                cost=sum_cost(model.used),
            )
        return found
