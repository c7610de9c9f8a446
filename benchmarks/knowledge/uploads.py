"""Measures taking documents in: uploads over HTTP, until all can be found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count

import httpx

from benchmarks.knowledge.dataset import BASE
from benchmarks.knowledge.documents import CHUNK_SIZE, make_document
from benchmarks.knowledge.kinds import LARGE, Sizes
from benchmarks.knowledge.results import Upload
from benchmarks.knowledge.stores import Store
from benchmarks.requests import RequestError
from benchmarks.subjects import SERAI

_PATH = "/knowledge/content"
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.01, 0.1
_TEXTS_OF_DOCUMENT = 10_000
_PEER_READERS = {"txt": "text", "md": "markdown", "html": "text", "docx": "docx", "pptx": "pptx"}
"""agno takes the size of chunks only with a reader and a chunker; of other formats it makes a chunk a row or page."""


class UploadError(Exception):
    """A document was not taken in, or not in time."""


class Uploader:
    """Uploads documents that no server has yet.

    Args:
        sizes: how many, how large, and how long one waits for them.
    """

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._numbers = count(1)

    def measure(self, store: Store, kind: str) -> Upload:
        """Upload the documents of one format, and wait until all are there.

        Args:
            store: the server.
            kind: one of the formats, or the large text.

        Raises:
            UploadError: one was refused, has failed, or all together took too long.
        """
        documents, began = self._make(store, kind), time.perf_counter()
        try:
            return self._measure(store, kind, documents)
        except (httpx.HTTPError, RequestError, OSError) as error:
            raise UploadError(f"{type(error).__name__} after {time.perf_counter() - began:.0f} s") from error

    def _measure(self, store: Store, kind: str, documents: Sequence[tuple[str, bytes]]) -> Upload:
        before, chunks, number = store.subject.cpu(), store.count_chunks(), len(documents)
        store.longest_lag_ms()
        began = time.perf_counter()
        with httpx.Client(base_url=store.subject.server.base_url, timeout=self._sizes.upload_s) as client:
            self._upload(client, store, documents, began + self._sizes.upload_s)
        took_s = time.perf_counter() - began
        used, lag_ms = store.subject.cpu().since(before), store.longest_lag_ms()
        return Upload(
            format=kind,
            subject=store.subject.name,
            documents=number,
            chunks=store.count_chunks() - chunks,
            wall_ms=took_s * 1000 / number,
            server_cpu_ms=None if used.server_s is None else used.server_s * 1000 / number,
            database_cpu_ms=None if used.database_s is None else used.database_s * 1000 / number,
            lag_ms=lag_ms,
        )

    def _make(self, store: Store, kind: str) -> list[tuple[str, bytes]]:
        sizes = self._sizes
        number = sizes.documents if store.subject.name == SERAI else sizes.peer_documents
        suffix, number, chunks = (
            ("txt", 1, sizes.large_chunks) if kind == LARGE else (kind, number, sizes.document_chunks)
        )
        places = [next(self._numbers) for _ in range(number)]
        return [(f"{at}.{suffix}", make_document(suffix, at * _TEXTS_OF_DOCUMENT, chunks)) for at in places]

    def _upload(self, client: httpx.Client, store: Store, documents: Sequence[tuple[str, bytes]], until: float) -> None:
        base = {"knowledge_id": BASE} if store.dsn else {}
        ids = [
            _answer(client.post(_PATH, params=base, data=_fields(store, name), files={"file": (name, data)}))["id"]
            for name, data in documents
        ]
        # Only the last one is asked for until it rests: asking for all again and again would be a load of its own.
        for content_id in reversed(ids):
            pause_s = _FIRST_PAUSE_S
            while (status := self._status(client, content_id, base))[0] == "processing":
                if time.perf_counter() > until:
                    raise UploadError(f"not taken in within {self._sizes.upload_s:g} s")
                time.sleep(pause_s)
                pause_s = min(pause_s * 1.5, _LAST_PAUSE_S)
            if status[0] != "completed":
                raise UploadError(f"{documents[ids.index(content_id)][0]} ended as {' '.join(status)}")

    def _status(self, client: httpx.Client, content_id: str, base: dict[str, str]) -> tuple[str, str]:
        answer = _answer(client.get(f"{_PATH}/{content_id}/status", params=base))
        return str(answer["status"]).lower(), str(answer.get("status_message") or "")


def _fields(store: Store, name: str) -> dict[str, str]:
    """Return how a document is to be cut: everywhere into chunks of the same size."""
    size = {"chunk_size": str(CHUNK_SIZE), "chunk_overlap": "0"}
    reader = None if store.dsn else _PEER_READERS.get(name.rpartition(".")[2])
    return {**size, "reader_id": reader, "chunker": "FixedSizeChunker"} if reader else size


def _answer(response: httpx.Response) -> dict[str, str]:
    if response.is_error:
        raise UploadError(f"answered {response.status_code}: {response.text[:200]}")
    answer: dict[str, str] = response.json()
    return answer
