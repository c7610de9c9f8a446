"""What is measured of Serai: agents, a team and workflows whose models answer at once, or at a pace, as the peer's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponseStreamEvent, UserPromptPart
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings

from serai import AgentOS, Parallel, Step, StepInput, Team, Workflow
from serai.testing import Asked, ScriptedModel, ToolCall, Turn

CHUNKS = 200
CHUNKS_PER_S = 50
ANSWER = "Four."
KEEPING_S = 0.05
STREAM = Turn([f"word{number} " for number in range(CHUNKS)])
CALL = Turn(tools=[ToolCall("add", {"a": 2, "b": 2})])
MEMBERS, BRANCHES = ("adder", "checker"), ("one", "two", "three", "four")


def answer(asked: Asked) -> Turn | str:
    """Return the short text, or the chunks when they are asked for."""
    return STREAM if asked.message == "stream" else ANSWER


def call_then_answer(asked: Asked) -> Turn | str:
    """Call the tool, then return the short text."""
    return CALL if asked.step == 0 else ANSWER


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def remember(ctx: RunContext[Any], key: str) -> str:
    """Keep a key in the session's state."""
    await asyncio.sleep(KEEPING_S)
    ctx.deps.session_state[key] = True
    return key


def keep_then_answer(asked: Asked) -> Turn | str:
    """Keep the message as a key, then return the short text."""
    return Turn(tools=[ToolCall("remember", {"key": asked.message})]) if asked.step == 0 else ANSWER


def lead(asked: Asked) -> Turn | str:
    """Give the question to one member after the other, then sum up what they answered."""
    if asked.step < len(MEMBERS):
        task = {"member_id": MEMBERS[asked.step], "task": asked.message}
        return Turn(tools=[ToolCall("delegate_task_to_member", task)])
    return f"In all: {' '.join(str(result.content) for result in asked.tool_results)}"


def repeat(asked: Asked) -> str:
    """Say what was asked."""
    return asked.message


def check(step: StepInput) -> str:
    """Check what the step before answered."""
    return f"Checked: {step.previous_step_content}"


class PacedModel(ScriptedModel):
    """Says as many chunks as the message asks for, each the time at which it was due; lateness does not add up."""

    def __init__(self) -> None:
        super().__init__([ANSWER], model_name="paced")

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,  # noqa: ARG002 - the signature is pydantic-ai's
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,  # noqa: ARG002
    ) -> AsyncGenerator[StreamedResponse]:
        """Stream the chunks."""
        question = messages[-1].parts[-1]
        assert isinstance(question, UserPromptPart)
        yield _PacedStream(model_request_parameters, chunks=int(str(question.content)))


@dataclass
class _PacedStream(StreamedResponse):
    chunks: int = 0
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        began = time.time()
        for number in range(self.chunks):
            due = began + number / CHUNKS_PER_S
            await asyncio.sleep(max(0.0, due - time.time()))
            for event in self._parts_manager.handle_text_delta(vendor_part_id="text", content=f"{due:.4f} "):
                yield event

    async def close_stream(self) -> None:
        """Do nothing: there is no connection."""

    @property
    def model_name(self) -> str:
        return "paced"

    @property
    def provider_name(self) -> str:
        return "benchmarks"

    @property
    def provider_url(self) -> None:
        return None

    @property
    def timestamp(self) -> datetime:
        return self.created_at


def instant(name: str) -> Agent[Any, Any]:
    """Return an agent that answers at once."""
    return Agent(ScriptedModel(answer), name=name)


AGENTS = {
    "instant": instant("instant"),
    "tooled": Agent(ScriptedModel(call_then_answer), name="tooled", tools=[add]),
    "paced": Agent(PacedModel(), name="paced"),
    "keeper": Agent(ScriptedModel(keep_then_answer), name="keeper", tools=[remember]),
}
TEAM_MEMBERS = [instant(name) for name in MEMBERS]
TEAM = Team("team", TEAM_MEMBERS, model=ScriptedModel(lead))
ASKER, REPEATER = instant("asker"), Agent(ScriptedModel(repeat), name="repeater")
BRANCH_AGENTS = [instant(name) for name in BRANCHES]
WORKFLOWS = [
    Workflow("three-steps", steps=[Step("ask", agent=ASKER), Step("check", run=check), Step("say", agent=REPEATER)]),
    Workflow("four-branches", steps=[Parallel(*(Step(str(agent.name), agent=agent) for agent in BRANCH_AGENTS))]),
]
agent_os = AgentOS(name="benchmarks", agents=list(AGENTS.values()), teams=[TEAM], workflows=WORKFLOWS)
