"""Random payloads from small pools, so that values often meet and filters often find something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.oracle.values import is_scalar

NAMES = (
    "a",
    "b",
    "v",
    "data",
    "id",
    "created_at",
    "count",
    "0",
    "a.b",
    'q"t',
    '"q',
    "x y",
    "c,d",
    "é",
    "😀",
    "'",
    "asc",
)
NUMBERS = (
    0,
    1,
    -1,
    2,
    1.0,
    -0.0,
    0.1,
    -2.5,
    1e23,
    10**23,
    5e-324,
    1.7976931348623157e308,
    2**53 + 1,
    2**64 + 1,
    -(2**70),
)
TEXTS = (
    "",
    "a",
    "b",
    "ab",
    "1",
    "1.0",
    "true",
    "null",
    "é",
    "e\u0301",
    "\uffff",
    "😀",
    "\U0010ffff",
    '"',
    "\\",
    "%",
    "\n",
)
SCALARS = (None, False, True, *NUMBERS, *TEXTS)
FAMILIES: Sequence[Sequence[Any]] = (
    (1, 1.0, "1", True, "1.0", [1], [1.0], {"a": 1}),
    (0, -0.0, False, "", None, [], {}, [None]),
    ("z", "é", "e\u0301", "\uffff", "😀", "\U0010ffff", "Z", "a"),
    (2**53, 2**53 + 1, 2**64, 2**64 + 1, -(2**70), 1e23, 10**23, 0.1),
)
"""Values that are easily taken for one another, or put in the wrong order."""

DEEP = {"a": {"b": {"a": {"b": {"v": {"é": {"😀": {"a": 1}}}}}}}}

Names = tuple[str, ...]

names = st.sampled_from(NAMES[:4]) | st.sampled_from(NAMES)
scalars = st.sampled_from((None, False, True, 0, 1, 1.0, "1", "a")) | st.sampled_from(SCALARS)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=4,
)


@st.composite
def payloads(draw: st.DrawFn, used_names: st.SearchStrategy[str] = names, used: st.SearchStrategy[Any] = values) -> Any:
    """Draw a payload: flat, shaped as extracted data with an own member ``data``, nested, or very deep."""
    members = st.dictionaries(used_names, used, min_size=1, max_size=5)
    shape = draw(st.sampled_from(("flat", "flat", "flat", "wrapped", "shadowed", "nested", "empty", "deep")))
    if shape == "shadowed":
        wrapped = draw(members)
        return {draw(st.sampled_from(sorted(wrapped))): None, "data": wrapped}
    if shape == "wrapped":
        return {**draw(members), "data": draw(members)}
    if shape == "nested":
        return {**draw(members), draw(used_names): draw(members)}
    return draw(members) if shape == "flat" else DEEP if shape == "deep" else {}


def member_names(value: Any, way: Names = ()) -> Iterator[Names]:
    """Yield the names on the way to each member inside a payload."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*way, name)
            yield from member_names(member, (*way, name))


def scalars_in(value: Any) -> Iterator[Any]:
    """Yield each scalar inside a value."""
    if is_scalar(value):
        yield value
    else:
        for member in value.values() if isinstance(value, dict) else value:
            yield from scalars_in(member)


@st.composite
def histories(
    draw: st.DrawFn, *, largest: int
) -> tuple[Sequence[dict[str, Any]], Sequence[tuple[int, dict[str, Any]]]]:
    """Draw the payloads of a collection, and those that replace some of them, each with its position.

    They share a few names and values, so that most questions tell some of them from others.
    """
    used_names = st.sampled_from(draw(st.lists(names, min_size=2, max_size=4, unique=True)))
    family = st.sampled_from(FAMILIES).flatmap(st.permutations).map(lambda members: members[:5])
    used_values = st.sampled_from(draw(st.one_of(family, st.lists(values, min_size=3, max_size=7))))
    shared = payloads(used_names, used_values)
    created = draw(st.lists(shared, min_size=largest // 2, max_size=largest))
    return created, draw(st.lists(st.tuples(st.integers(0, len(created) - 1), shared | payloads()), max_size=3))
