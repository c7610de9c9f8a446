"""The agent loop alone: pydantic-ai with the models of the benchmarks, in a process without server or database."""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent, ToolCallPart
from pydantic_ai.tools import ToolDefinition

from benchmarks.runs.operations import ASKS, Operation
from benchmarks.serai_os import AGENTS
from serai.components.durability import ListeningModel, current_execution


@dataclass(frozen=True)
class Job:
    """What to run, and how often."""

    operation: Operation
    runs: int


class _Listener:
    """Hears what the model says, as a run does, and keeps nothing; without the capability nobody calls the rest."""

    def hear(self, event: ModelResponseStreamEvent) -> None:
        """Take an event."""

    def hear_all(self, response: ModelResponse) -> None:
        """Take the whole response."""

    async def do_model_request(self, messages: list[ModelMessage], body: Callable[[], Awaitable[Any]]) -> Any:
        raise NotImplementedError(messages, body)

    async def do_tool_call(self, body: Callable[[], Awaitable[Any]]) -> Any:
        raise NotImplementedError(body)

    async def do_other(self, operation: str, body: Callable[[], Awaitable[Any]]) -> Any:
        raise NotImplementedError(operation, body)

    async def announce_tool_call(
        self, call: ToolCallPart, tool: ToolDefinition, args: dict[str, Any], handler: Callable[[], Awaitable[Any]]
    ) -> Any:
        raise NotImplementedError(call, tool, args, handler)


async def run(job: Job) -> dict[str, float]:
    """Run the agent again and again; return CPU and waiting time of a run, in milliseconds."""
    ask = ASKS[job.operation]
    agent = AGENTS[ask.agent]
    assert agent.model is not None
    assert not isinstance(agent.model, str)
    model = ListeningModel(agent.model)
    current_execution.set(_Listener())
    for _ in range(max(1, job.runs // 10)):
        await agent.run(ask.message, model=model)
    began, used = time.perf_counter(), time.process_time()
    for _ in range(job.runs):
        await agent.run(ask.message, model=model)
    cpu_s, wall_s = time.process_time() - used, time.perf_counter() - began
    return {"cpu_ms": cpu_s * 1000 / job.runs, "wall_ms": wall_s * 1000 / job.runs}


def main() -> None:
    job = pickle.loads(Path(sys.argv[1]).read_bytes())
    print(json.dumps(uvloop.run(run(job))))


if __name__ == "__main__":
    main()
