"""Memories, their users and their changes as the wire shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serai.domain.memories import MemoryChange, MemoryOrigin, MemoryRecord
from serai.memory.duplicates import group_exact, group_near
from serai.memory.optimize import Optimization, estimate_tokens
from serai.server.times import utc_text, utc_text_or_null
from serai.storage.memory_stats import MemoryUser


def show_memory(record: MemoryRecord) -> dict[str, Any]:
    """Return a memory as JSON."""
    return {
        "memory_id": str(record.id),
        "memory": record.memory,
        "topics": record.topics,
        "agent_id": record.agent_id,
        "team_id": record.team_id,
        "user_id": record.user_id,
        "updated_at": utc_text(record.updated_at),
        "created_at": utc_text(record.created_at),
        "origin": record.origin.value,
        "source_run_id": record.source_run_id,
        "source_session_id": record.source_session_id,
    }


def show_user(user: MemoryUser) -> dict[str, Any]:
    """Return how much is remembered of a user as JSON."""
    return {
        "user_id": user.user_id,
        "total_memories": user.memories,
        "last_memory_updated_at": utc_text(user.last_updated_at),
    }


def show_change(change: MemoryChange) -> dict[str, Any]:
    """Return an automatic change, or the undoing of one, as JSON."""
    return {
        "change_id": str(change.id),
        "memory_id": str(change.memory_id),
        "user_id": change.user_id,
        "action": change.action.value,
        "origin": change.origin.value,
        "operation_id": change.operation_id,
        "run_id": change.run_id,
        "session_id": change.session_id,
        "agent_id": change.agent_id,
        "team_id": change.team_id,
        "before": None if change.before is None else show_memory(change.before),
        "after": None if change.after is None else show_memory(change.after),
        "at": utc_text(change.at),
        "undone_at": utc_text_or_null(change.undone_at),
        "undoes": None if change.undoes is None else str(change.undoes),
    }


def show_optimization(optimization: Optimization) -> dict[str, Any]:
    """Return what becomes of a user's memories when they are condensed as JSON."""
    before, after = estimate_tokens(optimization.before), estimate_tokens(optimization.after)
    saved = max(0, before - after)
    return {
        "memories": [show_memory(record) for record in optimization.after],
        "memories_before": len(optimization.before),
        "memories_after": len(optimization.after),
        "tokens_before": before,
        "tokens_after": after,
        "tokens_saved": saved,
        "reduction_percentage": round(100 * saved / before, 2) if before else 0.0,
    }


def show_audit(records: Sequence[MemoryRecord], *, total: int) -> dict[str, Any]:
    """Return what there is to say about memories as JSON; takes as long as comparing them does.

    Args:
        records: those that are looked at.
        total: how many there are.
    """
    by_user: dict[str, list[MemoryRecord]] = {}
    for record in records:
        by_user.setdefault(record.user_id, []).append(record)
    longest = max(records, key=lambda record: len(record.memory), default=None)
    return {
        "total": total,
        "checked": len(records),
        "automatic": sum(record.origin is not MemoryOrigin.CALLER for record in records),
        "without_source": sum(record.source_run_id is None for record in records),
        "exact_duplicates": _groups(by_user, group_exact),
        "near_duplicates": _groups(by_user, group_near),
        "longest": None if longest is None else {"memory_id": str(longest.id), "characters": len(longest.memory)},
    }


def _groups(by_user: dict[str, list[MemoryRecord]], group: Any) -> list[list[str]]:
    return [
        [str(records[position].id) for position in positions]
        for records in by_user.values()
        for positions in group([record.memory for record in records])
    ]
