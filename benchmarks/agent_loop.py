"""The agent loops alone: pydantic-ai with the models of the benchmarks, in a process without server or database."""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent, ToolCallPart
from pydantic_ai.tools import ToolDefinition

from benchmarks.runs.operations import ASKS, Operation
from benchmarks.serai_os import AGENTS, ASKER, BRANCH_AGENTS, REPEATER, TEAM, TEAM_MEMBERS, lead
from serai.components.durability import ListeningModel, current_execution
from serai.components.team_briefing import leader_instructions
from serai.testing import ScriptedModel


@dataclass(frozen=True)
class Job:
    """What to run, and how often."""

    operation: Operation
    runs: int


class _Listener:
    """Hears what the model says, as a run does, and keeps nothing; without the capability nobody calls the rest."""

    context = None

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


class _HeardAgent:
    """An agent whose model is listened to."""

    def __init__(self, agent: Agent[Any, Any]) -> None:
        assert agent.model is not None
        assert not isinstance(agent.model, str)
        self._agent = agent
        self._model = ListeningModel(agent.model)

    async def ask(self, message: str) -> str:
        """Run it once."""
        return str((await self._agent.run(message, model=self._model)).output)


def _lead_team() -> _HeardAgent:
    """Return the leader of the team; what it delegates runs inside its tool."""
    members = {str(agent.name): _HeardAgent(agent) for agent in TEAM_MEMBERS}

    async def delegate_task_to_member(member_id: str, task: str) -> str:
        """Give a task to one member and wait for its answer."""
        return await members[member_id].ask(task)

    instructions = leader_instructions("coordinate", TEAM.members)
    tools = [delegate_task_to_member]
    return _HeardAgent(Agent(ScriptedModel(lead), name="team", instructions=instructions, tools=tools))


def _loops_of(operation: Operation) -> Callable[[str], Awaitable[object]]:
    """Return what does the agents' part of an operation."""
    if operation is Operation.TEAM:
        return _lead_team().ask
    if operation is Operation.WORKFLOW:
        asker, repeater = _HeardAgent(ASKER), _HeardAgent(REPEATER)

        async def ask_in_turn(message: str) -> str:
            return await repeater.ask(f"Checked: {await asker.ask(message)}")

        return ask_in_turn
    if operation is Operation.PARALLEL:
        branches = [_HeardAgent(agent) for agent in BRANCH_AGENTS]
        return lambda message: asyncio.gather(*(branch.ask(message) for branch in branches))
    return _HeardAgent(AGENTS[ASKS[operation].component.removeprefix("agents/")]).ask


async def run(job: Job) -> dict[str, float]:
    """Do the agents' part again and again; return CPU and waiting time of a run, in milliseconds."""
    message = ASKS[job.operation].message
    loops = _loops_of(job.operation)
    current_execution.set(_Listener())
    for _ in range(max(1, job.runs // 10)):
        await loops(message)
    began, used = time.perf_counter(), time.process_time()
    for _ in range(job.runs):
        await loops(message)
    cpu_s, wall_s = time.process_time() - used, time.perf_counter() - began
    return {"cpu_ms": cpu_s * 1000 / job.runs, "wall_ms": wall_s * 1000 / job.runs}


def main() -> None:
    job = pickle.loads(Path(sys.argv[1]).read_bytes())
    print(json.dumps(uvloop.run(run(job))))


if __name__ == "__main__":
    main()
