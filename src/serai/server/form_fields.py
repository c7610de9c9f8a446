"""Fields of a form, urlencoded or multipart: read, checked, and refused by name."""

from __future__ import annotations

import asyncio
import codecs
import re
from binascii import a2b_qp
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from serai.domain.json_text import MOST_LEVELS, is_too_deep
from serai.errors import InvalidFieldError, RequestError
from serai.server.scope import check_name

LARGE_BYTES: Final = 64 * 1024
"""From here on work on a form goes to a thread."""

MOST_FIELDS: Final = 1000
NULLS: Final = frozenset({"", "null", "none"})
"""What published clients write for None, in any case."""

_MULTIPART: Final = "multipart/form-data"
_PIECE_BYTES: Final = 256 * 1024
_NO_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NO_CHARSETS: Final = frozenset({"punycode", "idna", "undefined"})
"""Codecs of Python's that take minutes for a megabyte, or never succeed."""

_TRUE: Final = frozenset({"true", "1", "on", "yes", "t", "y"})
_FALSE: Final = frozenset({"false", "0", "off", "no", "f", "n"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file part of a form."""

    filename: str
    media_type: str
    content: bytes


@dataclass(slots=True)
class Form:
    """A form as it was sent.

    Attributes:
        fields: text by name; of a field that is repeated the last.
        repeated: all values of such a field, in order.
        uploads: the file parts by name, in order.
    """

    fields: dict[str, str]
    repeated: dict[str, list[str]]
    uploads: list[tuple[str, Upload]]


async def read_form(request: Request, *, max_field_bytes: int) -> Form:
    """Return a form, urlencoded or multipart.

    Raises:
        RequestError: the body is no form.
    """
    kind = _kind_of(request)
    if kind == _MULTIPART:
        return await _read_multipart(request, max_field_bytes)
    body = await request.body()
    if body and kind not in ("application/x-www-form-urlencoded", ""):
        raise RequestError(f"The body is {kind}; send application/x-www-form-urlencoded or multipart/form-data.")
    try:
        pairs = _read_pairs(body) if len(body) < LARGE_BYTES else await asyncio.to_thread(_read_pairs, body)
    except UnicodeDecodeError as error:
        raise RequestError("The form is not UTF-8.") from error
    return _form(pairs, [])


@asynccontextmanager
async def received_form(request: Request, *, max_field_bytes: int) -> AsyncIterator[None]:
    """Receive a form, so that `read_form` in the block waits for no caller; files of a multipart one lie on disk.

    Raises:
        RequestError: the body is no form.
    """
    if _kind_of(request) != _MULTIPART:
        await request.body()
        yield
        return
    try:
        _check_charset(request.headers["content-type"])
        try:
            await request.form(max_part_size=max_field_bytes)
        except HTTPException as error:  # Starlette's, as long as it knows of an app
            raise RequestError(f"The multipart body cannot be read: {error.detail}") from error
        yield
    finally:
        await request.close()


async def read_fields(request: Request, *, max_field_bytes: int) -> dict[str, str]:
    """Return the fields of a form that takes no uploads.

    Raises:
        RequestError: the body is no form, or has an upload.
    """
    form = await read_form(request, max_field_bytes=max_field_bytes)
    for name, _ in form.uploads:
        raise RequestError(f"The upload '{name}' is not served here; leave it out.")
    return form.fields


async def _read_multipart(request: Request, max_field_bytes: int) -> Form:
    pairs: list[tuple[str, str]] = []
    uploads: list[tuple[str, Upload]] = []
    async with received_form(request, max_field_bytes=max_field_bytes):
        for name, value in (await request.form()).multi_items():
            _check_text(name, name)
            if isinstance(value, UploadFile):
                _check_text(value.filename or "", name)
                upload = Upload(value.filename or "", value.content_type or "", await value.read())
                uploads.append((name, upload))
            else:
                _check_text(value, name)
                pairs.append((name, value))
    return _form(pairs, uploads)


def _kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_charset(content_type: str) -> None:
    """Refuse a multipart form in a charset that cannot be read in good time."""
    charset = parse_options_header(content_type)[1].get(b"charset", b"utf-8").decode("latin-1")
    try:
        is_refused = codecs.lookup(charset).name in _NO_CHARSETS
    except (LookupError, ValueError):
        is_refused = True
    if is_refused:
        raise RequestError(f"The multipart body cannot be read: no charset {charset[:100]!r} is known; send UTF-8.")


def _check_text(text: str, name: str) -> None:
    """Refuse text that some charsets of multipart forms can say and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = name.encode(errors="backslashreplace").decode()
        raise InvalidFieldError.of(
            ("body", shown), "Lone surrogates cannot be stored", kind="string_unicode"
        ) from error


def _form(pairs: list[tuple[str, str]], uploads: list[tuple[str, Upload]]) -> Form:
    fields = dict(pairs)
    repeated: dict[str, list[str]] = {}
    if len(fields) < len(pairs):
        for name, value in pairs:
            repeated.setdefault(name, []).append(value)
        repeated = {name: values for name, values in repeated.items() if len(values) > 1}
    return Form(fields, repeated, uploads)


def _read_pairs(body: bytes) -> list[tuple[str, str]]:
    """Return the pairs of an urlencoded form; in pieces, so that a thread that does it lets others run."""
    if body.count(b"&") >= MOST_FIELDS:
        raise RequestError(f"The form cannot be read: it has more than {MOST_FIELDS} fields.")
    split = (pair.partition(b"=") for pair in body.split(b"&") if pair)
    return [(_unquote(name).decode(), _unquote(value).decode()) for name, _, value in split]


def _unquote(text: bytes) -> bytes:
    pieces = []
    start = 0
    while start < len(text):
        end = start + _PIECE_BYTES
        if end < len(text) and (escape := text.rfind(b"%", end - 2, end)) >= 0:
            end = escape
        pieces.append(_unquote_piece(text[start:end]))
        start = end
    return b"".join(pieces)


def _unquote_piece(text: bytes) -> bytes:
    text = text.replace(b"+", b" ")
    if b"%" not in text:
        return text
    if _NO_ESCAPE.search(text):
        return unquote_to_bytes(text)
    # Quoted-printable differs in its escape character only, and is decoded in C: 15 times as fast.
    return a2b_qp(text.replace(b"=", b"%3D").replace(b"%", b"="))


def read_bool(given: dict[str, str], name: str, *, default: bool) -> bool:
    """Take a boolean out of the fields."""
    text = given.pop(name, None)
    if text is None:
        return default
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise InvalidFieldError.of(
        ("body", name),
        "Input should be a valid boolean, unable to interpret input",
        kind="bool_parsing",
        given=text[:100],
    )


def read_name(given: dict[str, str], name: str) -> str | None:
    """Take a name that can be stored out of the fields."""
    text = given.pop(name, None)
    return None if text is None else check_name(text, ("body", name))


def read_json(given: dict[str, str], name: str) -> Any:
    """Take a JSON value out of the fields; None when it is absent, or says so."""
    text = given.pop(name, "")
    return None if text.strip().lower() in NULLS else parse_json_text(text, name, "JSON text")


def parse_json_text(text: str, name: str, what: str, *, type: Any = Any) -> Any:  # noqa: A002 - as msgspec has it
    """Return the value of a field's JSON text.

    Args:
        text: of the field, or of a part of it.
        name: of the field.
        what: what it should be, for the error.
        type: what msgspec holds it against.

    Raises:
        InvalidFieldError: it is something else, or nested more than `MOST_LEVELS` levels.
    """
    too_deep = f"Input should be nested at most {MOST_LEVELS} levels"
    try:
        value = msgspec.json.decode(text, type=type)
    except RecursionError as error:
        raise InvalidFieldError.of(("body", name), too_deep, kind="json_depth", given=text[:100]) from error
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise InvalidFieldError.of(
            ("body", name), f"Input should be {what}: {error}", kind="json_invalid", given=text[:100]
        ) from error
    if text.count("[") + text.count("{") > MOST_LEVELS and is_too_deep(value):
        raise InvalidFieldError.of(("body", name), too_deep, kind="json_depth", given=text[:100])
    return value


def read_object(given: dict[str, str], name: str) -> dict[str, Any]:
    """Take a JSON object out of the fields; empty when it is absent."""
    value = read_json(given, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidFieldError.of(("body", name), "Input should be a JSON object", kind="dict_type", given=value)
    return value
