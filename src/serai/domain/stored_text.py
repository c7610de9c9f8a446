"""Which text PostgreSQL takes: all but U+0000 and lone surrogates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL takes a text as it is."""
    return _UNSTORABLE.search(text) is None


def storable(text: str) -> str:
    """Return a text that PostgreSQL takes: U+FFFD stands for what it does not."""
    if not text.isascii():  # two halves that stand side by side are one character
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "\ufffd") if "\0" in text else text


def storable_json(value: Any) -> Any:
    """Return a JSON value whose texts and keys PostgreSQL takes."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): storable_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(item) for item in value]
    return value
