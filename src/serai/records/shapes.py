"""Shapes of questions: which fields they use and how, without their values. Indexes are chosen and built by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from serai.records.filters import Filter, Term, TimeTerm
from serai.records.orders import OrderItem
from serai.records.paths import TIMESTAMPS, Path, format_path, parse_path

Timestamp = Literal["created_at", "updated_at"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a question asks of its fields.

    Attributes:
        equal: fields that are compared with `eq`.
        ranged: fields that are compared in any other way.
        contains: fields of `includes` and `excludes`.
        order: what to sort by, and whether the greatest comes first.
        group: fields to group by.
        uses_updated_at: whether the time of the last update matters.
    """

    equal: tuple[Path, ...] = ()
    ranged: tuple[Path, ...] = ()
    contains: tuple[Path, ...] = ()
    order: tuple[tuple[Path | str, bool], ...] = ()
    group: tuple[Path, ...] = ()
    uses_updated_at: bool = False

    @property
    def fields(self) -> tuple[Path, ...]:
        """All fields, each once."""
        ordered = [key for key, _ in self.order if isinstance(key, Path)]
        return tuple(dict.fromkeys((*self.equal, *self.ranged, *self.contains, *ordered, *self.group)))


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """How to answer a question from slots.

    Attributes:
        place: number of the collection.
        slots: number of the slot of each field.
        guard: SQL, true as long as the slots hold all that the question needs.
    """

    place: int
    slots: Mapping[Path, int]
    guard: str


class GinPlan:
    """Answer from the payloads of a collection that has an index on them.

    The statement names the collection itself: a plan for any collection, which PostgreSQL makes of a statement that
    comes often, could not use an index of one.
    """


Plan: TypeAlias = SlotPlan | GinPlan | None
"""How to answer a question; None: from payloads, as they are."""


def shape_of(terms: Filter, order: Iterable[OrderItem] = (), group: Iterable[Path] = ()) -> Shape:
    """Return the shape of a question; the order in which conditions were written does not matter."""
    by_use: dict[str, set[Path]] = {"equal": set(), "ranged": set(), "contains": set()}
    for term in terms:
        if isinstance(term, Term):
            use = {"eq": "equal", "includes": "contains", "excludes": "contains"}.get(term.operator, "ranged")
            by_use[use].add(term.path)
    keys = tuple((item.text if item.text in TIMESTAMPS else item.path, item.descending) for item in order)
    return Shape(
        **{use: tuple(sorted(paths, key=_sort_key)) for use, paths in by_use.items()},
        order=keys,
        group=tuple(group),
        uses_updated_at=any(key == "updated_at" for key, _ in keys)
        or any(isinstance(term, TimeTerm) and term.column == "updated_at" for term in terms),
    )


def shape_to_json(shape: Shape) -> dict[str, Any]:
    """Return a shape as JSON, its paths as text; members that are empty are left out."""
    members: dict[str, Any] = {
        name: [format_path(path) for path in getattr(shape, name)] for name in ("equal", "ranged", "contains", "group")
    }
    members["order"] = [
        [key if isinstance(key, str) else format_path(key), "desc" if descending else "asc"]
        for key, descending in shape.order
    ]
    return {name: value for name, value in members.items() if value}


def shape_from_json(members: Mapping[str, Any]) -> Shape:
    """Return the shape that `shape_to_json` wrote."""
    by_use = {
        name: tuple(parse_path(text) for text in members.get(name, ()))
        for name in ("equal", "ranged", "contains", "group")
    }
    order = tuple(
        (text if text in TIMESTAMPS else parse_path(text), direction == "desc")
        for text, direction in members.get("order", ())
    )
    return Shape(**by_use, order=order, uses_updated_at=any(key == "updated_at" for key, _ in order))


def _sort_key(path: Path) -> tuple[tuple[str, ...], bool]:
    return path.segments, path.or_below_data
