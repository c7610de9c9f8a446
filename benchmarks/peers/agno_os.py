"""The peer: agno's own server, with a model that answers at once. Runs only in the environment of requirements.txt.

Called as ``agno_os.py DATABASE_URL PORT``, where the URL is SQLAlchemy's, for SQLite or PostgreSQL.
"""

import sys
from collections.abc import AsyncIterator, Iterator

import uvicorn
from agno.agent import Agent
from agno.db.base import BaseDb
from agno.db.postgres import PostgresDb
from agno.db.sqlite import SqliteDb
from agno.metrics import MessageMetrics
from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.os import AgentOS

CHUNKS = 200
ANSWER = "Four."
USAGE = {"input_tokens": 4, "output_tokens": CHUNKS, "total_tokens": CHUNKS + 4}


class InstantModel(Model):
    """Answers one short text, or as many chunks as the benchmarks stream, without waiting."""

    def __init__(self) -> None:
        super().__init__(id="instant", name="instant", provider="benchmarks")

    def invoke(self, *_args: object, **_options: object) -> ModelResponse:
        """Return the short text."""
        return ModelResponse(role="assistant", content=ANSWER, response_usage=MessageMetrics(**USAGE))

    async def ainvoke(self, *_args: object, **_options: object) -> ModelResponse:
        """Return the short text."""
        return self.invoke()

    def invoke_stream(self, *_args: object, **_options: object) -> Iterator[ModelResponse]:
        """Yield the chunks."""
        for number in range(CHUNKS):
            yield ModelResponse(role="assistant", content=f"word{number} ")
        yield ModelResponse(response_usage=MessageMetrics(**USAGE))

    async def ainvoke_stream(self, *_args: object, **_options: object) -> AsyncIterator[ModelResponse]:
        """Yield the chunks."""
        for chunk in self.invoke_stream():
            yield chunk

    def _parse_provider_response(self, response: ModelResponse, **_options: object) -> ModelResponse:
        return response

    def _parse_provider_response_delta(self, response: ModelResponse) -> ModelResponse:
        return response


def open_database(url: str) -> BaseDb:
    """Return agno's store for a SQLAlchemy URL."""
    return SqliteDb(db_url=url) if url.startswith("sqlite") else PostgresDb(db_url=url)


def main() -> None:
    """Serve one agent until the process is told to end."""
    url, port = sys.argv[1], int(sys.argv[2])
    db = open_database(url)
    agent = Agent(id="instant", model=InstantModel(), db=db, add_history_to_context=True, telemetry=False)
    server = AgentOS(id="peer", agents=[agent], db=db, telemetry=False)
    uvicorn.run(server.get_app(), host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
