"""What the routes of knowledge take and give, for the OpenAPI document."""

from __future__ import annotations

from typing import Final

from serai.domain.knowledge import LONGEST_NAME, LONGEST_QUERY, MOST_RESULTS, ContentPhase, ContentStatus, SearchType
from serai.knowledge.options import LARGEST_CHUNK
from serai.server.databases import DATABASE_ID
from serai.server.knowledge_bodies import LONGEST_DESCRIPTION, LONGEST_URL, MOST_METADATA_BYTES
from serai.server.openapi import query_parameter
from serai.server.paging import MOST_LISTED, page_of, paging_parameters, sorting_parameters
from serai.server.routes.record_shapes import COUNT, TEXT, TIME, object_schema, or_null
from serai.server.scope import KEY_PARAMETER, PROJECT_PARAMETERS
from serai.storage.knowledge_contents import SORTS

TAGS: Final = ("knowledge",)
KEY: Final = KEY_PARAMETER
SCOPE: Final = (
    *PROJECT_PARAMETERS,
    query_parameter("knowledge_id", TEXT, "The knowledge base; needed where there are several."),
    query_parameter("db_id", {"type": "string", "default": DATABASE_ID}, "The database, of which there is one."),
)
USER: Final = query_parameter("user_id", TEXT, "Whose it is: it goes when this user is erased.")
PAGING: Final = paging_parameters()
SORTING: Final = sorting_parameters(SORTS, default="created_at")

_METADATA: Final = {
    "type": "string",
    "contentMediaType": "application/json",
    "description": f"A JSON object of at most {MOST_METADATA_BYTES} bytes, by which a search can filter.",
}
_NAME: Final = {"type": "string", "maxLength": LONGEST_NAME}
_DESCRIPTION: Final = {"type": "string", "maxLength": LONGEST_DESCRIPTION}
UPLOAD: Final = object_schema(
    {
        "file": {"type": "string", "format": "binary", "description": "The document; or `text_content`, or `url`."},
        "text_content": TEXT,
        "url": {"type": "string", "format": "uri", "maxLength": LONGEST_URL, "description": "Where to fetch it."},
        "name": {**_NAME, "description": "Default: that of the file, else the URL."},
        "description": _DESCRIPTION,
        "metadata": {**_METADATA, "description": f"{_METADATA['description']} Other text is its member `value`."},
        "reader_id": {**TEXT, "description": "What reads it; by default its type decides."},
        "chunker": {**TEXT, "description": "What cuts it; by default the base or the reader decides."},
        "chunk_size": {"type": "integer", "minimum": 1, "maximum": LARGEST_CHUNK},
        "chunk_overlap": {"type": "integer", "minimum": 0, "description": "Less than `chunk_size`."},
        "replace": {
            "type": "boolean",
            "default": False,
            "description": "Once it is there, other contents of its name go; a known URL is fetched again, and what is "
            "there is read and cut again where that is to be done in another way.",
        },
    }
)
CHANGES: Final = object_schema(
    {
        "name": _NAME,
        "description": _DESCRIPTION,
        "metadata": {**_METADATA, "description": f"{_METADATA['description']} It replaces what there was."},
        "reader_id": {**TEXT, "description": "Checked, and of no effect: the content is not read again."},
    }
)
_PROGRESS: Final = {
    "status": {"enum": [status.value for status in ContentStatus]},
    "status_message": {**TEXT, "description": "Why it failed."},
    "phase": or_null({"enum": [phase.value for phase in ContentPhase]}),
    "done": {**COUNT, "description": "How many pages, chunks or bytes of the phase are done."},
    "total": {**COUNT, "description": "Of how many; 0 where that is not known."},
    "chunks": COUNT,
}
CONTENT: Final = object_schema(
    {
        "id": TEXT,
        "name": or_null(TEXT),
        "description": or_null(TEXT),
        "type": or_null({**TEXT, "description": "The media type; `manual` of a text, `url` before it was fetched."}),
        "size": {**TEXT, "description": "In bytes."},
        "linked_to": or_null(TEXT),
        "metadata": {"type": "object"},
        "access_count": or_null(COUNT),
        **_PROGRESS,
        "created_at": TIME,
        "updated_at": TIME,
        "knowledge_id": TEXT,
        "url": or_null(TEXT),
        "reader_id": or_null(TEXT),
        "chunker": or_null(TEXT),
        "chunk_size": or_null(COUNT),
        "chunk_overlap": or_null(COUNT),
    },
    *("id", "name", "type", "size", "metadata", *_PROGRESS, "created_at", "updated_at", "knowledge_id"),
)
STATUS: Final = object_schema({"id": TEXT, **_PROGRESS}, "id", *_PROGRESS)
DELETED: Final = object_schema({"id": TEXT}, "id")
PAGE_OF_CONTENTS: Final = page_of(CONTENT)

SEARCH: Final = object_schema(
    {
        "query": {"type": "string", "minLength": 1, "maxLength": LONGEST_QUERY},
        "search_type": or_null(
            {"enum": [kind.value for kind in SearchType], "description": "Default: as the base says."}
        ),
        "max_results": or_null(
            {**COUNT, "minimum": 1, "maximum": MOST_RESULTS, "description": "How many are found before paging."}
        ),
        "filters": or_null({"type": "object", "description": "Each member must equal that of the metadata."}),
        "meta": or_null(
            object_schema(
                {
                    "limit": {**COUNT, "minimum": 1, "maximum": MOST_LISTED, "default": 20},
                    "page": {**COUNT, "minimum": 1, "default": 1},
                }
            )
        ),
        "limit": or_null({**COUNT, "minimum": 1, "maximum": MOST_LISTED, "description": "As `meta.limit`."}),
        "vector_db_ids": or_null({"type": "array", "items": TEXT, "description": "The base's id must be among them."}),
        "knowledge_id": or_null({**TEXT, "description": "The knowledge base; needed where there are several."}),
        "db_id": or_null({**TEXT, "default": DATABASE_ID}),
    },
    "query",
)
_SCORE: Final = {"type": "number", "minimum": 0, "maximum": 1}
_FOUND: Final = object_schema(
    {
        "id": TEXT,
        "content": TEXT,
        "name": or_null(TEXT),
        "meta_data": {"type": "object", "description": "The content's metadata, and where the chunk stands in it."},
        "usage": object_schema({"tokens": COUNT}, "tokens"),
        "score": {**_SCORE, "description": "Comparable within one answer."},
        "reranking_score": {**_SCORE, "description": "The same."},
        "content_id": TEXT,
        "content_origin": or_null(TEXT),
        "size": {**COUNT, "description": "In bytes."},
    },
    *("id", "content", "name", "meta_data", "usage", "score", "reranking_score", "content_id", "size"),
)
PAGE_OF_FOUND: Final = page_of(_FOUND)
SEARCHED: Final = (
    "By words, by vectors or by both, as the base says unless `search_type` does. `max_results` chunks are found, and "
    '`meta` pages through these. A query is read as people type them: "words in quotes" stand together, and those '
    "with a minus must not be there."
)
_BY_ID: Final = {"type": "object", "additionalProperties": {"type": "object"}}
CONFIG: Final = object_schema(
    {
        "readers": _BY_ID,
        "readersForType": {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}},
        "chunkers": _BY_ID,
        "filters": {"type": "array", "items": TEXT, "description": "Names that metadata of contents have."},
        "vector_dbs": {
            "type": "array",
            "items": object_schema(
                {
                    "id": TEXT,
                    "name": TEXT,
                    "description": or_null(TEXT),
                    "search_types": {"type": "array", "items": {"enum": [kind.value for kind in SearchType]}},
                },
                *("id", "name", "search_types"),
            ),
        },
        "remote_content_sources": {"type": "null"},
        "unavailable_readers": {**_BY_ID, "description": "What more packages would add."},
        "unavailable_chunkers": _BY_ID,
    },
    *("readers", "readersForType", "chunkers", "filters", "vector_dbs"),
)
