"""What a caller gave, checked before it is sent: text, headers and URLs that HTTP cannot carry. Loads nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Mapping

from serai.errors import SeraiError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")


class ArgumentError(SeraiError, ValueError):
    """An argument cannot be sent; nothing was. The message names it."""

    code = "bad_argument"


def checked_text(name: str, text: str) -> str:
    """Return a text that UTF-8 can carry.

    Raises:
        ArgumentError: it holds lone surrogates, as Python makes them of a command line's bytes that are not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentError(f"{name} is no valid Unicode text: it holds lone surrogates, or was not UTF-8") from None
    return text


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that HTTP cannot carry; the message holds no value, since these may be secret.

    Raises:
        ArgumentError: a name is no token, or a value is not ASCII, has control characters, or a blank at an end.
    """
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ArgumentError(f"{name!a} is no name of a header")
        if not _FIELD_VALUE.fullmatch(str(value)):
            raise ArgumentError(f"The header {name} {_RULE}")


def check_key(key: str) -> None:
    """Refuse a security key that no header can carry; else as `check_headers`."""
    if not key or not _FIELD_VALUE.fullmatch(key):
        raise ArgumentError(f"A key {_RULE}" if key else "A key must not be empty")


_RULE = "must be printable ASCII text without line breaks, and without blanks at its ends"
