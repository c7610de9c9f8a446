"""The journal of one run: each step is looked up before it is done, and stored after."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

from serai.domain.json_text import dump_json, load_json
from serai.domain.runs import Step
from serai.engine import faults
from serai.engine.event_log import RunWriter
from serai.engine.spans import Telling
from serai.engine.tracing import RunTrace
from serai.errors import SeraiError


class JournalMismatchError(SeraiError):
    """A replayed run asks for something else than what its journal holds: its code changed while it ran."""

    code = "journal_mismatch"


class Journal:
    """Finished steps of one segment of a run.

    Args:
        writer: where new steps go, with the run's events.
        trace: told of each step.
        steps: what an earlier claim finished.
        child: key and segment of the child run whose journal it is; None for the run itself.
    """

    def __init__(
        self, writer: RunWriter, trace: RunTrace, steps: Iterable[Step] = (), *, child: tuple[UUID, int] | None = None
    ) -> None:
        self._writer = writer
        self._trace = trace
        self._child = child
        self._steps = {(step.operation, step.call): step for step in steps}

    def has(self, operation: str, call: str) -> bool:
        """Return whether a step was finished by an earlier claim."""
        return (operation, printable(call)) in self._steps

    def result(self, operation: str, call: str) -> Any:
        """Return the result of a step that an earlier claim finished, else None."""
        stored = self._steps.get((operation, printable(call)))
        return None if stored is None else load_json(stored.result)

    async def run(
        self,
        operation: str,
        call: str,
        *,
        given: Any,
        body: Callable[[], Awaitable[Any]],
        consists_of_steps: bool = False,
        telling: Telling | None = None,
    ) -> Any:
        """Return a step's result: the stored one, or that of `body`, which is then stored.

        Args:
            operation: the stable name of what is done.
            call: which of its calls: a tool call id, or an ordinal.
            given: what the step depends on, compared when the run is replayed.
            body: does it and returns a JSON value; an exception is not a result and is not stored.
            consists_of_steps: `body` does nothing to the world but by steps of children, which wait in its place.
            telling: what its span says before it is done.

        Raises:
            JournalMismatchError: the stored step was given something else.
            FencedError: another node owns the run.

        Every earlier step is durable before `body` starts; its result becomes durable with the run's next
        step or end, at the latest after 10 ms. After a crash within, `body` runs again.
        """
        call = printable(call)
        fingerprint = hashlib.blake2b(dump_json(given), digest_size=16).digest()
        stored = self._steps.get((operation, call))
        if stored is not None:
            if stored.fingerprint != fingerprint:
                raise JournalMismatchError(
                    f"Step {operation} {call} was given something else before the run was taken over: its code or its "
                    "inputs changed while it ran. Start the run again."
                )
            self._trace.retell(stored, telling)
            return load_json(stored.result)
        if not consists_of_steps:
            await self._writer.commit()
            faults.reach("after_step_commit", f"{operation}/{call}")
        started_ns = time.time_ns()
        with self._trace.step(operation, call, telling, started_ns=started_ns) as span:
            result = await body()
            ended_ns = time.time_ns()
            span.done(result, ended_ns=ended_ns)
        faults.reach("before_step_commit", f"{operation}/{call}")
        self._writer.add_step(
            Step(
                operation=operation,
                call=call,
                fingerprint=fingerprint,
                result=dump_json(result),
                child=self._child,
                started_ns=started_ns,
                ended_ns=ended_ns,
            )
        )
        return result


def printable(call: str) -> str:
    """Return a call's name as text that PostgreSQL and hashes take; a model may name its calls oddly."""
    return call if call.isprintable() else call.encode("unicode_escape").decode()
