"""JSON text as bytes: strict in, tolerant out. What a model says may hold characters that strict encoders refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

MOST_LEVELS: Final = 100
"""How deep values from outside may be nested: every reader and writer of JSON, ours or not, can do more."""

Document = TypeVar("Document")
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


def loader_of(kind: type[Document]) -> Callable[[bytes], Document]:
    """Return what reads JSON that `dump_json` wrote as this type, lone surrogates included.

    What it returns raises msgspec.ValidationError for JSON of another type, and ValueError for none.
    """
    decode = msgspec.json.Decoder(kind).decode

    def load(data: bytes) -> Document:
        try:
            return decode(data)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # it refuses lone surrogates
            return msgspec.convert(load_json(data), kind)

    return load


def is_too_deep(value: Any) -> bool:
    """Return whether a JSON value is nested more than `MOST_LEVELS` levels; takes less time than reading it did."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_LEVELS):
        if not level:
            return False
        inner = (holder.values() if isinstance(holder, dict) else holder for holder in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
    return bool(level)


def check_depth(value: Any, what: str) -> None:
    """Refuse a value that could be stored and never read again.

    Raises:
        ValueError: it is nested too deep.
    """
    if is_too_deep(value):
        raise ValueError(f"{what} is nested more than {MOST_LEVELS} levels")


def without_nulls(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that are not null."""
    return {name: value for name, value in members.items() if value is not None}


def _fallback(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    try:
        return msgspec.to_builtins(value, enc_hook=str)
    except (TypeError, ValueError):
        return str(value)
