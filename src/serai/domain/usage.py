"""Tokens and dollars by model: what a run used, as it is stored and summed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

Usage: TypeAlias = list[dict[str, Any]]
"""One object for each model: ``id``, ``provider``, and a member such as ``input_tokens`` for each kind of token.

``cost`` is in US dollars, and of those requests whose price is known; it is not there when none is.
"""

_DIGITS: Final = 12
_Model = tuple[str | None, str | None]


def used(model: str | None, provider: str | None, tokens: Mapping[str, int], cost: float | None = None) -> Usage:
    """Return what was used of one model; nothing when it was not asked."""
    return [{"id": model, "provider": provider, **tokens, **cost_member(cost)}] if tokens else []


def cost_member(cost: float | None) -> dict[str, float]:
    """Return the member that says what something cost; none where that is not known."""
    return {} if cost is None else {"cost": cost}


def sum_cost(items: Iterable[Mapping[str, Any]]) -> float | None:
    """Return the cost of those whose price is known, None when that is none of them."""
    known = [item["cost"] for item in items if item.get("cost") is not None]
    return round(math.fsum(known), _DIGITS) if known else None


def tokens_of(metrics: Mapping[str, Any]) -> dict[str, int]:
    """Return the members that count tokens."""
    return {name: value for name, value in metrics.items() if name.endswith("_tokens") and isinstance(value, int)}


def sum_tokens(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the tokens of all together, by their kind."""
    total: Counter[str] = Counter()
    for item in items:
        total.update(tokens_of(item))
    return dict(total)


def sum_usage(items: Iterable[Mapping[str, Any]]) -> Usage:
    """Return what was used of each model, once each, in the order in which they come."""
    return [
        {"id": model, "provider": provider, **sum_tokens(found), **cost_member(sum_cost(found))}
        for (model, provider), found in _by_model(items)
    ]


def no_less(usage: Usage, logged: Usage) -> Usage:
    """Return for each model, and each kind of token, the greater of two counts; of two costs, too."""
    return [
        {"id": model, "provider": provider, **_greatest(found), **cost_member(_greatest_cost(found))}
        for (model, provider), found in _by_model([*sum_usage(usage), *sum_usage(logged)])
    ]


def _by_model(items: Iterable[Mapping[str, Any]]) -> Iterable[tuple[_Model, list[Mapping[str, Any]]]]:
    found: dict[_Model, list[Mapping[str, Any]]] = {}
    for item in items:
        found.setdefault((item.get("id"), item.get("provider")), []).append(item)
    return found.items()


def _greatest_cost(items: Iterable[Mapping[str, Any]]) -> float | None:
    return max((item["cost"] for item in items if item.get("cost") is not None), default=None)


def _greatest(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    greatest: Counter[str] = Counter()
    for item in items:
        greatest |= Counter(tokens_of(item))
    return {**dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), 0), **greatest}
