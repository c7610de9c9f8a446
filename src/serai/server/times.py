"""Times as the published protocol writes and reads them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

from starlette.requests import Request

from serai.errors import InvalidFieldError

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def utc_text(moment: datetime) -> str:
    """Return a time as ``2026-11-20T23:16:12Z``."""
    return f"{moment.astimezone(UTC).isoformat()[:19]}Z"


def utc_text_or_null(moment: datetime | None) -> str | None:
    """Return a time as `utc_text` does, None when it has not come."""
    return None if moment is None else utc_text(moment)


def read_day(request: Request, name: str) -> date | None:
    """Return the day that a query parameter names as ``2026-11-20``, None when it is absent.

    Raises:
        InvalidFieldError: it is no day.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    msg = "Input should be a day as in 2026-11-20"
    raise InvalidFieldError.of(("query", name), msg, kind="date_parsing", given=text[:100])
