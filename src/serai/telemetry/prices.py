"""What models cost: US dollars of a request's tokens, from the prices that genai-prices brings along. No network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import inf
from typing import Final, NamedTuple

from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider, TieredPrices, TimeOfDateConstraint
from pydantic_ai.messages import ModelResponse

_KINDS: Final = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "audio_output_tokens": "output_audio_tokens",
}
"""How genai-prices calls each kind of token."""
_PARTS: Final = {
    "cache_read_tokens": "input_tokens",
    "cache_write_tokens": "input_tokens",
    "audio_input_tokens": "input_tokens",
    "audio_output_tokens": "output_tokens",
}
"""Kinds of token that are counted in another kind too."""
_PROBE: Final = 1000
_DAY_S: Final = 86_400
_MODELS_KEPT: Final = 1000


class _Rates(NamedTuple):
    """The price of one token of each kind, in requests with fewer input tokens than `below`."""

    of: dict[str, float]
    below: float


def price_of(model: str | None, provider: str | None, tokens: Mapping[str, int]) -> float | None:
    """Return what one request cost in US dollars; None where the price is not known.

    Args:
        model: as the provider names it, ``gpt-5-mini``.
        provider: as pydantic-ai or OpenTelemetry names it, ``openai``; None: whoever is known to serve the model.
        tokens: their counts under their names on the wire; ``input_tokens`` holds those read from a cache too.

    Cost: 2 µs; 50 to 100 µs for a request so long that it has a price of its own, or where the hour counts.
    """
    found = _find(model, provider) if model else None
    if model is None or found is None:
        return None
    rates = _rates(model, provider, int(time.time() // _DAY_S))
    counts = {name: tokens.get(name, 0) for name in _KINDS}
    if any(count < 0 for count in counts.values()):
        return None
    if rates is None or counts["input_tokens"] >= rates.below:
        return _ask(found, counts)
    for part, whole in _PARTS.items():
        counts[whole] -= counts[part]
    if counts["input_tokens"] < 0 or counts["output_tokens"] < 0:
        return None
    return sum(count * rates.of[name] for name, count in counts.items())


def price_of_response(response: ModelResponse) -> float | None:
    """Return what a model's answer cost in US dollars, and note it there; None where the price is not known.

    What a gateway has told goes before a computed price. pydantic-ai computes no price where one is noted.
    """
    usage = response.usage
    if usage.cost is None:
        try:
            usage.cost = response.cost().total_price
        except Exception:  # noqa: BLE001 - that a price is not known is no reason to lose an answer
            return None
    return float(usage.cost)


@lru_cache(maxsize=_MODELS_KEPT)
def _find(model: str, provider: str | None) -> tuple[Provider, ModelInfo] | None:
    try:
        return get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return None


@lru_cache(maxsize=_MODELS_KEPT)
def _rates(model: str, provider: str | None, day: int) -> _Rates | None:  # noqa: ARG001 - they are kept for a day
    """Return the prices of single tokens today; None where the hour counts, or a request costs something by itself."""
    found = _find(model, provider)
    if found is None:
        return None
    prices = found[1].prices
    if isinstance(prices, list) and any(isinstance(each.constraint, TimeOfDateConstraint) for each in prices):
        return None
    if _ask(found, {}) != 0:
        return None
    of_today = vars(found[1].get_prices(datetime.now(UTC))).values()
    below = min(
        (tier.start for price in of_today if isinstance(price, TieredPrices) for tier in price.tiers), default=inf
    )
    rates: dict[str, float] = {}
    for name in _KINDS:
        price = _ask(found, {name: _PROBE, **({_PARTS[name]: _PROBE} if name in _PARTS else {})})
        if price is None or below <= _PROBE:
            return None
        rates[name] = price / _PROBE
    return _Rates(rates, below)


def _ask(found: tuple[Provider, ModelInfo], counts: Mapping[str, int]) -> float | None:
    provider, model = found
    try:
        usage = Usage(**{_KINDS[name]: count for name, count in counts.items() if count})
        return float(model.calc_price(usage, provider).total_price)
    except (LookupError, ValueError):
        return None
