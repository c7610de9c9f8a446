"""Does evals as background jobs: runs the component again and again, and measures each run.

Each finished iteration is stored. The run of an iteration has an id made of eval and iteration, so that whoever goes
on after a node has died finds it.
"""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import structlog

from serai.components.counted_model import Spender, counted
from serai.components.run_input import RunInput
from serai.domain.evals import EvalRecord, EvalStatus, EvalType
from serai.domain.json_text import dump_json, load_json
from serai.domain.run_state import RunStatus
from serai.domain.runs import RunRecord
from serai.engine.engine import Engine, RunRequest
from serai.engine.interruption import describe
from serai.engine.jobs import MAX_ATTEMPTS, ActiveJob
from serai.errors import ConflictError, FencedError
from serai.evals.accuracy import judge_accuracy
from serai.evals.judge import judge_by_criteria
from serai.evals.judges import Judges
from serai.evals.performance import measure_performance, read_resident_mib
from serai.evals.reliability import check_reliability
from serai.evals.results import read_results, write_sum
from serai.evals.spec import EvalSpec, Measured, Result, load_spec
from serai.storage.evals import EvalStore
from serai.storage.metrics import MetricsStore
from serai.storage.runs import Answer

_PAUSED: Final = "The run paused to ask a person, and an eval has nobody to ask."
_log = structlog.get_logger("serai.evals")


class EvalRunner:
    """This node's part in doing evals.

    Args:
        store: where they are.
        engine: runs the components.
        judges: the models that judge.
        metrics: where the judges' tokens count.
    """

    def __init__(self, store: EvalStore, engine: Engine, judges: Judges, metrics: MetricsStore) -> None:
        self._store = store
        self._engine = engine
        self._judges = judges
        self._metrics = metrics

    async def do(self, job: ActiveJob) -> None:
        """Do an eval, from its first unfinished iteration on."""
        record = await self._store.begin(job.project_id, UUID(job.payload["eval_id"]))
        if record is None:
            return
        if job.attempts >= MAX_ATTEMPTS:
            text = f"It was begun {MAX_ATTEMPTS - 1} times and came to no end; it may be what stops its nodes."
            await self._end(record, error=text)
            return
        spec = load_spec(record.input)
        for number in range(1, 1 + spec.warmup_runs):
            await self._run(record, spec, f"eval-{record.id}-warmup-{job.attempts}-{number}")
        while record.finished < record.iterations:
            await job.check()
            record = await self._append(record, await self._iterate(record, spec))
        await self._end(record, error=await asyncio.to_thread(_why_nothing, record))

    async def _iterate(self, record: EvalRecord, spec: EvalSpec) -> Result:
        before = read_resident_mib()
        run, answer = await self._run(record, spec, run_id(record.id, record.finished + 1))
        after = read_resident_mib()
        document = load_json(answer.output or b"{}")
        if answer.status is not RunStatus.COMPLETED:
            return {"error": await self._why_no_answer(run, answer.status, document)}
        measured = Measured(document, None if before is None or after is None else max(0.0, after - before))
        if record.eval_type is EvalType.PERFORMANCE:
            return measure_performance(measured)
        if record.eval_type is EvalType.RELIABILITY:
            return check_reliability(spec, document)
        return await self._judge(record, spec, measured.output)

    async def _judge(self, record: EvalRecord, spec: EvalSpec, output: str) -> Result:
        judge = judge_accuracy if record.eval_type is EvalType.ACCURACY else judge_by_criteria
        try:
            model = await self._judges.find(record.kind, record.component_id, spec.judge)
            async with counted(model, self._metrics, Spender.of(record)) as lent:
                return await judge(spec, output, lent)
        except Exception as error:  # noqa: BLE001 - the judge's boundary: a provider may raise anything
            _log.warning("eval_judge_failed", eval_id=str(record.id), exc_info=True)
            return {"error": f"The judge gave no verdict: {describe(error)}"}

    async def _run(self, record: EvalRecord, spec: EvalSpec, name: str) -> tuple[RunRecord, Answer]:
        """Run the component once, in a session of its own: no iteration sees what another one left."""
        given = RunInput(message=spec.input, metadata={"eval_id": str(record.id)}, history_runs=0, is_learnt_from=False)
        request = RunRequest(
            project_id=record.project_id,
            user_id=record.user_id,
            session_id=name,
            run_id=name,
            kind=record.kind,
            component_id=record.component_id,
            input=dump_json(given),
            message=spec.input,
        )
        try:
            run, _ = await self._engine.submit(request)
        except ConflictError:  # it is there: somebody began it and got no further
            run = await self._engine.find(record.project_id, name)
        return run, await self._engine.wait(run)

    async def _why_no_answer(self, run: RunRecord, status: RunStatus, document: Result) -> str:
        if status is RunStatus.PAUSED:
            await self._engine.cancel(run.project_id, run.id, kind=run.kind, component_id=run.component_id)
            return _PAUSED
        return f"The run failed: {document.get('content')}" if status is RunStatus.ERROR else "The run was cancelled."

    async def _append(self, record: EvalRecord, result: Result) -> EvalRecord:
        """Store an iteration's result, unless a node that is to stop has done so first; return the eval as it is."""
        stored = await self._store.append(record, dump_json(result))
        stored = stored or await self._store.begin(record.project_id, record.id)
        if stored is None:
            raise FencedError(f"eval {record.id} was cancelled or removed")
        return stored

    async def _end(self, record: EvalRecord, *, error: str | None) -> None:
        status = EvalStatus.COMPLETED if error is None else EvalStatus.ERROR
        await self._store.end(record, status, data=await write_sum(record), error=error)


def run_id(eval_id: UUID, iteration: int) -> str:
    """Return the id of the run of an iteration, from 1, and of its session."""
    return f"eval-{eval_id}-{iteration}"


def _why_nothing(record: EvalRecord) -> str | None:
    """Return why the first iteration failed if all of them did."""
    errors = [result.get("error") for result in read_results(record)]
    return str(errors[0]) if all(errors) else None
