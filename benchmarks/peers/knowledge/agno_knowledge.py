"""The peer for knowledge: agno's own server with a vector store of its own. Runs only in its own environment.

Called as a module with ``lancedb|chroma FOLDER PORT CHUNKS``; so many chunks are stored before it serves.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from agno.agent import Agent
from agno.db.sqlite import SqliteDb
from agno.knowledge.document import Document
from agno.knowledge.embedder.base import Embedder
from agno.knowledge.knowledge import Knowledge
from agno.os import AgentOS
from agno.vectordb.base import VectorDb
from agno.vectordb.chroma import ChromaDb
from agno.vectordb.lancedb import LanceDb
from agno.vectordb.search import SearchType

from benchmarks.knowledge.dataset import DIMENSIONS, contents, name_of, tag_of, text_of, vector_of
from benchmarks.knowledge.lag import PATH, LagWatch

AT_A_TIME = 1000


@dataclass
class HashEmbedder(Embedder):
    """Makes a vector of a text's hash: the same everywhere, and as good as for nothing."""

    dimensions: int = DIMENSIONS

    def get_embedding(self, text: str) -> list[float]:
        """Return the vector."""
        vector: list[float] = vector_of(text).tolist()
        return vector

    def get_embedding_and_usage(self, text: str) -> tuple[list[float], dict[str, Any]]:
        """Return the vector, which used nothing."""
        return self.get_embedding(text), {}

    async def async_get_embedding(self, text: str) -> list[float]:
        """Return the vector."""
        return self.get_embedding(text)

    async def async_get_embedding_and_usage(self, text: str) -> tuple[list[float], dict[str, Any]]:
        """Return the vector, which used nothing."""
        return self.get_embedding(text), {}


def batches(count: int) -> Iterator[list[Document]]:
    """Yield the chunks, so many at a time."""
    batch: list[Document] = []
    for numbers in contents(count):
        name, meta = name_of(numbers), {"tag": tag_of(numbers[0])}
        batch += [Document(id=f"c{at}", name=name, content=text_of(at), meta_data=dict(meta)) for at in numbers]
        if len(batch) >= AT_A_TIME:
            yield batch
            batch = []
    if batch:
        yield batch


def open_store(name: str, folder: Path) -> VectorDb:
    """Return an empty store."""
    if name == "chroma":
        store = ChromaDb(
            collection="bench",
            path=str(folder / "chroma"),
            persistent_client=True,
            embedder=HashEmbedder(),
            search_type=SearchType.hybrid,
        )
    else:
        store = LanceDb(
            uri=str(folder / "lancedb"), table_name="bench", embedder=HashEmbedder(), search_type=SearchType.hybrid
        )
    store.create()
    return store


def main() -> None:
    """Serve a base that is full."""
    name, folder, port, chunks = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    store = open_store(name, folder)
    for batch in [] if store.get_count() else batches(chunks):
        store.insert(content_hash=batch[0].id, documents=batch)
    base = Knowledge(name="bench", vector_db=store, contents_db=SqliteDb(db_file=str(folder / "contents.db")))
    server = AgentOS(id="peer", agents=[Agent(id="a", telemetry=False)], knowledge=[base], telemetry=False)
    app = server.get_app()
    app.add_api_route(PATH, LagWatch().read)
    app.add_api_route("/chunks", lambda: {"chunks": store.get_count()})
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
