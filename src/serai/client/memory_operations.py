"""The rows of the table that are about memories. Sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from serai.client._calls import NOTHING, Answer, Arguments, Headers
from serai.client._rows import LIST_PAGE_SIZE, Rows, check_list, check_size, given

if TYPE_CHECKING:
    from serai.wire.memories import (
        MemoryAudit,
        MemoryChange,
        MemoryChangePage,
        OptimizeMemoriesResponse,
        UserMemoryPage,
        UserMemorySchema,
        UserStatsPage,
        UserStatsSchema,
    )

MEMORY: Answer[UserMemorySchema] = Answer("memories:UserMemorySchema")
MEMORIES: Answer[UserMemoryPage] = Answer("memories:UserMemoryPage")
ALL_MEMORIES: Answer[UserMemorySchema] = Answer("memories:UserMemorySchema", paged_by="memory_id")
TOPICS: Answer[list[str]] = Answer("memories:Topics")
STATS: Answer[UserStatsPage] = Answer("memories:UserStatsPage")
ALL_STATS: Answer[UserStatsSchema] = Answer("memories:UserStatsSchema", paged_by="user_id")
OPTIMIZED: Answer[OptimizeMemoriesResponse] = Answer("memories:OptimizeMemoriesResponse")
UNDOING: Answer[list[MemoryChange]] = Answer("memories:MemoryChanges")
CHANGES: Answer[MemoryChangePage] = Answer("memories:MemoryChangePage")
ALL_CHANGES: Answer[MemoryChange] = Answer("memories:MemoryChange", paged_by="id")
AUDIT: Answer[MemoryAudit] = Answer("memories:MemoryAudit")

MOST_CHARACTERS = 5000

_ONE = "/memories/{memory_id}"
_TEXTS = {
    "memory": f"what is to be remembered, in 1 to {MOST_CHARACTERS:,} characters.",
    "memory_id": "the memory; unknown, or another user's, is status 404.",
    "user_id": "only if it is this user's.",
    "topics": "what it is about.",
    "change_id": "the change; unknown is status 404.",
}
_row = Rows(_TEXTS)
_LISTED = {
    "user_id": "only this user's.",
    "agent_id": "only those of this agent.",
    "team_id": "only those of this team.",
    "topics": "only those that have all of these.",
    "search_content": "only those with this in their text.",
}
_CHANGED = {
    "user_id": "only of this user's memories.",
    "memory_id": "only of this memory.",
    "run_id": "only those that this run gave rise to.",
}


@_row("POST", "/memories", MEMORY, user_id="whom it is about.")
def create_memory(
    memory: str,
    user_id: str,
    topics: Sequence[str] | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Store a memory about a user and return it."""
    check_size("memory", memory, MOST_CHARACTERS)
    return Arguments(
        query={"db_id": db_id, "table": table},
        json=given(memory=memory, user_id=user_id, topics=topics),
        headers=headers,
    )


@_row("GET", _ONE, MEMORY)
def get_memory(
    memory_id: str,
    user_id: str | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a memory."""
    query = {"user_id": user_id, "db_id": db_id, "table": table}
    return Arguments(path={"memory_id": memory_id}, query=query, headers=headers)


@_row("GET", "/memories", MEMORIES, **_LISTED)
def list_memories(  # noqa: PLR0913, PLR0917 - the published parameters
    user_id: str | None = None,
    agent_id: str | None = None,
    team_id: str | None = None,
    topics: Sequence[str] | None = None,
    search_content: str | None = None,
    limit: int = 20,
    page: int = 1,
    sort_by: str = "updated_at",
    sort_order: str = "desc",
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the memories, last changed first."""
    query = {
        "user_id": user_id,
        "agent_id": agent_id,
        "team_id": team_id,
        "topics": topics,
        "search_content": search_content,
        "limit": limit,
        "page": page,
        "sort_by": sort_by,
        "sort_order": sort_order,
        "db_id": db_id,
        "table": table,
    }
    return Arguments(query=query, headers=headers)


@_row("GET", "/memories", ALL_MEMORIES, **_LISTED)
def iter_memories(  # noqa: PLR0913, PLR0917 - those of list_memories
    user_id: str | None = None,
    agent_id: str | None = None,
    team_id: str | None = None,
    topics: Sequence[str] | None = None,
    search_content: str | None = None,
    page_size: int = LIST_PAGE_SIZE,
    sort_by: str = "updated_at",
    sort_order: str = "desc",
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Yield all memories, last changed first, each once, asking for pages as they are needed."""
    return list_memories.arrange(
        user_id,
        agent_id,
        team_id,
        topics,
        search_content,
        limit=page_size,
        sort_by=sort_by,
        sort_order=sort_order,
        db_id=db_id,
        table=table,
        headers=headers,
    )


@_row("PATCH", _ONE, MEMORY, user_id="whom it is about.", topics="what it is about; left as they are by default.")
def update_memory(
    memory_id: str,
    memory: str,
    user_id: str,
    topics: Sequence[str] | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Replace the text of a memory and return it. agno's own server empties topics that are left out."""
    arguments = create_memory.arrange(memory, user_id, topics, db_id, table, headers)
    return replace(arguments, path={"memory_id": memory_id})


@_row("DELETE", _ONE, NOTHING, memory_id="the memory.")
def delete_memory(
    memory_id: str,
    user_id: str | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Remove a memory; nothing happens when there is none."""
    return get_memory.arrange(memory_id, user_id, db_id, table, headers)


@_row(
    "DELETE",
    "/memories",
    NOTHING,
    memory_ids="the memories; ids that nobody knows are passed over.",
    user_id="only those that are this user's.",
)
def delete_memories(
    memory_ids: Sequence[str],
    user_id: str | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Remove several memories."""
    return Arguments(
        query={"db_id": db_id, "table": table},
        json=given(memory_ids=check_list("memory_ids", memory_ids), user_id=user_id),
        headers=headers,
    )


@_row("GET", "/memory_topics", TOPICS, user_id="only this user's.")
def get_memory_topics(
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
    *,
    user_id: str | None = None,
) -> Arguments:
    """Return what memories are about, each topic once."""
    return Arguments(query={"user_id": user_id, "db_id": db_id, "table": table}, headers=headers)


@_row("GET", "/user_memory_stats", STATS, user_id="only this user's.")
def get_user_memory_stats(
    limit: int = 20,
    page: int = 1,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
    *,
    user_id: str | None = None,
) -> Arguments:
    """Return a page of users, each with how much is remembered, last changed first."""
    query = {"user_id": user_id, "limit": limit, "page": page, "db_id": db_id, "table": table}
    return Arguments(query=query, headers=headers)


@_row("GET", "/user_memory_stats", ALL_STATS, user_id="only this user's.")
def iter_user_memory_stats(
    page_size: int = LIST_PAGE_SIZE,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
    *,
    user_id: str | None = None,
) -> Arguments:
    """Yield all users, each with how much is remembered, asking for pages as they are needed."""
    return get_user_memory_stats.arrange(page_size, 1, db_id, table, headers, user_id=user_id)


@_row(
    "POST",
    "/optimize-memories",
    OPTIMIZED,
    user_id="whose memories; a user without any is status 404.",
    model="as `provider:id`; the server's own choice by default.",
    apply="store the outcome; else it is only shown.",
)
def optimize_memories(
    user_id: str,
    model: str | None = None,
    apply: bool = True,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Have a model condense all that is remembered about a user into fewer memories."""
    return Arguments(
        query={"db_id": db_id, "table": table},
        json=given(user_id=user_id, model=model, apply=apply),
        headers=headers,
    )


@_row("GET", "/memories/changes", CHANGES, **_CHANGED)
def list_memory_changes(
    user_id: str | None = None,
    memory_id: str | None = None,
    run_id: str | None = None,
    limit: int = 20,
    page: int = 1,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the changes that nobody made by hand, latest first; Serai servers only."""
    query = {"user_id": user_id, "memory_id": memory_id, "run_id": run_id, "limit": limit, "page": page}
    return Arguments(query=query, headers=headers)


@_row("GET", "/memories/changes", ALL_CHANGES, **_CHANGED)
def iter_memory_changes(
    user_id: str | None = None,
    memory_id: str | None = None,
    run_id: str | None = None,
    page_size: int = LIST_PAGE_SIZE,
    headers: Headers | None = None,
) -> Arguments:
    """Yield all changes that nobody made by hand, latest first, asking for pages as they are needed."""
    return list_memory_changes.arrange(user_id, memory_id, run_id, limit=page_size, headers=headers)


@_row(
    "POST",
    "/memories/changes/{change_id}/undo",
    UNDOING,
    together="undo the changes that were made together with it, too.",
)
def undo_memory_change(
    change_id: str, *, together: bool = False, user_id: str | None = None, headers: Headers | None = None
) -> Arguments:
    """Put a memory back as it was before a change and return the changes that did so; Serai servers only.

    A memory that was changed since is status 409.
    """
    query = {"together": together or None, "user_id": user_id}
    return Arguments(path={"change_id": change_id}, query=query, headers=headers)


@_row("GET", "/memories/audit", AUDIT, user_id="only of this user's memories.")
def audit_memories(user_id: str | None = None, headers: Headers | None = None) -> Arguments:
    """Return what is noticeable about memories, duplicates above all; Serai servers only."""
    return Arguments(query={"user_id": user_id}, headers=headers)
