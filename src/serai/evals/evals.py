"""Evals as the server sees them: begin one, wait for it, cancel it, remove some."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from serai.domain.evals import EvalRecord, EvalStatus, NewEval
from serai.domain.ids import new_key
from serai.engine.engine import Engine
from serai.engine.jobs import JobRunner
from serai.errors import NotFoundError, ShuttingDownError
from serai.evals.judges import Judges, Subject
from serai.evals.results import write_sum
from serai.evals.runner import EvalRunner, run_id
from serai.storage.connection import Connection, Database
from serai.storage.evals import EvalStore
from serai.storage.jobs import JobStore
from serai.storage.metrics import MetricsStore

MOST_AT_A_TIME: Final = 4
"""Evals that a node does at a time; more wait."""
_FIRST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.5


class Evals:
    """The evals of the components that this node has.

    Args:
        database: where they are.
        engine: runs the components.
        components: what this node has; its agents and teams can be measured.

    Attributes:
        store: the statements about evals.
        judges: the models that judge.
    """

    def __init__(self, database: Database, engine: Engine, components: Iterable[object]) -> None:
        subjects = [component for component in components if isinstance(component, Subject)]
        self.store = EvalStore(database)
        self.judges = Judges(subjects)
        self._jobs = JobStore(database)
        self._engine = engine
        work = EvalRunner(self.store, engine, self.judges, MetricsStore(database)).do
        # Jobs of one component are a kind, so that they are left to nodes that have it. And evals have a runner of
        # their own: they take long, and must not keep other jobs waiting.
        self._runner = JobRunner(
            database,
            engine.node.id,
            {_job_kind(subject.kind, subject.id): work for subject in subjects},
            max_jobs=MOST_AT_A_TIME,
            tell=engine.tell_jobs,
        )
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Begin to do evals."""
        self._runner.start()

    def look(self) -> None:
        """Look for evals to do now."""
        self._runner.look()

    async def stop(self) -> None:
        """Hand the evals at work over, and wait for none any more; may be called again."""
        self._stopping.set()
        await self._runner.stop()

    async def begin(self, connection: Connection, new: NewEval) -> EvalRecord:
        """Store an eval and the job that does it; to be announced once the transaction has ended."""
        eval_id = new_key()
        job_id = await self._jobs.enqueue(
            _job_kind(new.kind, new.component_id),
            {"eval_id": str(eval_id)},
            project_id=new.project_id,
            user_id=new.user_id,
            connection=connection,
        )
        assert job_id is not None  # it has no key that another one could have
        return await self.store.create(connection, eval_id, new, job_id=job_id)

    def announce(self, record: EvalRecord) -> None:
        """Have a new eval done at once."""
        self._runner.announce(_job_kind(record.kind, record.component_id))

    async def wait(self, project_id: str, eval_id: UUID) -> EvalRecord:
        """Wait until an eval has ended, and return it. Giving up waiting leaves it alone.

        Raises:
            NotFoundError: somebody removed it.
            ShuttingDownError: this node stops and another one goes on with it.

        Cost: one read a look; looks come half a second apart once it has taken some seconds.
        """
        pause_s = _FIRST_PAUSE_S
        while not await self.store.has_ended(project_id, eval_id):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
                raise ShuttingDownError(
                    f"This server is stopping; eval run {eval_id} goes on, read it from another one."
                )
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
        record = await self.store.find(project_id, eval_id)
        if record is None:
            raise NotFoundError(f"Eval run with id '{eval_id}' was deleted while it ran")
        return record

    async def cancel(self, connection: Connection, record: EvalRecord) -> EvalRecord:
        """End an eval that is held, keeping what it measured; one that has ended stays as it is."""
        data = await write_sum(record)
        ended = await self.store.end(record, EvalStatus.CANCELLED, data=data, connection=connection)
        if ended is None:
            return record
        await self._jobs.cancel(record.project_id, record.job_id, connection=connection)
        return ended

    async def delete(self, connection: Connection, project_id: str, records: Collection[EvalRecord]) -> None:
        """Remove evals that are held, ending those that run; their runs stay."""
        for record in records:
            if not record.status.is_terminal:
                await self._jobs.cancel(record.project_id, record.job_id, connection=connection)
        await self.store.delete(connection, project_id, [record.id for record in records])

    async def cancel_run(self, record: EvalRecord) -> None:
        """Cancel the run that an eval was waiting for when somebody ended it."""
        is_at_work = record.status not in (EvalStatus.COMPLETED, EvalStatus.ERROR)
        if is_at_work and (record.kind, record.component_id) in self._engine.components:
            await self._engine.cancel(
                record.project_id,
                run_id(record.id, record.finished + 1),
                kind=record.kind,
                component_id=record.component_id,
            )


def _job_kind(kind: str, component_id: str) -> str:
    return f"eval:{kind}:{component_id}"
