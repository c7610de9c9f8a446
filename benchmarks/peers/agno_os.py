"""The peer: agno's own server, with models that answer at once or at a pace. Runs only in its own environment.

Called as ``agno_os.py DATABASE_URL PORT [--durable-queue] [--tracing]``; the URL is SQLAlchemy's, for SQLite or
PostgreSQL.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from agno.agent import Agent
from agno.db.base import BaseDb
from agno.db.postgres import PostgresDb
from agno.db.sqlite import SqliteDb
from agno.metrics import MessageMetrics
from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.os import AgentOS, QueueConfig
from agno.run import RunContext
from agno.team import Team
from agno.workflow import Parallel, Step, StepInput, StepOutput, Workflow

CHUNKS = 200
CHUNKS_PER_S = 50
ANSWER = "Four."
KEEPING_S = 0.05
MEMBERS, BRANCHES = ("adder", "checker"), ("one", "two", "three", "four")
USAGE = {"input_tokens": 4, "output_tokens": CHUNKS, "total_tokens": CHUNKS + 4}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": json.dumps({"a": 2, "b": 2})}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def remember(run_context: RunContext, key: str) -> str:
    """Keep a key in the session's state."""
    await asyncio.sleep(KEEPING_S)
    run_context.session_state[key] = True
    return key


class InstantModel(Model):
    """Answers one short text, or as many chunks as the benchmarks stream, without waiting."""

    def __init__(self) -> None:
        super().__init__(id="instant", name="instant", provider="benchmarks")

    def invoke(self, *_args: Any, **_options: Any) -> ModelResponse:
        """Return the short text."""
        return ModelResponse(role="assistant", content=ANSWER, response_usage=MessageMetrics(**USAGE))

    async def ainvoke(self, *args: Any, **options: Any) -> ModelResponse:
        """Return the short text."""
        return self.invoke(*args, **options)

    def invoke_stream(self, *_args: Any, **_options: Any) -> Iterator[ModelResponse]:
        """Yield the chunks."""
        for number in range(CHUNKS):
            yield ModelResponse(role="assistant", content=f"word{number} ")
        yield ModelResponse(response_usage=MessageMetrics(**USAGE))

    async def ainvoke_stream(self, *args: Any, **options: Any) -> AsyncIterator[ModelResponse]:
        """Yield the chunks."""
        for chunk in self.invoke_stream(*args, **options):
            yield chunk

    def _parse_provider_response(self, response: ModelResponse, **_options: Any) -> ModelResponse:
        return response

    def _parse_provider_response_delta(self, response: ModelResponse) -> ModelResponse:
        return response


class ToolModel(InstantModel):
    """Calls the tool once, then answers the short text."""

    def invoke(self, messages: list[Any], *args: Any, **options: Any) -> ModelResponse:
        """Return the call, or the text when the tool has answered."""
        if messages[-1].role == "tool":
            return super().invoke(messages, *args, **options)
        return ModelResponse(role="assistant", tool_calls=[CALL], response_usage=MessageMetrics(**USAGE))


class KeepingModel(InstantModel):
    """Keeps the message as a key, then answers the short text."""

    def invoke(self, messages: list[Any], *args: Any, **options: Any) -> ModelResponse:
        """Return the call, or the text when the tool has answered."""
        if messages[-1].role == "tool":
            return super().invoke(messages, *args, **options)
        function = {"name": "remember", "arguments": json.dumps({"key": messages[-1].content})}
        call = {"id": "call_1", "type": "function", "function": function}
        return ModelResponse(role="assistant", tool_calls=[call], response_usage=MessageMetrics(**USAGE))


class LeadingModel(InstantModel):
    """Gives the question to one member after the other, then sums up what they answered."""

    def invoke(self, messages: list[Any], *_args: Any, **_options: Any) -> ModelResponse:
        """Return the next delegation, or the sum."""
        results = [message.content for message in messages if message.role == "tool"]
        usage = MessageMetrics(**USAGE)
        if len(results) == len(MEMBERS):
            return ModelResponse(role="assistant", content=f"In all: {' '.join(results)}", response_usage=usage)
        question = next(message.content for message in messages if message.role == "user")
        task = json.dumps({"member_id": MEMBERS[len(results)], "task": question})
        function = {"name": "delegate_task_to_member", "arguments": task}
        call = {"id": f"call_{len(results)}", "type": "function", "function": function}
        return ModelResponse(role="assistant", tool_calls=[call], response_usage=usage)


class RepeatingModel(InstantModel):
    """Says what was asked."""

    def invoke(self, messages: list[Any], *_args: Any, **_options: Any) -> ModelResponse:
        """Return the question."""
        said = messages[-1].content
        return ModelResponse(role="assistant", content=said, response_usage=MessageMetrics(**USAGE))


def check(step: StepInput) -> StepOutput:
    """Check what the step before answered."""
    return StepOutput(content=f"Checked: {step.previous_step_content}")


class PacedModel(InstantModel):
    """Yields as many chunks as the message says, each with the time at which it is due; lateness does not add up."""

    async def ainvoke_stream(self, messages: list[Any], *_args: Any, **_options: Any) -> AsyncIterator[ModelResponse]:
        """Yield the chunks."""
        began = time.time()
        for number in range(int(messages[-1].content)):
            due = began + number / CHUNKS_PER_S
            await asyncio.sleep(max(0.0, due - time.time()))
            yield ModelResponse(role="assistant", content=f"{due:.4f} ")
        yield ModelResponse(response_usage=MessageMetrics(**USAGE))


def build_team(options: dict[str, Any]) -> Team:
    """Return a leader and two members, who see nothing but their tasks."""
    members = [Agent(id=name, name=name, model=InstantModel(), telemetry=False) for name in MEMBERS]
    return Team(id="team", name="team", members=members, model=LeadingModel(), **options)


def build_workflows(options: dict[str, Any]) -> list[Workflow]:
    """Return an agent, a function and an agent in a row, and four agents side by side."""
    asker, repeater, *others = (
        Agent(id=name, name=name, model=model, telemetry=False)
        for name, model in (
            ("asker", InstantModel()),
            ("repeater", RepeatingModel()),
            *((branch, InstantModel()) for branch in BRANCHES),
        )
    )
    row = [Step(name="ask", agent=asker), Step(name="check", executor=check), Step(name="say", agent=repeater)]
    branches = Parallel(*(Step(name=agent.name, agent=agent) for agent in others))
    return [
        Workflow(id="three-steps", name="three-steps", steps=row, **options),
        Workflow(id="four-branches", name="four-branches", steps=[branches], **options),
    ]


def open_database(url: str) -> BaseDb:
    """Return agno's store for a SQLAlchemy URL."""
    return SqliteDb(db_url=url) if url.startswith("sqlite") else PostgresDb(db_url=url)


def main() -> None:
    """Serve the agents until the process is told to end."""
    url, port, *flags = sys.argv[1:]
    db = open_database(url)
    stored: dict[str, Any] = {"db": db, "telemetry": False}
    options = {**stored, "add_history_to_context": True}
    agents = [
        Agent(id="instant", model=InstantModel(), **options),
        Agent(id="tooled", model=ToolModel(), tools=[add], **options),
        Agent(id="paced", model=PacedModel(), **options),
        Agent(id="keeper", model=KeepingModel(), tools=[remember], **stored),
    ]
    queue = QueueConfig(durable=True) if "--durable-queue" in flags else None
    server = AgentOS(
        id="peer",
        agents=agents,
        teams=[build_team(options)],
        workflows=build_workflows(stored),
        db=db,
        queue=queue,
        tracing="--tracing" in flags,
        telemetry=False,
    )
    uvicorn.run(server.get_app(), host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
