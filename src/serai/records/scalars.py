"""Operands of filters: scalars with their JSON text, and instants."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from serai.errors import InvalidFieldError
from serai.records.payload import Location, value_text

_TYPES: dict[str, Literal["null", "boolean", "string"]] = {
    '"': "string",
    "t": "boolean",
    "f": "boolean",
    "n": "null",
}
_INSTANT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<time>\d\d:\d\d)(?P<second>:\d\d(?:\.(?P<fraction>\d{1,9}))?)? ?(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One operand.

    Attributes:
        type: its JSON type.
        json: its JSON text, as the database is to read it.
    """

    type: Literal["null", "boolean", "number", "string"]
    json: str

    @property
    def string(self) -> str:
        """The text of a string."""
        return msgspec.json.decode(self.json, type=str)


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment.

    Attributes:
        time: in UTC, rounded down to a microsecond.
        is_later: whether rounding took something away.
    """

    time: datetime
    is_later: bool


def read_scalar(raw: bytes, loc: Location) -> Scalar:
    """Return an operand.

    Raises:
        InvalidFieldError: it is an array or an object, or cannot be read.
    """
    first = chr(raw[0])
    if first in "{[":
        raise InvalidFieldError.of(loc, "Input should be a number, string, boolean or null", kind="scalar_type")
    return Scalar(_TYPES.get(first, "number"), value_text(raw, loc=loc))


def read_instant(raw: bytes, loc: Location) -> Instant | None:
    """Return an operand for a timestamp, None for null.

    Raises:
        InvalidFieldError: it is neither null nor an ISO 8601 string.
    """
    scalar = read_scalar(raw, loc)
    if scalar.type == "null":
        return None
    text = scalar.string if scalar.type == "string" else ""
    parts = _INSTANT.fullmatch(text)
    try:
        if parts is not None:
            return _instant(parts)
    except (ValueError, OverflowError):
        pass
    msg = "Input should be an ISO 8601 date or time, for example 2025-01-31T12:00:00Z"
    raise InvalidFieldError.of(loc, msg, kind="datetime_parsing", given=msgspec.json.decode(raw))


def _instant(parts: re.Match[str]) -> Instant:
    fraction = (parts["fraction"] or "").ljust(9, "0")
    zone = (parts["zone"] or "Z").upper().replace("Z", "+00:00")
    text = f"{parts['day']}T{parts['time'] or '00:00'}{(parts['second'] or ':00')[:3]}{zone}"
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return Instant(moment.replace(microsecond=int(fraction[:6])), fraction[6:] != "000")
