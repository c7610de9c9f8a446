"""The servers that are searched, each with its chunks, and the statements that stand beside ours."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.database import Server
from benchmarks.environments import clean_environment, locked_python
from benchmarks.knowledge.dataset import BASE
from benchmarks.knowledge.filling import fill
from benchmarks.knowledge.kinds import Kind, body_of
from benchmarks.processes import ServerProcess
from benchmarks.requests import Request
from benchmarks.subjects import SERAI, Subject

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_PEER = _HERE.parent / "peers" / "knowledge"
PEERS_LOCK = _PEER / "requirements.txt"
BARE = "the statements alone"
PEERS = {"agno 3.1.10, LanceDB": "lancedb", "agno 3.1.10, Chroma": "chroma"}
_FILL_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Store:
    """A server with a base of so many chunks.

    Attributes:
        dsn: of Serai's database; None of a peer.
    """

    subject: Subject
    chunks: int
    dsn: str | None = None

    def requests(self, kind: Kind, count: int) -> list[bytes]:
        """Return searches of a kind, as they go over the connection."""
        host = f"127.0.0.1:{self.subject.server.port}"
        base = BASE if self.dsn else None
        bodies = (json.dumps(body_of(kind, index, self.chunks, base)).encode() for index in range(count))
        return [Request("POST", "/knowledge/search", body).encode(host) for body in bodies]


def make_serai(folder: Path, postgres: Server, postgres_folder: Path, chunks: int) -> Store:
    """Return Serai, running on a database of its own with so many chunks."""
    name = f"serai_{chunks}"
    dsn = postgres.create(name)
    serve = [sys.executable, "-m", "serai", "serve", str(_HERE / "serai_os.py"), "--log-level", "warning"]
    server = ServerProcess(
        [*serve, "--port", "{port}", "--database-url", dsn],
        env=clean_environment(PYTHONPATH=str(_ROOT)),
        log=folder / f"{name}.log",
        folder=folder,
    )
    server.start()  # it makes the tables, and keeps what it knew of an empty base
    server.stop()
    asyncio.run(fill(dsn, chunks))
    server.start()
    return Store(Subject(SERAI, server, postgres_folder), chunks, dsn)


def make_peer(folder: Path, name: str, chunks: int) -> Store:
    """Return agno's server with so many chunks in a store of its own.

    Raises:
        EnvironmentUnavailableError: its environment cannot be had.
    """
    place = folder / f"{PEERS[name]}-{chunks}"
    place.mkdir()
    command = [str(locked_python(PEERS_LOCK)), str(_PEER / "agno_knowledge.py"), PEERS[name], str(place), "{port}"]
    environment = clean_environment(OPENAI_API_KEY="none")  # it makes a model that is never asked
    server = ServerProcess([*command, str(chunks)], env=environment, log=folder / f"{place.name}.log", folder=folder)
    server.start(timeout_s=_FILL_TIMEOUT_S)
    return Store(Subject(name, server), chunks)
