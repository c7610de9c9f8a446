"""What the routes of memories take and give, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from serai.domain.memories import LONGEST_MEMORY, LONGEST_TOPIC, MOST_TOPICS, MemoryAction, MemoryOrigin
from serai.server.databases import DATABASE_PARAMETERS
from serai.server.memory_bodies import MOST_DELETED
from serai.server.openapi import query_parameter
from serai.server.paging import page_of, paging_parameters, sorting_parameters
from serai.server.routes.record_shapes import COUNT, NAME, TEXT, TIME, object_schema, or_null
from serai.server.scope import KEY_PARAMETER, PROJECT_PARAMETERS
from serai.storage.memory_lists import MOST_COUNTED, SORTS

TAGS: Final = ("memories",)
KEY: Final = KEY_PARAMETER
SCOPE: Final = (
    *PROJECT_PARAMETERS,
    *DATABASE_PARAMETERS,
)
USER: Final = query_parameter("user_id", TEXT, "Only what is this user's.")
PAGING: Final = paging_parameters()
SORTING: Final = sorting_parameters(SORTS, default="updated_at")
LISTED: Final = (
    f"Of a list that is filtered by more than a user {MOST_COUNTED} memories are counted; of more than those "
    "`meta.total_is_lower_bound` tells."
)
FILTERS: Final = (
    query_parameter("agent_id", TEXT, "Only what this agent has stored."),
    query_parameter("team_id", TEXT, "Only what this team has stored."),
    query_parameter(
        "topics",
        {"type": "array", "items": TEXT},
        "Only memories that have all of these topics: the parameter again for each, or separated by commas.",
    ),
    query_parameter("search_content", TEXT, "Only memories whose text has this in it, in whatever case."),
)
CHANGE_FILTERS: Final = (
    query_parameter("memory_id", TEXT, "Only changes of this memory."),
    query_parameter("run_id", TEXT, "Only changes that came from this run."),
)
TOGETHER: Final = query_parameter(
    "together",
    {"type": "boolean", "default": False},
    "Undo all changes that were made together with it: all of them or none.",
)

_TOPICS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {**NAME, "maxLength": LONGEST_TOPIC},
    "maxItems": MOST_TOPICS,
}
_MEMORY_TEXT: Final = {**NAME, "maxLength": LONGEST_MEMORY}
NEW: Final = object_schema({"memory": _MEMORY_TEXT, "user_id": or_null(NAME), "topics": or_null(_TOPICS)}, "memory")
DELETED: Final = object_schema(
    {
        "memory_ids": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MOST_DELETED},
        "user_id": or_null(TEXT),
    },
    "memory_ids",
)
MEMORY: Final = object_schema(
    {
        "memory_id": TEXT,
        "memory": TEXT,
        "topics": {"type": "array", "items": TEXT},
        "agent_id": or_null(TEXT),
        "team_id": or_null(TEXT),
        "user_id": TEXT,
        "updated_at": TIME,
        "created_at": TIME,
        "origin": {"enum": [origin.value for origin in MemoryOrigin], "description": "Who wrote it."},
        "source_run_id": or_null({**TEXT, "description": "The run that it was learnt in."}),
        "source_session_id": or_null(TEXT),
    },
    *("memory_id", "memory", "topics", "agent_id", "team_id", "user_id", "updated_at"),
)
_USER_STATS: Final = object_schema(
    {"user_id": TEXT, "total_memories": COUNT, "last_memory_updated_at": TIME},
    *("user_id", "total_memories", "last_memory_updated_at"),
)
PAGE_OF_MEMORIES: Final = page_of(MEMORY)
PAGE_OF_USERS: Final = page_of(_USER_STATS)
TOPICS: Final = {"type": "array", "items": TEXT}

OPTIMIZE: Final = object_schema(
    {
        "user_id": NAME,
        "model": or_null({**TEXT, "description": "`provider:id`; default SERAI_MODEL, else the first component's."}),
        "apply": {"type": "boolean", "default": True, "description": "False: it is a preview, and nothing changes."},
    },
    "user_id",
)
_COUNTS: Final = ("memories_before", "memories_after", "tokens_before", "tokens_after", "tokens_saved")
OPTIMIZATION: Final = object_schema(
    {
        "memories": {"type": "array", "items": MEMORY},
        **dict.fromkeys(_COUNTS, COUNT),
        "reduction_percentage": {"type": "number", "minimum": 0, "maximum": 100},
    },
    *("memories", *_COUNTS, "reduction_percentage"),
)

_CHANGE: Final = object_schema(
    {
        "change_id": TEXT,
        "memory_id": TEXT,
        "user_id": TEXT,
        "action": {"enum": [action.value for action in MemoryAction]},
        "origin": {"enum": [origin.value for origin in MemoryOrigin], "description": "`caller` when it undoes."},
        "operation_id": {**TEXT, "description": "Changes that were made together have it in common."},
        **dict.fromkeys(("run_id", "session_id", "agent_id", "team_id"), or_null(TEXT)),
        "before": or_null(MEMORY),
        "after": or_null(MEMORY),
        "at": TIME,
        "undone_at": or_null(TIME),
        "undoes": or_null({**TEXT, "description": "The change that this one undoes."}),
    },
    *("change_id", "memory_id", "user_id", "action", "origin", "before", "after", "at", "undone_at", "undoes"),
)
CHANGES: Final = object_schema({"data": {"type": "array", "items": _CHANGE}}, "data")
PAGE_OF_CHANGES: Final = page_of(_CHANGE)
_GROUPS: Final = {"type": "array", "items": {"type": "array", "items": TEXT}, "description": "Groups of ids."}
AUDIT: Final = object_schema(
    {
        "total": COUNT,
        "checked": {**COUNT, "description": "How many of them the rest is about."},
        "automatic": {**COUNT, "description": "Written by an agent's tool or a model."},
        "without_source": {**COUNT, "description": "No run is known that they were learnt in."},
        "exact_duplicates": _GROUPS,
        "near_duplicates": _GROUPS,
        "longest": or_null(object_schema({"memory_id": TEXT, "characters": COUNT}, "memory_id", "characters")),
    },
    *("total", "checked", "automatic", "without_source", "exact_duplicates", "near_duplicates", "longest"),
)
