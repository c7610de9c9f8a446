"""From what a model would remember to the changes of memories that come of it: nothing is stored twice. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serai.domain.memories import (
    LONGEST_MEMORY,
    LONGEST_TOPIC,
    MOST_TOPICS,
    AutomaticChange,
    MemoryAction,
    MemoryRecord,
    fold_said,
    without_repeats,
)
from serai.domain.stored_text import storable
from serai.memory.duplicates import Words, are_near, words_of


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

    What nearly says the same as a memory, and more, takes its place: nothing is lost.

    Args:
        wanted: in any wording a model may come up with; blank ones are passed over.
        current: the user's memories as they are.
    """
    records = {memory.id: memory for memory in current}
    known = {memory.id: _Said.of(memory.memory) for memory in current}
    added: list[_Said] = []
    changes: list[AutomaticChange] = []
    for one in wanted:
        said = _Said.of(" ".join(storable(one.text).split())[:LONGEST_MEMORY])
        replaced = one.replaces if one.replaces is not None and one.replaces.id in known else None
        if not said.text or any(map(said.is_near, added)):
            continue
        others = (key for key in known if replaced is None or key != replaced.id)
        near = next((key for key in others if said.is_near(known[key])), None)
        if near is not None:
            if replaced is not None or not said.says_more(known[near]):
                continue
            replaced = records[near]
        topics = _clean(one.topics)
        if replaced is None:
            changes.append(AutomaticChange(action=MemoryAction.CREATED, memory=said.text, topics=topics))
            added.append(said)
        elif said.text != replaced.memory:
            changes.append(
                AutomaticChange(
                    action=MemoryAction.UPDATED,
                    memory_id=replaced.id,
                    memory=said.text,
                    topics=topics or None,
                    expected_revision=replaced.revision,
                )
            )
            known[replaced.id] = said
    return changes


@dataclass(frozen=True, slots=True)
class _Said:
    """A text, and what it is compared by."""

    text: str
    folded: str
    words: Words

    @classmethod
    def of(cls, text: str) -> _Said:
        return cls(text, fold_said(text), words_of(text))

    def is_near(self, other: _Said) -> bool:
        return self.folded == other.folded or are_near(self.words, other.words)

    def says_more(self, other: _Said) -> bool:
        return self.words.keys() > other.words.keys()


def _clean(topics: Sequence[str]) -> tuple[str, ...]:
    said = (storable(topic).strip()[:LONGEST_TOPIC] for topic in topics)
    return without_repeats([topic for topic in said if topic])[:MOST_TOPICS]
