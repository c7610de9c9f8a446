"""Yes and no in a query."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from serai.errors import InvalidFieldError

_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


def read_flag(request: Request, name: str) -> bool:
    """Return whether a query says yes to something; absent and empty is no.

    Raises:
        InvalidFieldError: it says neither yes nor no.
    """
    return bool(read_choice(request, name))


def read_choice(request: Request, name: str) -> bool | None:
    """Return yes or no as a query says it, None when it is absent or empty.

    Raises:
        InvalidFieldError: it says neither yes nor no.
    """
    text = request.query_params.get(name, "").lower()
    if text and text not in _BOOLEANS:
        raise InvalidFieldError.of(
            ("query", name), "Input should be true or false", kind="bool_parsing", given=text[:100]
        )
    return _BOOLEANS.get(text)
