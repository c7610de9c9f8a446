"""Contents of knowledge bases, what is found in them, and what a base can do, as the wire shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serai.domain.knowledge import ContentOrigin, ContentRecord, FoundChunk
from serai.knowledge.bases import KnowledgeBase
from serai.knowledge.options import Knowledge
from serai.knowledge.reading import ChunkerInfo, ReaderInfo, chunkers, readers, readers_for_type, unavailable
from serai.server.databases import DATABASE_ID, KNOWLEDGE_TABLE
from serai.server.times import utc_text


def show_content(record: ContentRecord) -> dict[str, Any]:
    """Return a content as JSON."""
    return {
        "id": str(record.id),
        "name": record.name,
        "description": record.description,
        "type": _type_of(record),
        "size": str(record.size),
        "linked_to": None,
        "metadata": record.metadata,
        "access_count": None,
        **_progress(record),
        "created_at": utc_text(record.created_at),
        "updated_at": utc_text(record.updated_at),
        "knowledge_id": record.base_id,
        "url": record.url,
        "reader_id": record.reader_id,
        "chunker": record.chunker,
        "chunk_size": record.chunk_size,
        "chunk_overlap": record.chunk_overlap,
    }


def show_status(record: ContentRecord) -> dict[str, Any]:
    """Return where a content stands as JSON."""
    return {"id": str(record.id), **_progress(record)}


def show_found(found: FoundChunk) -> dict[str, Any]:
    """Return a chunk that was found as JSON; `score` is that which the answer is ordered by."""
    score = found.score if found.reranking_score is None else found.reranking_score
    return {
        "id": found.id,
        "content": found.text,
        "name": found.name,
        "meta_data": {"chunk": found.position, "chunk_size": len(found.text), **found.metadata},
        "usage": {"tokens": found.tokens},
        "score": score,
        # Published clients know of no other number.
        "reranking_score": score,
        "content_id": str(found.content_id),
        "content_origin": None,
        "size": len(found.text.encode()),
    }


def show_bases(bases: Iterable[Knowledge]) -> dict[str, Any]:
    """Return the bases as the configuration of the server lists them."""
    instances = [
        {
            "id": base.id,
            "name": base.title,
            "description": base.description,
            "db_id": DATABASE_ID,
            "table": KNOWLEDGE_TABLE,
        }
        for base in bases
    ]
    return {"dbs": [{"db_id": DATABASE_ID, "tables": [KNOWLEDGE_TABLE]}], "knowledge_instances": instances}


def show_config(bases: Sequence[KnowledgeBase], filters: Iterable[str]) -> dict[str, Any]:
    """Return what bases read, how they cut and search, and by what their contents can be filtered."""
    missing = unavailable()
    options = bases[0].options
    sizes = {"chunk_size": options.chunk_size, "chunk_overlap": options.chunk_overlap}
    return {
        "readers": {key: _show_reader(reader) for key, reader in readers().items()},
        "readersForType": readers_for_type(),
        "chunkers": {key: _show_chunker(chunker, sizes) for key, chunker in chunkers().items()},
        "filters": sorted(set(filters)),
        "vector_dbs": [
            {
                "id": base.id,
                "name": base.options.title,
                "description": base.options.description,
                "search_types": [kind.value for kind in base.search_types],
            }
            for base in bases
        ],
        "remote_content_sources": None,
        "unavailable_readers": missing.readers,
        "unavailable_chunkers": missing.chunkers,
    }


def _show_reader(reader: ReaderInfo) -> dict[str, Any]:
    return {
        "id": reader.id,
        "name": reader.name,
        "description": reader.description,
        "chunkers": reader.chunkers,
        "content_types": reader.content_types,
        "unavailable_content_types": None,
    }


def _show_chunker(chunker: ChunkerInfo, sizes: Mapping[str, int]) -> dict[str, Any]:
    return {
        "key": chunker.key,
        "name": chunker.name,
        "description": chunker.description,
        "metadata": {**sizes, **chunker.metadata},
    }


def _progress(record: ContentRecord) -> Mapping[str, Any]:
    return {
        "status": record.status.value,
        "status_message": record.status_message,
        "phase": None if record.phase is None else record.phase.value,
        "done": record.done,
        "total": record.total,
        "chunks": record.chunks,
    }


def _type_of(record: ContentRecord) -> str | None:
    if record.origin is ContentOrigin.TEXT:
        return "manual"
    return record.media_type or ("url" if record.origin is ContentOrigin.URL else None)
