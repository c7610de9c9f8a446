"""What is remembered about users, on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field

from serai.wire.model import ListOrNull, Moment, OpenModel, WireModel
from serai.wire.pages import Page


class UserMemorySchema(WireModel):
    """One memory about a user; ``origin`` and ``source_…`` say where it came from, as far as the server knows."""

    memory_id: str
    memory: str
    topics: list[str] | None = None
    agent_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
    origin: str | None = None
    source_run_id: str | None = None
    source_session_id: str | None = None


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
    """A change of a memory that nobody made by hand, or the undoing of one.

    Attributes:
        action: ``created``, ``updated`` or ``deleted``.
        origin: what made it, for example ``extraction``.
        operation_id: changes that were made together have it in common.
        run_id: the run that gave rise to it.
        before: the memory before it; None when there was none.
        after: the memory after it, likewise.
        undone_at: when it was undone.
        undoes: the change that this one undoes.
    """

    id: str = Field(validation_alias=AliasChoices("id", "change_id"))
    memory_id: str | None = None
    user_id: str | None = None
    action: str | None = None
    origin: str | None = None
    operation_id: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    before: UserMemorySchema | None = None
    after: UserMemorySchema | None = None
    created_at: Moment | None = Field(default=None, validation_alias=AliasChoices("created_at", "at"))
    undone_at: Moment | None = None
    undoes: str | None = None


class MemoryAudit(OpenModel):
    """What is noticeable about memories.

    Attributes:
        total: how many there are.
        checked: how many of them the rest is about.
        automatic: how many nobody wrote by hand.
        without_source: of how many no run is known that they come from.
        exact_duplicates: groups of ids whose texts say the same in the same words.
        near_duplicates: groups of ids whose texts use nearly the same words.
    """

    total: int = 0
    checked: int | None = None
    automatic: int = 0
    without_source: int = 0
    exact_duplicates: ListOrNull[list[str]] = Field(default_factory=list)
    near_duplicates: ListOrNull[list[str]] = Field(default_factory=list)


def _read_changes(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return value.get("data", [value])


MemoryChanges = Annotated[list[MemoryChange], BeforeValidator(_read_changes)]
"""Changes that were made together."""

Topics = list[str]
"""The topics of memories, each once."""

UserMemoryPage = Page[UserMemorySchema]
"""A page of memories."""

UserStatsPage = Page[UserStatsSchema]
"""A page of statistics, a user a row."""

MemoryChangePage = Page[MemoryChange]
"""A page of automatic changes."""
