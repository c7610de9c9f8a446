"""An OS whose nodes do background jobs of many steps, each noted in a ledger file with the process that did it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pydantic_ai import Agent

from serai import AgentOS
from serai.engine.jobs import ActiveJob
from serai.errors import FencedError
from serai.server.runtime import Runtime
from serai.testing import ScriptedModel, Turn

_LEDGER = Path(os.environ["SERAI_TEST_LEDGER"])


def _note(line: str) -> None:
    with _LEDGER.open("a") as ledger:
        ledger.write(f"{line} {os.getpid()}\n")


async def take_steps(job: ActiveJob) -> None:
    """Go on after the last step that was reported."""
    _note("begun")
    first = 0 if job.progress is None else int(job.progress["steps"])
    try:
        for step in range(first, int(job.payload["steps"])):
            await asyncio.sleep(0.02)
            await job.report({"steps": step + 1})
            _note(f"step {step}")
    except (FencedError, asyncio.CancelledError):
        _note("stopped")
        raise


def make_runtime(os: AgentOS) -> Runtime:
    """Return the usual runtime, which can do these jobs."""
    runtime = Runtime(settings=os.settings, components=os.components)
    runtime.register_job("steps", take_steps)
    return runtime


agent = Agent(ScriptedModel([Turn("Hello.")]), name="worker")
os_ = AgentOS(name="Jobs", agents=[agent], runtime_factory=make_runtime)
