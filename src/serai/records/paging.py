"""Page tokens: where a page ended, tied to the question it answered. Opaque to callers, no secret."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from serai.errors import InvalidFieldError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BINDING_BYTES = 9
_TIME_BYTES = 8


def bind(condition: str, values: Sequence[Any]) -> bytes:
    """Return what ties a token to its question: the condition and all its parameters."""
    return hashlib.sha256(msgspec.json.encode([condition, values])).digest()[:_BINDING_BYTES]


def make_page_token(created_at: datetime, record_id: str, binding: bytes) -> str:
    """Return the token of a page that ends with this record."""
    microseconds = (created_at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(binding + microseconds.to_bytes(_TIME_BYTES) + record_id.encode()).decode()


def read_page_token(token: str, binding: bytes) -> tuple[datetime, str]:
    """Return when the page's last record was created, and its id.

    Raises:
        InvalidFieldError: it is no token, or one of another question.
    """
    try:
        raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        if raw.startswith(binding):
            time_end = _BINDING_BYTES + _TIME_BYTES
            microseconds = int.from_bytes(raw[_BINDING_BYTES:time_end])
            return _EPOCH + microseconds * _MICROSECOND, raw[time_end:].decode()
    except (ValueError, OverflowError):
        pass
    raise InvalidFieldError.of(("body", "page_token"), "not a token of this search", kind="page_token", given=token)
