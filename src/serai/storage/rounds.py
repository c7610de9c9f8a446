"""Items of one batch that speak of the same thing, taken one after the other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def in_rounds(items: Sequence[Item], names: Callable[[Item], Iterable[Hashable]]) -> list[list[int]]:
    """Divide items into as few rounds as keep items with a common name apart, and in their order.

    Args:
        items: in the order in which they came.
        names: what an item speaks of.

    Returns:
        The positions of each round's items, rising.
    """
    rounds: list[list[int]] = [[]]
    next_round: dict[Hashable, int] = {}
    for position, item in enumerate(items):
        named = list(names(item))
        number = max((next_round.get(name, 0) for name in named), default=0)
        next_round.update(dict.fromkeys(named, number + 1))
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(position)
    return rounds
