"""The peer for knowledge: agno's own server with a vector store of its own. Runs only in its own environment.

Called as ``agno_knowledge.py lancedb|chroma FOLDER PORT CHUNKS``; so many chunks are stored before it serves.
"""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
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

DIMENSIONS, AT_A_TIME, TAGS, WORDS = 384, 1000, 100, 2000


@dataclass
class HashEmbedder(Embedder):
    """Makes a vector of a text's hash: the same everywhere, and for nothing."""

    dimensions: int = DIMENSIONS

    def get_embedding(self, text: str) -> list[float]:
        """Return the vector."""
        return [byte - 127.5 for byte in hashlib.shake_256(text.encode()).digest(DIMENSIONS)]

    def get_embedding_and_usage(self, text: str) -> tuple[list[float], dict[str, Any]]:
        """Return the vector, which used nothing."""
        return self.get_embedding(text), {}

    async def async_get_embedding(self, text: str) -> list[float]:
        """Return the vector."""
        return self.get_embedding(text)

    async def async_get_embedding_and_usage(self, text: str) -> tuple[list[float], dict[str, Any]]:
        """Return the vector, which used nothing."""
        return self.get_embedding(text), {}


def text_of(number: int) -> str:
    """Return the text of a chunk: common words and rare ones, and a mark that no other has."""
    digest = hashlib.shake_256(number.to_bytes(8, "big")).digest(120)
    words = (int.from_bytes(digest[at : at + 2], "big") ** 2 * WORDS >> 32 for at in range(0, 120, 2))
    return f"{' '.join(f'word{word}' for word in words)} mark{number}"


def documents(count: int) -> Iterator[Document]:
    """Yield the chunks."""
    for number in range(1, count + 1):
        tag = {"tag": f"t{number % TAGS}"}
        yield Document(id=f"c{number}", name=f"d{number // 20}", content=text_of(number), meta_data=tag)


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
    left = documents(chunks)
    while some := list(islice(left, AT_A_TIME)):
        store.insert(content_hash=some[0].id, documents=some)
    base = Knowledge(name="bench", vector_db=store, contents_db=SqliteDb(db_file=str(folder / "contents.db")))
    server = AgentOS(id="peer", agents=[Agent(id="a", telemetry=False)], knowledge=[base], telemetry=False)
    uvicorn.run(server.get_app(), host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
