"""Filters: which records hold."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from tests.oracle.instants import read_instant
from tests.oracle.record import TIMESTAMPS, Record, read_field
from tests.oracle.refusal import RefusedError
from tests.oracle.values import comparable, is_same, is_scalar, kind_of

Test = Callable[[Record], bool]

COMPARISONS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
LISTS = ("includes", "excludes")
OPERATORS = ("eq", "ne", *COMPARISONS, *LISTS)


def read_filter(wanted: Any) -> Test:
    """Return the test that a filter makes of a record; null and ``{}`` take all.

    Raises:
        RefusedError: the filter is not of the protocol's form.
    """
    tests = []
    for path, conditions in _members({} if wanted is None else wanted):
        value_of = read_field(path)
        read_operand = _read_instant_or_null if path in TIMESTAMPS else _read_scalar
        tests += [_read_condition(value_of, read_operand, *condition) for condition in _members(conditions)]
    return lambda record: all(test(record) for test in tests)


def _read_condition(
    value_of: Callable[[Record], Any], read_operand: Callable[[Any], Any], name: str, operand: Any
) -> Test:
    if name not in OPERATORS or isinstance(operand, list) is not (name in LISTS):
        raise RefusedError(name)
    if isinstance(operand, list):
        operands = list(map(read_operand, operand))
        return lambda record: _is_included(value_of(record), operands) is (name == "includes")
    wanted = read_operand(operand)
    return lambda record: _holds(name, value_of(record), wanted)


def _holds(name: str, value: Any, operand: Any) -> bool:
    if name in ("eq", "ne"):
        return is_same(value, operand) is (name == "eq")
    if kind_of(value) != kind_of(operand) or kind_of(value) not in ("boolean", "number", "string"):
        return False
    return bool(COMPARISONS[name](comparable(value), comparable(operand)))


def _is_included(value: Any, operands: list[Any]) -> bool:
    candidates = [value, *value] if isinstance(value, list) else [value]
    return any(is_same(candidate, operand) for candidate in candidates for operand in operands)


def _members(value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise RefusedError(value)
    return list(value.items())


def _read_scalar(operand: Any) -> Any:
    if not is_scalar(operand):
        raise RefusedError(operand)
    return operand


def _read_instant_or_null(operand: Any) -> int | None:
    return None if operand is None else read_instant(operand)
