"""Tells a request to stop from what users' code raises, and says in words what it raised."""

from __future__ import annotations

import asyncio


def is_stop_request(error: BaseException) -> bool:
    """Return whether this task itself was asked to stop.

    A CancelledError that merely escaped from something the task awaited, SystemExit and KeyboardInterrupt are not:
    they belong to the code that raised them and must not take a node, or a run, with them. Nor is a GeneratorExit that
    code raised while a task ran it: a coroutine that is thrown away gets one outside of any task.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs
        task = None
    if isinstance(error, asyncio.CancelledError):
        return task is not None and task.cancelling() > 0
    return isinstance(error, GeneratorExit) and task is None


def describe(error: BaseException) -> str:
    """Return the error's text, or its type when it has none or cannot say it."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - a user's exception whose text raises
        return type(error).__name__
