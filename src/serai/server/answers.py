"""Answers in JSON, and the header that names what a request said to no effect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from starlette.responses import Response

from serai.domain.json_text import dump_json

IGNORED_FIELDS: Final = "X-Serai-Ignored-Fields"
_LONGEST_HEADER: Final = 1000


def json_answer(value: Any, *, status: int = 200, ignored: Iterable[str] = ()) -> Response:
    """Return a value as the answer; bytes are JSON already.

    Args:
        value: what to answer.
        status: the HTTP status.
        ignored: names of fields that the request had and that mean nothing here.
    """
    body = value if isinstance(value, bytes) else dump_json(value)
    response = Response(body, status_code=status, media_type="application/json")
    name_ignored(response, ignored)
    return response


def name_ignored(response: Response, ignored: Iterable[str]) -> None:
    """Name in a header what the request had and what means nothing here."""
    if names := ", ".join(ignored)[:_LONGEST_HEADER]:
        text = names.encode("ascii", "backslashreplace").decode()
        # The HTTP server refuses control characters, and with them the whole answer.
        response.headers[IGNORED_FIELDS] = "".join(letter if letter.isprintable() else " " for letter in text)
