"""Which columns of the slots an index for one shape has, and in what order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from serai.records.arguments import Arguments
from serai.records.fields import SlotFields
from serai.records.orders import OrderItem, sort_keys
from serai.records.paths import Path, format_path
from serai.records.shapes import Shape


def index_columns(
    shape: Shape, slots: Mapping[Path, int], kinds: Mapping[Path, Iterable[int]]
) -> tuple[list[str], list[str]]:
    """Return the keys of an index on slots, and the columns that it holds besides.

    Args:
        shape: what the index is for.
        slots: number of the slot of each field.
        kinds: the kinds of values that each field of an equality has.
    """
    keys: dict[str, str] = {}
    for path in shape.equal:
        keys.update((column, column) for column in _equality(slots[path], set(kinds[path])))
    fields = SlotFields(slots, Arguments())
    for path in shape.group:
        keys.update((column, column) for column in fields.lanes(path) if column not in keys)
    order = () if shape.group else tuple(_order_item(key, is_descending) for key, is_descending in shape.order)
    for key in sort_keys(order, fields):
        keys.setdefault(key.sql, key.clause)
    used = [lane for path in (*shape.equal, *shape.ranged, *shape.contains) for lane in fields.lanes(path)]
    return list(keys.values()), [column for column in dict.fromkeys(used) if column not in keys]


def _equality(slot: int, kinds: set[int]) -> list[str]:
    """Return the columns of an equality: one is enough where all values are of one type."""
    if kinds == {3}:
        return [f"t{slot}"]
    if kinds == {2}:
        return [f"n{slot}"]
    if kinds and kinds <= {0, 1}:
        return [f"k{slot}"]
    return [f"t{slot}", f"n{slot}", f"k{slot}"]


def _order_item(key: Path | str, is_descending: bool) -> OrderItem:
    if isinstance(key, str):
        return OrderItem(key, Path((key,)), is_descending)
    return OrderItem(format_path(key), key, is_descending)
