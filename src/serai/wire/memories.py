"""What is remembered about users, on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from serai.wire.model import ListOrNull, Moment, OpenModel, WireModel
from serai.wire.pages import Page


class UserMemorySchema(WireModel):
    """One memory about a user."""

    memory_id: str
    memory: str
    topics: list[str] | None = None
    agent_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class UserStatsSchema(WireModel):
    """How much is remembered about a user."""

    user_id: str
    total_memories: int
    last_memory_updated_at: Moment | None = None


class OptimizeMemoriesResponse(WireModel):
    """What condensing a user's memories has led to, or would lead to."""

    memories: ListOrNull[UserMemorySchema]
    memories_before: int
    memories_after: int
    tokens_before: int
    tokens_after: int
    tokens_saved: int
    reduction_percentage: float


class MemoryChange(WireModel):
    """A change of a memory that was made without a caller's asking.

    Attributes:
        action: ``created``, ``updated`` or ``deleted``.
        origin: what made it, for example ``extraction``.
        run_id: the run that gave rise to it.
        before: the memory before it, as JSON; None when there was none.
        after: the memory after it, likewise.
        undone_at: when it was undone.
    """

    id: str
    memory_id: str | None = None
    user_id: str | None = None
    action: str | None = None
    origin: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    created_at: Moment | None = None
    undone_at: Moment | None = None


class MemoryAudit(OpenModel):
    """What is noticeable about memories.

    Attributes:
        total: how many there are.
        automatic: how many were not made by callers.
        without_source: how many of these do not say which run they come from.
        exact_duplicates: groups of ids whose texts say the same in the same words.
        near_duplicates: groups of ids whose texts use nearly the same words.
    """

    total: int = 0
    automatic: int = 0
    without_source: int = 0
    exact_duplicates: ListOrNull[list[str]] = Field(default_factory=list)
    near_duplicates: ListOrNull[list[str]] = Field(default_factory=list)


Topics = list[str]
"""The topics of memories, each once."""

UserMemoryPage = Page[UserMemorySchema]
"""A page of memories."""

UserStatsPage = Page[UserStatsSchema]
"""A page of statistics, a user a row."""

MemoryChangePage = Page[MemoryChange]
"""A page of automatic changes."""
