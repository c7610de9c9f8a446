"""The peer: agno's own server, with models that answer at once or at a pace. Runs only in its own environment.

Called as ``agno_os.py DATABASE_URL PORT [--durable-queue]``, where the URL is SQLAlchemy's, for SQLite or PostgreSQL.
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

CHUNKS = 200
CHUNKS_PER_S = 50
ANSWER = "Four."
USAGE = {"input_tokens": 4, "output_tokens": CHUNKS, "total_tokens": CHUNKS + 4}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": json.dumps({"a": 2, "b": 2})}}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


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


def open_database(url: str) -> BaseDb:
    """Return agno's store for a SQLAlchemy URL."""
    return SqliteDb(db_url=url) if url.startswith("sqlite") else PostgresDb(db_url=url)


def main() -> None:
    """Serve the agents until the process is told to end."""
    url, port, *flags = sys.argv[1:]
    db = open_database(url)
    options: dict[str, Any] = {"db": db, "add_history_to_context": True, "telemetry": False}
    agents = [
        Agent(id="instant", model=InstantModel(), **options),
        Agent(id="tooled", model=ToolModel(), tools=[add], **options),
        Agent(id="paced", model=PacedModel(), **options),
    ]
    queue = QueueConfig(durable=True) if "--durable-queue" in flags else None
    server = AgentOS(id="peer", agents=agents, db=db, queue=queue, telemetry=False)
    uvicorn.run(server.get_app(), host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
