"""What `knowledge_filters` of a run mean: which metadata a chunk must have, as alternatives. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

MOST_ALTERNATIVES: Final = 20
DEEPEST: Final = 10
_NOT_SERVED: Final = frozenset({"NOT", "NEQ", "GT", "GTE", "LT", "LTE", "CONTAINS", "STARTSWITH"})
_EXPRESSED: Final = frozenset({"key", "condition", "conditions"})

Alternatives: TypeAlias = list[dict[str, Any]]


def alternatives_of(filters: Any, *, depth: int = 0) -> Alternatives:
    """Return the metadata that a chunk must have: all members of one of these objects.

    Args:
        filters: an object of metadata; an expression such as ``{"op": "EQ", "key": "tag", "value": "pets"}``; or a
            list of these, which must all hold. None: everything.
        depth: how deep this one stands in others.

    Returns:
        An empty list when nothing can have it, ``[{}]`` when everything has.

    Raises:
        ValueError: this is no filter, or one of those that are not served; the text says which, and what to do.
    """
    if depth > DEEPEST:
        raise ValueError(f"Filter expressions should be nested at most {DEEPEST} deep")
    if filters is None:
        return [{}]
    if isinstance(filters, list):
        return _all_of(filters, depth)
    if not isinstance(filters, Mapping):
        raise ValueError("Input should be an object, a filter expression, or a list of these")
    if "op" not in filters:
        return [dict(filters)]
    op = filters["op"]
    if not isinstance(op, str) or op not in _OPERATIONS:
        if isinstance(op, str) and op in _NOT_SERVED:
            raise ValueError(f"The filter {op} is not served; use EQ, IN, AND and OR")
        raise ValueError(f"Unknown filter operator {str(op)[:100]!r}; use EQ, IN, AND and OR")
    return _checked(_OPERATIONS[op](filters, depth))


def is_expression(filters: Mapping[str, Any]) -> bool:
    """Return whether an object is a filter expression, as `alternatives_of` has them, and hardly metadata."""
    op = filters.get("op")
    is_operator = isinstance(op, str) and (op in _OPERATIONS or op in _NOT_SERVED)
    return is_operator and not _EXPRESSED.isdisjoint(filters)


def _all_of(filters: Iterable[Any], depth: int) -> Alternatives:
    found: Alternatives = [{}]
    for each in filters:
        others = alternatives_of(each, depth=depth + 1)
        found = _checked([one | other for one in found for other in others if _agree(one, other)])
    return found


def _any_of(filters: Iterable[Any], depth: int) -> Alternatives:
    return [one for each in filters for one in alternatives_of(each, depth=depth + 1)]


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(_is_same(one[key], other[key]) for key in one.keys() & other.keys())


def _is_same(one: Any, other: Any) -> bool:
    """Return whether values are equal as JSON, where true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _checked(found: Alternatives) -> Alternatives:
    if len(found) > MOST_ALTERNATIVES:
        raise ValueError(f"Filters should come down to at most {MOST_ALTERNATIVES} alternatives")
    return found


def _equal(given: Mapping[str, Any], _depth: int) -> Alternatives:
    return [{_key(given): _member(given, "value")}]


def _in(given: Mapping[str, Any], _depth: int) -> Alternatives:
    return [{_key(given): value} for value in _list(given, "values")]


def _key(given: Mapping[str, Any]) -> str:
    key = _member(given, "key")
    if not isinstance(key, str):
        raise ValueError(f"'key' of the filter {given['op']} should be a string")
    return key


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    value = _member(given, name)
    if not isinstance(value, list):
        raise ValueError(f"{name!r} of the filter {given['op']} should be a list")
    return value


def _member(given: Mapping[str, Any], name: str) -> Any:
    if name not in given:
        raise ValueError(f"The filter {given['op']} needs {name!r}")
    return given[name]


_OPERATIONS: Final[Mapping[str, Callable[[Mapping[str, Any], int], Alternatives]]] = {
    "EQ": _equal,
    "IN": _in,
    "AND": lambda given, depth: _all_of(_list(given, "conditions"), depth),
    "OR": lambda given, depth: _any_of(_list(given, "conditions"), depth),
}
