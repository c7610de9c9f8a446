"""A record's payload on its way to PostgreSQL: kept as text, checked where jsonb would refuse or change a value."""

from __future__ import annotations

import re
from decimal import Decimal

import asyncpg

from serai.errors import InvalidFieldError

Location = tuple[str | int, ...]

REFUSED = (asyncpg.DataError, asyncpg.StatementTooComplexError, asyncpg.ProgramLimitExceededError)
"""What PostgreSQL says of a value that it cannot hold: U+0000, lone surrogates, absurd numbers, endless nesting."""

_LONGEST_INTEGER = 4300  # digits; Python's own limit, beyond which its clients cannot read an answer
_MOST_SPELLED_OUT = 16 * 1024 * 1024  # bytes that exponents may add: 300 to each of a payload's many numbers
_SUSPECT = re.compile(rb"[0-9][eE][+-]?[0-9]|(?<![0-9])[0-9]{309}")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)")
_STRING_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')


def payload_text(raw: bytes, *, loc: Location) -> str:
    """Return a payload as the JSON text to store.

    Args:
        raw: one well-formed JSON value.
        loc: where it stood in the request.

    Raises:
        InvalidFieldError: it is no object, is not UTF-8, or has a number that no float can hold.
    """
    if not raw.startswith(b"{"):
        raise InvalidFieldError.of(loc, "Input should be a valid object", kind="dict_type")
    return value_text(raw, loc=loc)


def value_text(raw: bytes, *, loc: Location) -> str:
    """Return any JSON value as text in which every float still reads as one after a way through jsonb.

    jsonb writes 1e23 as an integer, which is not the float it was: such numbers are spelled out with a fraction.

    Raises:
        InvalidFieldError: it is not UTF-8, has a number that no float can hold, or would be too long.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidFieldError.of(loc, f"not UTF-8 at byte {error.start}", kind="json_invalid") from error
    if b"\\u" in raw:
        _check_escapes(text, loc)
    if _SUSPECT.search(raw) is None:
        return text
    room = len(text) + _MOST_SPELLED_OUT

    def spell_out(match: re.Match[str]) -> str:
        nonlocal room
        token = _spell_out(match[0], loc)
        room -= len(token)
        if room < 0:
            msg = f"its exponents written out take more than {_MOST_SPELLED_OUT} bytes: store such numbers as strings"
            raise InvalidFieldError.of(loc, msg, kind="too_large")
        return token

    return _STRING_OR_NUMBER.sub(spell_out, text)


def _check_escapes(text: str, loc: Location) -> None:
    """Refuse what no text in PostgreSQL can hold; found here, it does not take its neighbours out of their batch."""
    expects_low = 0  # where the second half of a surrogate pair must begin
    for match in _ESCAPE.finditer(text):
        code = int(match[1], 16) if match[1] else -1
        is_low = 0xDC00 <= code <= 0xDFFF
        if code == 0 or (expects_low and (not is_low or match.start() != expects_low)) or (is_low and not expects_low):
            raise InvalidFieldError.of(loc, "U+0000 and lone surrogates cannot be stored", kind="string_unicode")
        expects_low = match.end() if 0xD800 <= code <= 0xDBFF else 0
    if expects_low:
        raise InvalidFieldError.of(loc, "U+0000 and lone surrogates cannot be stored", kind="string_unicode")


def _spell_out(token: str, loc: Location) -> str:
    if token.startswith('"'):
        return token
    if token.lstrip("-").isdigit():
        if len(token) > _LONGEST_INTEGER:
            raise InvalidFieldError.of(loc, f"integer of more than {_LONGEST_INTEGER} digits", kind="int_parsing_size")
        return token
    if abs(float(token)) == float("inf"):
        raise InvalidFieldError.of(loc, "number beyond the range of a 64-bit float", kind="finite_number", given=token)
    if "e" not in token.lower():
        return token
    # What is below the smallest float is zero to every reader, and its digits need not be kept.
    spelled = format(Decimal(token) if float(token) else Decimal(0), "f")
    return spelled if "." in spelled else f"{spelled}.0"
