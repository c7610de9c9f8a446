"""The servers that are measured: Serai and the published one, each with a base of so many chunks."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.database import Server, fetchval
from benchmarks.environments import clean_environment, locked_python
from benchmarks.knowledge import lag
from benchmarks.knowledge.dataset import BASE
from benchmarks.knowledge.filling import fill
from benchmarks.knowledge.kinds import Kind
from benchmarks.processes import ServerProcess
from benchmarks.requests import Request, call
from benchmarks.subjects import SERAI, Subject

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
PEERS_LOCK = _HERE.parent / "peers" / "knowledge" / "requirements.txt"
BARE = "the statements alone"
PEERS = {"agno 3.1.10, LanceDB": "lancedb", "agno 3.1.10, Chroma": "chroma"}
CHUNKS_PATH = "/chunks"
_FILL_TIMEOUT_S = 1800.0
_CHUNKS = "select count(*) from knowledge_chunks"


@dataclass(frozen=True)
class Store:
    """A server with a base.

    Attributes:
        chunks: that it was filled with.
        dsn: of Serai's database; None of a peer.
    """

    subject: Subject
    chunks: int
    dsn: str | None = None

    def requests(self, kind: Kind, count: int) -> list[bytes]:
        """Return searches of a kind, as they go over the connection."""
        return [self.request(kind, index).encode(self._host) for index in range(count)]

    def request(self, kind: Kind, index: int) -> Request:
        """Return one search."""
        body = kind.body(index, self.chunks, BASE if self.dsn else None)
        return Request("POST", "/knowledge/search", json.dumps(body).encode())

    def empty_request(self) -> bytes:
        """Return a request that does nothing."""
        return Request("GET", "/health").encode(self._host)

    def longest_lag_ms(self) -> float:
        """Return how long the event loop was blocked at the most since this was asked before."""
        return float(self._get(lag.PATH)["longest_ms"])

    def count_chunks(self) -> int:
        """Return how many chunks there are by now."""
        return int(fetchval(self.dsn, _CHUNKS) if self.dsn else self._get(CHUNKS_PATH)["chunks"])

    @property
    def _host(self) -> str:
        return f"127.0.0.1:{self.subject.server.port}"

    def _get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(call(self.subject.server, Request("GET", path)).body)
        return answer


def make_serai(
    folder: Path, postgres: Server, postgres_folder: Path, chunks: int, *, report: Callable[[str], None]
) -> Store:
    """Return Serai, running on a database of its own with so many chunks."""
    name = f"serai_{chunks}"
    dsn = postgres.create(name)
    asyncio.run(fill(dsn, chunks, report=report))
    serve = [sys.executable, "-m", "serai", "serve", str(_HERE / "serai_os.py"), "--log-level", "warning"]
    server = ServerProcess(
        [*serve, "--port", "{port}", "--database-url", dsn],
        env=clean_environment(PYTHONPATH=str(_ROOT)),
        log=folder / f"{name}.log",
        folder=folder,
    )
    server.start()
    return Store(Subject(SERAI, server, postgres_folder), chunks, dsn)


def make_peer(folder: Path, name: str, chunks: int) -> Store:
    """Return agno's server with so many chunks in a store of its own.

    Raises:
        EnvironmentUnavailableError: its environment cannot be had.
        ServerStartError: it did not start.
    """
    place = folder / f"{PEERS[name]}-{chunks}"
    place.mkdir()
    command = [str(locked_python(PEERS_LOCK)), "-m", "benchmarks.peers.knowledge.agno_knowledge", PEERS[name]]
    environment = clean_environment(  # it makes a model that is never asked
        OPENAI_API_KEY="none", PYTHONPATH=str(_ROOT), ANONYMIZED_TELEMETRY="false"
    )
    server = ServerProcess(
        [*command, str(place), "{port}", str(chunks)], env=environment, log=folder / f"{place.name}.log", folder=folder
    )
    server.start(timeout_s=_FILL_TIMEOUT_S)
    return Store(Subject(name, server), chunks)
