"""JSON text as bytes: strict in, tolerant out. What a model says may hold characters that strict encoders refuse."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()


def dump_json(value: Any) -> bytes:
    """Return compact JSON in UTF-8; lone surrogates are kept as escapes, what JSON cannot say becomes its text.

    Args:
        value: anything; dates, UUIDs, decimals, dataclasses and pydantic models are written as JSON knows them.
    """
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, TypeError, ValueError):
        text = json.dumps(value, separators=(",", ":"), default=_fallback)
        if "NaN" in text or "Infinity" in text:  # JSON has neither: null, as the fast encoder writes them
            text = json.dumps(json.loads(text, parse_constant=lambda _: None), separators=(",", ":"))
        return text.encode()


def load_json(data: bytes | str) -> Any:
    """Return the value of JSON that Serai wrote itself.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(data)


def _fallback(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    try:
        return msgspec.to_builtins(value, enc_hook=str)
    except (TypeError, ValueError):
        return str(value)
