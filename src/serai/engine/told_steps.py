"""How steps are told of: each in the span that is open while it is done. What goes wrong with telling stops no run."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol, TypeAlias

import structlog

from serai.engine.spans import OpenSpan

_Given = ParamSpec("_Given")
_log = structlog.get_logger("serai.engine")
Entered: TypeAlias = tuple[Token[OpenSpan | None], object]


class StepTeller(Protocol):
    """Tells of steps, and has work lie in their spans."""

    def enter(self, span: OpenSpan) -> Entered:
        """Have the work of this task lie in a span; return what `leave` takes."""
        ...

    def leave(self, entered: Entered) -> None:
        """Have it lie where it lay before."""
        ...

    def end_step(self, span: OpenSpan, operation: str, result: Any, ended_ns: int) -> None:
        """Tell a step that was done."""
        ...


def harmless(tell: Callable[_Given, None]) -> Callable[_Given, None]:
    """Keep what goes wrong with telling from the run that is told of."""

    @wraps(tell)
    def told(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception:  # noqa: BLE001 - a run's boundary: it goes on without this span
            _log.exception("span_not_told")

    return told


class ToldStep(Protocol):
    """The span of a step, open for the length of a block."""

    def __enter__(self) -> ToldStep:
        """Do the step in it."""
        ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Tell it."""
        ...

    def done(self, result: Any, *, ended_ns: int) -> None:
        """Note what the step came to."""
        ...


class _UntoldStep:
    """Stands in where nothing is told."""

    def __enter__(self) -> ToldStep:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        pass

    def done(self, result: Any, *, ended_ns: int) -> None:
        pass


UNTOLD: Final = _UntoldStep()


class OpenStep:
    """Tells of a step when the block ends.

    Args:
        trace: of the run.
        span: open for the step.
        operation: of the step.
        signals: exceptions that are no failures.
    """

    __slots__ = ("_done", "_entered", "_operation", "_signals", "_span", "_trace")

    def __init__(
        self, trace: StepTeller, span: OpenSpan, operation: str, signals: tuple[type[BaseException], ...]
    ) -> None:
        self._trace = trace
        self._span = span
        self._operation = operation
        self._signals = signals
        self._done: tuple[Any, int] | None = None

    def __enter__(self) -> ToldStep:
        self._entered = self._trace.enter(self._span)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._trace.leave(self._entered)
        if self._done is not None:
            self._trace.end_step(self._span, self._operation, *self._done)
        elif error is not None:
            self._span.fail(error, signals=self._signals)

    def done(self, result: Any, *, ended_ns: int) -> None:
        """Note what the step came to."""
        self._done = result, ended_ns
