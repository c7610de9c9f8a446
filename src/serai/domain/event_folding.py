"""The log of a run that has ended, made shorter: pieces of an answer become one event, which keeps the last index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from serai.domain.json_text import dump_json, load_json
from serai.domain.runs import Event

CONTENT_NAMES: Final = frozenset({"RunContent", "TeamRunContent"})
"""Names of the events that hold a piece of an answer."""

_PIECES: Final = ("content", "reasoning_content")
_OF_ITS_TIME: Final = frozenset({*_PIECES, "created_at", "event_index"})


def fold_content(events: Sequence[Event]) -> list[Event]:
    """Return a whole log with as few events of content as say the same.

    Pieces of one run that stand side by side are joined, at the place of the last one. Pieces that a restarted step
    has made void are left out. All other events stay as they are.
    """
    folded: list[Event] = []
    held: list[tuple[Event, dict[str, Any]]] = []
    for event in _without_void(events):
        members = load_json(event.data) if event.name in CONTENT_NAMES else None
        if members is None or not _is_piece(members):
            folded += _joined(held)
            held = []
            folded.append(event)
            continue
        if held and (event.name, _frame(members)) != (held[-1][0].name, _frame(held[-1][1])):
            folded += _joined(held)
            held = []
        held.append((event, members))
    return folded + _joined(held)


def _is_piece(members: dict[str, Any]) -> bool:
    return all(isinstance(members.get(name, ""), str) for name in _PIECES)


def _frame(members: dict[str, Any]) -> dict[str, Any]:
    """Return what two pieces must have in common to be one."""
    return {name: value for name, value in members.items() if name not in _OF_ITS_TIME}


def _joined(held: list[tuple[Event, dict[str, Any]]]) -> list[Event]:
    if len(held) < 2:
        return [event for event, _ in held]
    last, members = held[-1]
    for name in _PIECES:
        if name in members:
            members[name] = "".join(each.get(name, "") for _, each in held)
    return [Event(seq=last.seq, name=last.name, data=dump_json(members))]


def _without_void(events: Sequence[Event]) -> list[Event]:
    kept: list[Event] = []
    for event in events:
        if event.name == "CustomEvent":
            restart = load_json(event.data)
            if restart.get("name") == "step_restarted" and isinstance(index := restart.get("from_index"), int):
                kept = [each for each in kept if not _is_voided(each, index, restart.get("run_id"))]
        kept.append(event)
    return kept


def _is_voided(event: Event, index: int, run_id: str | None) -> bool:
    return event.seq >= index and event.name in CONTENT_NAMES and load_json(event.data).get("run_id") == run_id
