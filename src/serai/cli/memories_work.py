"""What the commands of ``serai memories`` do, over HTTP: through the client, as any program would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from serai.cli.lists import Columns, Part, print_list, print_removed
from serai.cli.output import json_line
from serai.cli.remote import EXIT_MISUSED, asked, fail
from serai.cli.tables import facts_text, on_one_line, printable, shortened, table_text, time_text
from serai.wire.memories import MemoryChange, UserMemorySchema, UserStatsSchema

_LONGEST_CELL = 60


def list_memories(url: str, key: str | None, part: Part, filters: Mapping[str, Any], *, as_json: bool) -> None:
    """Print memories."""
    with asked(url, key) as client:
        found, meta = part.fetch(client.list_memories, client.iter_memories, **filters)
        print_list(found, _MEMORIES, as_json=as_json, meta=meta)


def show_memory(url: str, key: str | None, memory_id: str, user_id: str | None, *, as_json: bool) -> None:
    """Print a memory."""
    with asked(url, key) as client:
        memory = client.get_memory(memory_id, user_id)
    if as_json:
        print(json_line(memory, exclude_none=True))
        return
    facts = [
        ("memory", memory.memory_id),
        ("user", memory.user_id or ""),
        ("topics", ", ".join(memory.topics or ())),
        ("agent", memory.agent_id or ""),
        ("team", memory.team_id or ""),
        ("origin", memory.origin or ""),
        ("run", memory.source_run_id or ""),
        ("session", memory.source_session_id or ""),
        ("created", time_text(memory.created_at)),
        ("updated", time_text(memory.updated_at)),
    ]
    print(f"{facts_text(facts)}\n\n{printable(memory.memory)}")


def add_memory(
    url: str, key: str | None, text: str, user_id: str, topics: Sequence[str] | None, *, as_json: bool
) -> None:
    """Store a memory and say its id."""
    with asked(url, key) as client:
        memory = client.create_memory(text, user_id, topics)
    print(json_line(memory, exclude_none=True) if as_json else f"Memory {printable(memory.memory_id)} is stored.")


def update_memory(
    url: str,
    key: str | None,
    memory_id: str,
    text: str,
    user_id: str | None,
    topics: Sequence[str] | None,
    *,
    as_json: bool,
) -> None:
    """Replace the text of a memory, and its topics when they are given."""
    with asked(url, key) as client:
        stored = client.get_memory(memory_id, user_id)
        if stored.user_id is None:
            fail(EXIT_MISUSED, f"Memory {memory_id} is about no user, so that the server cannot change it.")
        kept = stored.topics if topics is None else topics  # agno's own server empties those that are left out
        memory = client.update_memory(memory_id, text, stored.user_id, kept)
    print(json_line(memory, exclude_none=True) if as_json else f"Memory {printable(memory.memory_id)} is changed.")


def remove_memories(url: str, key: str | None, memory_ids: Sequence[str], user_id: str | None) -> None:
    """Remove memories and say so."""
    with asked(url, key) as client:
        client.delete_memories(memory_ids, user_id)
    print_removed(memory_ids)


def list_topics(url: str, key: str | None, user_id: str | None, *, as_json: bool) -> None:
    """Print topics."""
    with asked(url, key) as client:
        for topic in sorted(client.get_memory_topics(user_id=user_id)):
            print(json.dumps(topic) if as_json else on_one_line(topic))


def list_stats(url: str, key: str | None, part: Part, user_id: str | None, *, as_json: bool) -> None:
    """Print how much is remembered about each user."""
    with asked(url, key) as client:
        found, meta = part.fetch(client.get_user_memory_stats, client.iter_user_memory_stats, user_id=user_id)
        print_list(found, _STATS, as_json=as_json, meta=meta)


def optimize_memories(
    url: str, key: str | None, user_id: str, model: str | None, *, preview: bool, as_json: bool
) -> None:
    """Have a user's memories condensed, and print what came of it."""
    with asked(url, key) as client:
        done = client.optimize_memories(user_id, model, apply=not preview)
    if as_json:
        print(json_line(done, exclude_none=True))
        return
    print(table_text(_MEMORIES.heading, [_memory_row(memory) for memory in done.memories]))
    print(
        f"\n{done.memories_before:,} memories {'would become' if preview else 'became'} {done.memories_after:,}, "
        f"{done.tokens_before:,} tokens {done.tokens_after:,} ({done.reduction_percentage:.0f} % less)."
    )


def list_changes(url: str, key: str | None, part: Part, filters: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the changes that nobody made by hand."""
    with asked(url, key) as client:
        found, meta = part.fetch(client.list_memory_changes, client.iter_memory_changes, **filters)
        print_list(found, _CHANGES, as_json=as_json, meta=meta)


def undo_change(
    url: str, key: str | None, change_id: str, user_id: str | None, *, together: bool, as_json: bool
) -> None:
    """Undo a change and say what became of its memories."""
    with asked(url, key) as client:
        made = client.undo_memory_change(change_id, together=together, user_id=user_id)
    for change in made:
        now = "is gone again" if change.after is None else f"says again: {shortened(change.after.memory)}"
        told = printable(f"Memory {change.memory_id} {now}")
        print(json_line(change, exclude_none=True) if as_json else told)


def audit_memories(url: str, key: str | None, user_id: str | None, *, as_json: bool) -> None:
    """Print what is noticeable about memories."""
    with asked(url, key) as client:
        audit = client.audit_memories(user_id)
    if as_json:
        print(json_line(audit, exclude_none=True))
        return
    checked = "" if audit.checked in (None, audit.total) else f"{audit.checked:,}"
    facts = [
        ("memories", f"{audit.total:,}"),
        ("looked at", checked),
        ("came by themselves", f"{audit.automatic:,}"),
        ("without a source", f"{audit.without_source:,}"),
        ("exact duplicates", f"{len(audit.exact_duplicates):,}"),
        ("near duplicates", f"{len(audit.near_duplicates):,}"),
    ]
    print(facts_text(facts))
    groups = [("exact", group) for group in audit.exact_duplicates] + [
        ("near", group) for group in audit.near_duplicates
    ]
    if groups:
        print(f"\n{table_text(('DUPLICATES', 'MEMORIES'), [(how, ' '.join(group)) for how, group in groups])}")


def _memory_row(memory: UserMemorySchema) -> Sequence[str]:
    return (
        memory.memory_id,
        memory.user_id or "",
        shortened(memory.memory, _LONGEST_CELL),
        shortened(", ".join(memory.topics or ()), _LONGEST_CELL),
        time_text(memory.updated_at),
    )


def _stats_row(stats: UserStatsSchema) -> Sequence[str]:
    return (stats.user_id, f"{stats.total_memories:,}", time_text(stats.last_memory_updated_at))


def _change_row(change: MemoryChange) -> Sequence[str]:
    memory = change.after or change.before
    return (
        change.id,
        time_text(change.created_at),
        change.action or "",
        change.origin or "",
        change.user_id or "",
        shortened(memory.memory if memory else "", _LONGEST_CELL),
        change.run_id or "",
        time_text(change.undone_at),
    )


_MEMORIES = Columns(("MEMORY", "USER", "TEXT", "TOPICS", "UPDATED (UTC)"), _memory_row, "There are no such memories.")
_STATS = Columns(
    ("USER", "MEMORIES", "UPDATED (UTC)"), _stats_row, "Nothing is remembered about anybody.", frozenset((1,))
)
_CHANGES = Columns(
    ("CHANGE", "MADE (UTC)", "ACTION", "ORIGIN", "USER", "TEXT", "RUN", "UNDONE (UTC)"),
    _change_row,
    "There are no such changes.",
)
