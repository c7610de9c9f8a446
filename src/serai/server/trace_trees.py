"""Trees of spans: each inside its parent, whatever senders say about parents. Shows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from serai.storage.trace_rows import SpanRecord

MOST_LEVELS: Final = 40
"""How deep a tree is; what lies deeper stands beside what it lies in, for readers of JSON go only so deep."""


@dataclass(slots=True)
class Branch:
    """A span and those inside it, by their start."""

    span: SpanRecord
    level: int = 1
    holder: Branch | None = None
    inside: list[Branch] = field(default_factory=list)


def tree_of(spans: Sequence[SpanRecord]) -> list[Branch]:
    """Return the roots: spans whose parent is not here, and of those in a ring the first.

    Args:
        spans: of one trace, by their start.
    """
    known = {span.span_id for span in spans}
    children: dict[int, list[SpanRecord]] = {}
    roots, inner = [], []
    for span in spans:
        if span.parent_id in known and span.parent_id is not None:
            children.setdefault(span.parent_id, []).append(span)
            inner.append(span)
        else:
            roots.append(span)
    placed: set[int] = set()
    branches = [_grow(root, children, placed) for root in roots]
    # What no root leads to lies in a ring.
    rings = [_grow(span, children, placed) for span in inner if span.span_id not in placed]
    return sorted([*branches, *rings], key=_started)


def _grow(root: SpanRecord, children: dict[int, list[SpanRecord]], placed: set[int]) -> Branch:
    grown = Branch(root)
    placed.add(root.span_id)
    waiting = [grown]
    while waiting:
        parent = waiting.pop()
        holder = parent if parent.level < MOST_LEVELS or parent.holder is None else parent.holder
        for span in children.get(parent.span.span_id, ()):
            if span.span_id not in placed:
                placed.add(span.span_id)
                child = Branch(span, level=holder.level + 1, holder=holder)
                holder.inside.append(child)
                waiting.append(child)
        if holder is not parent:
            holder.inside.sort(key=_started)
    return grown


def _started(branch: Branch) -> tuple[float, int]:
    return branch.span.started_at.timestamp(), branch.span.span_id
