"""Runs an app behind a real HTTP server in the test's own event loop, and speaks HTTP to it over raw sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from serai.knowledge.options import Knowledge
from serai.memory.options import Memory
from serai.records.queries import RecordQueries
from serai.records.store import RecordStore
from serai.server.app import AgentOS
from serai.server.components import Agent, Team
from serai.settings import Settings
from serai.storage.connection import Database
from tests.postgres import PostgresServer, fresh_database

_TLS = ssl.create_default_context()


@dataclass(frozen=True, kw_only=True)
class DescribedAgent:
    """An agent that can be shown and not run."""

    kind: str = "agent"
    id: str = "my-agent"
    name: str = "My Agent"
    description: str | None = "Adds numbers."
    model_name: str | None = "scripted"
    model_provider: str | None = "serai"
    metadata: dict[str, Any] | None = None
    tools: Sequence[Any] = ()
    instructions: str | None = "Be brief."
    history_runs: int = 3
    memory: Memory | None = None
    knowledge: Sequence[Knowledge] = ()


@dataclass(frozen=True, kw_only=True)
class DescribedTeam(DescribedAgent):
    """A team that can be shown and not run."""

    kind: str = "team"
    id: str = "my-team"
    name: str = "My Team"
    mode: str = "coordinate"
    members: Sequence[Agent | Team] = ()


@dataclass(frozen=True, kw_only=True)
class DescribedWorkflow:
    """A workflow that can be shown and not run; its steps are agents and teams in sequence."""

    kind: str = "workflow"
    id: str = "my-workflow"
    name: str = "My Workflow"
    description: str | None = "Adds, then checks."
    metadata: dict[str, Any] | None = None
    input_schema: dict[str, Any] | None = None
    steps: Sequence[Agent | Team] = ()

    def check_message(self, message: str) -> None:
        pass

    def describe_steps(self, show: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"name": step.id, "type": "Step", step.kind: show(step)} for step in self.steps]


class IdleRuntime:
    """A runtime without a database: for what the server answers by itself."""

    def __init__(self, *, is_ready: bool = True) -> None:
        self.is_ready = is_ready
        self.log: list[str] = []

    async def start(self) -> None:
        self.log.append("start")

    async def stop(self) -> None:
        self.log.append("stop")

    async def ready(self) -> bool:
        return self.is_ready


@dataclass
class DatabaseRuntime:
    """A runtime that has a database, and nothing that works on it."""

    dsn: str
    database: Database = field(init=False)

    async def start(self) -> None:
        self.database = Database(self.dsn)
        await self.database.open()

    async def stop(self) -> None:
        await self.database.close()

    async def ready(self) -> bool:
        return await self.database.is_reachable()


@dataclass
class RecordsRuntime(DatabaseRuntime):
    """A runtime that has records and nothing else."""

    records: RecordStore = field(init=False)
    record_queries: RecordQueries = field(init=False)

    async def start(self) -> None:
        await super().start()
        self.records = RecordStore(self.database)
        self.record_queries = RecordQueries(self.database)


def make_os(runtime: Any = None, **members: Any) -> AgentOS:
    """Return an OS of one agent on a runtime of the test's; `settings` may be a dictionary."""
    settings = members.pop("settings", {})
    members.setdefault("name", "Test OS")
    members.setdefault("agents", [DescribedAgent()])
    return AgentOS(
        settings=settings if isinstance(settings, Settings) else Settings(**settings),
        runtime_factory=lambda _: runtime or IdleRuntime(),
        **members,
    )


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an app on a free port of loopback; yields its base URL."""
    # The protocol is named, else asyncio would leave Nagle's algorithm on and each POST would wait 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, http="httptools", loop="none", log_config=None, access_log=False, lifespan="on")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        # Neither serve() nor shutdown(): both sleep for tenths of a second.
        await server.startup([listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for connection in list(server.server_state.connections):
                connection.shutdown()
            while server.server_state.connections:  # noqa: ASYNC110 - a plain set of uvicorn's
                await asyncio.sleep(0.001)
            for accepting in server.servers:
                accepting.close()
            await server.lifespan.shutdown()


def http_client(base_url: str, **options: Any) -> httpx.AsyncClient:
    """Return a client; it shares what a client of its own would take 30 ms to load."""
    return httpx.AsyncClient(base_url=base_url, verify=_TLS, **options)


@contextmanager
def shared_database(server: PostgresServer) -> Iterator[str]:
    """Lend one database to many tests, which keep apart by projects of their own; yields its DSN."""
    with asyncio.Runner() as runner:
        database = fresh_database(server)
        yield runner.run(database.__aenter__())
        runner.run(database.__aexit__(None, None, None))


@dataclass(frozen=True)
class Answer:
    """One HTTP response as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """One kept-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send one request and read its response."""
        sent = {"Host": "127.0.0.1", **(headers or {})}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        if body and "Transfer-Encoding" not in (headers or {}):
            lines.append(f"Content-Length: {len(body)}")
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self._writer.drain()
        return await self._read(method)

    async def _read(self, method: str) -> Answer:
        status_line, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
        return Answer(int(status_line.split()[1]), headers, await self._reader.readexactly(length))


@asynccontextmanager
async def connected(base_url: str) -> AsyncIterator[Wire]:
    """Open one connection to a server."""
    host, _, port = base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()
