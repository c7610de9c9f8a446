"""From what a model would remember to the changes of memories that come of it: nothing is stored twice. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from serai.domain.memories import (
    LONGEST_MEMORY,
    LONGEST_TOPIC,
    MOST_TOPICS,
    AutomaticChange,
    MemoryAction,
    MemoryRecord,
    storable,
)
from serai.memory.duplicates import find_near

_NEW: Final = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A memory that is to be stored.

    Attributes:
        topics: what it is about; when it takes the place of another one, none keeps that one's.
        replaces: the memory whose place it takes, as it was read.
    """

    text: str
    topics: Sequence[str] = ()
    replaces: MemoryRecord | None = None


def plan_changes(wanted: Sequence[Wanted], current: Sequence[MemoryRecord]) -> list[AutomaticChange]:
    """Return the changes that store what is not known yet, neither exactly nor nearly.

    Args:
        wanted: in any wording a model may come up with; blank ones are passed over.
        current: the user's memories as they are.
    """
    known: dict[UUID | str, str] = {memory.id: memory.memory for memory in current}
    changes: list[AutomaticChange] = []
    for one in wanted:
        text = " ".join(storable(one.text).split())[:LONGEST_MEMORY]
        replaced = one.replaces if one.replaces is not None and one.replaces.id in known else None
        others = {key: said for key, said in known.items() if replaced is None or key != replaced.id}
        if not text or find_near(text, others) is not None or (replaced is not None and replaced.memory == text):
            continue
        topics = _clean(one.topics)
        if replaced is None:
            changes.append(AutomaticChange(action=MemoryAction.CREATED, memory=text, topics=topics))
            known[f"{_NEW}{len(changes)}"] = text
        else:
            changes.append(
                AutomaticChange(
                    action=MemoryAction.UPDATED,
                    memory_id=replaced.id,
                    memory=text,
                    topics=topics or None,
                    expected_revision=replaced.revision,
                )
            )
            known[replaced.id] = text
    return changes


def _clean(topics: Sequence[str]) -> tuple[str, ...]:
    said = (storable(topic).strip()[:LONGEST_TOPIC] for topic in topics)
    return tuple(dict.fromkeys(topic for topic in said if topic))[:MOST_TOPICS]
