"""What models cost: US dollars of a request's tokens, from the prices that genai-prices brings along. No network."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider
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
_PROBE: Final = 1_000_000
_MODELS_KEPT: Final = 1000


def price_of(model: str | None, provider: str | None, tokens: Mapping[str, int]) -> float | None:
    """Return what one request cost in US dollars; None where the price is not known.

    Args:
        model: as the provider names it, ``gpt-5-mini``.
        provider: as pydantic-ai or OpenTelemetry names it, ``openai``; None: whoever is known to serve the model.
        tokens: their counts under their names on the wire; ``input_tokens`` holds those read from a cache too.

    Cost: 2 µs for most models, 50 to 100 µs for those whose price depends on the request's length or on the day.
    """
    found = _find(model, provider) if model else None
    if model is None or found is None:
        return None
    rates = _rates(model, provider)
    counts = {name: tokens.get(name, 0) for name in _KINDS}
    if any(count < 0 for count in counts.values()):
        return None
    if rates is None:
        return _ask(found, counts)
    for part, whole in _PARTS.items():
        counts[whole] -= counts[part]
    if counts["input_tokens"] < 0 or counts["output_tokens"] < 0:
        return None
    return sum(count * rates[name] for name, count in counts.items())


def price_of_response(response: ModelResponse) -> float | None:
    """Return what a model's answer cost in US dollars, and note it there; None where the price is not known.

    What a gateway has told goes before a computed price. pydantic-ai computes no price where one is noted.
    """
    usage = response.usage
    if usage.cost is None:
        try:
            usage.cost = response.cost().total_price
        except (AssertionError, LookupError, ValueError):  # no model, an unknown one, or counts that make no sense
            return None
    return float(usage.cost)


@lru_cache(maxsize=_MODELS_KEPT)
def _find(model: str, provider: str | None) -> tuple[Provider, ModelInfo] | None:
    try:
        return get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return None


@lru_cache(maxsize=_MODELS_KEPT)
def _rates(model: str, provider: str | None) -> dict[str, float] | None:
    """Return the price of one token of each kind; None where a kind has more than one price."""
    found = _find(model, provider)
    if found is None or not isinstance(found[1].prices, ModelPrice):
        return None
    if not all(isinstance(price, Decimal) for price in vars(found[1].prices).values() if price is not None):
        return None
    rates: dict[str, float] = {}
    for name in _KINDS:
        price = _ask(found, {name: _PROBE, **({_PARTS[name]: _PROBE} if name in _PARTS else {})})
        if price is None:
            return None
        rates[name] = price / _PROBE
    return rates


def _ask(found: tuple[Provider, ModelInfo], counts: Mapping[str, int]) -> float | None:
    provider, model = found
    try:
        usage = Usage(**{_KINDS[name]: count for name, count in counts.items() if count})
        return float(model.calc_price(usage, provider).total_price)
    except (LookupError, ValueError):
        return None
