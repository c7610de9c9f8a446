"""Page tokens: where a page ended, tied to the question it answered. Opaque to callers, no secret."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from serai.errors import InvalidFieldError
from serai.records.arguments import Arguments
from serai.records.orders import SortKey

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 1000

_FURTHEST_OFFSET = 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BINDING_BYTES = 9
_NEVER_NULL = ("timestamptz", "text", "bigint", "jsonb")
_values = msgspec.json.Decoder(list[int | str | None])


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of an answer.

    Attributes:
        size: at most 1000 count; 0 is for counting.
        skip: what to leave out; does not matter with a token.
        token: of the page before.
    """

    size: int = DEFAULT_PAGE_SIZE
    skip: int = 0
    token: str | None = None

    @property
    def limit(self) -> int:
        """How many rows the page has at most."""
        return min(self.size, LARGEST_PAGE_SIZE)

    @property
    def offset(self) -> int:
        """How many rows to leave out; what no database could skip leaves out all."""
        return min(self.skip, _FURTHEST_OFFSET)


FIRST_PAGE = Page()


def bind(*question: Any) -> bytes:
    """Return what ties a token to its question."""
    return hashlib.sha256(repr(question).encode(errors="surrogatepass")).digest()[:_BINDING_BYTES]


def make_page_token(ending: Sequence[Any], binding: bytes) -> str:
    """Return the token of a page whose last row has these sort keys."""
    values = [(one - _EPOCH) // _MICROSECOND if isinstance(one, datetime) else one for one in ending]
    return base64.urlsafe_b64encode(binding + msgspec.json.encode(values)).decode()


def read_page_token(token: str, keys: Sequence[SortKey], binding: bytes) -> list[Any]:
    """Return the sort keys of the last row of the page that the token came with.

    Raises:
        InvalidFieldError: it is no token, or one of another question.
    """
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        if raw.startswith(binding):
            values = _values.decode(raw[_BINDING_BYTES:])
            return [_read(value, key) for value, key in zip(values, keys, strict=True)]
    except (ValueError, OverflowError, TypeError, msgspec.MsgspecError):
        pass
    raise InvalidFieldError.of(("body", "page_token"), "not a token of this question", kind="page_token", given=token)


def rows_after(keys: Sequence[SortKey], ending: Sequence[Any], arguments: Arguments) -> list[str]:
    """Return what holds for the rows after one, as conditions of ranges that follow one another.

    Args:
        keys: of the order; the last of them is unique and never null.
        ending: the row's values of the keys.
        arguments: receives the values.
    """
    placed = [_place(value, key, arguments) for value, key in zip(ending, keys, strict=True)]
    tail = _tail_length(keys)
    first_of_tail = len(keys) - tail
    left = ", ".join(key.sql for key in keys[first_of_tail:])
    right = ", ".join(str(value) for value in placed[first_of_tail:])
    ranges = [[*_equal(keys[:first_of_tail], placed), f"({left}) {_sign(keys[-1])} ({right})"]]
    for index in reversed(range(first_of_tail)):
        key, value = keys[index], placed[index]
        if value is None:
            continue
        before = _equal(keys[:index], placed)
        ranges.append([*before, f"{key.sql} {_sign(key)} {value}"])
        if key.has_nulls:
            ranges.append([*before, f"{key.sql} is null"])
    return [" and ".join(conditions) for conditions in ranges]


def _tail_length(keys: Sequence[SortKey]) -> int:
    """Return how many keys at the end are never null and go the same way: they compare as one row."""
    length = 0
    for key in reversed(keys):
        if key.type not in _NEVER_NULL or key.descending != keys[-1].descending:
            break
        length += 1
    return length


def _equal(keys: Sequence[SortKey], placed: Sequence[str | None]) -> list[str]:
    return [
        f"{key.sql} is null" if value is None else f"{key.sql} = {value}"
        for key, value in zip(keys, placed, strict=False)
    ]


def _sign(key: SortKey) -> str:
    return "<" if key.descending else ">"


def _place(value: Any, key: SortKey, arguments: Arguments) -> str | None:
    if value is None:
        return None
    if key.type in ("numeric", "jsonb"):
        return f"{arguments.add(value, 'text')}::{key.type}"
    return arguments.add(value, key.type.split()[0])


def _read(value: int | str | None, key: SortKey) -> Any:
    if key.type == "timestamptz":
        if not isinstance(value, int):
            raise TypeError
        return _EPOCH + value * _MICROSECOND
    if value is None:
        if key.type in _NEVER_NULL:
            raise TypeError
    elif isinstance(value, int) != (key.type in ("smallint", "bigint")):
        raise TypeError
    return value
