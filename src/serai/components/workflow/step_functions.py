"""Calls users' functions, sync or async, and makes JSON of what they return."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import anyio.to_thread

from serai.components.journalled import json_value
from serai.components.workflow.values import StepOutput
from serai.domain.json_text import MOST_LEVELS, is_too_deep


async def call_function(function: Callable[..., Any], given: Any) -> Any:
    """Return what a function returns; a sync one runs in a thread."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004 - an object's own call
        return await function(given)

    def call() -> tuple[Any, BaseException | None]:
        try:
            return function(given), None
        except BaseException as error:  # noqa: BLE001 - not all that may be raised passes from a thread to the loop
            return None, error

    # A thread of its own: functions side by side wait for each other at times, and one that never ends hurts no other.
    value, error = await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
    if error is not None:
        raise error
    return await value if inspect.isawaitable(value) else value


def as_output(value: Any) -> StepOutput:
    """Return what a step's function returned as an output whose content is JSON.

    Raises:
        ValueError: it is nested too deeply to be read again.
    """
    output = value if isinstance(value, StepOutput) else StepOutput(value)
    content = json_value(output.content)
    if is_too_deep(content):
        raise ValueError(f"the step's content is nested more than {MOST_LEVELS} levels")
    return StepOutput(
        content,
        success=bool(output.success),
        error=None if output.error is None else str(output.error),
        stop=bool(output.stop),
        media=output.media,
    )
