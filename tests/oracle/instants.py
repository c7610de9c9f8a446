"""Timestamps of operands and of records, as whole nanoseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.oracle.refusal import RefusedError

_FORM = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_instant(value: Any) -> int:
    """Return the nanoseconds since 1970 of an ISO 8601 text; without an offset it is UTC.

    Raises:
        RefusedError: the value is no such text.
    """
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise RefusedError(value)
    date, time, fraction, zone = match.group("date", "time", "fraction", "zone")
    try:
        second = datetime.fromisoformat(f"{date}T{time or '00:00:00'}+00:00")
    except ValueError as error:
        raise RefusedError(value) from error
    offset = timedelta()
    if zone not in (None, "Z"):
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:])) * (-1 if zone[0] == "-" else 1)
    return ((second - _EPOCH) - offset) // timedelta(seconds=1) * 10**9 + int((fraction or "").ljust(9, "0"))
