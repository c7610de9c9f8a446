"""Request bodies: JSON parsed into typed structures, and every way it can fail as an error that names the field."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from serai.errors import InvalidFieldError
from serai.server.errors import malformed_json

Body = TypeVar("Body")

_MISSING = re.compile(r"missing required field `([^`]*)`")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_PART = re.compile(r"\.([^.\[\]`]+)|\[(\d+)\]")
_POSITION = re.compile(r" \(byte (\d+)\)$")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


async def read_body(request: Request) -> bytes:
    """Return the body; `Request.body` costs three times as much for one that comes in one piece.

    Raises:
        ClientDisconnect: the caller has gone.
    """
    pieces: list[bytes] = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return b"".join((*pieces, piece)) if pieces else piece
        pieces.append(piece)


def parse_json(decoder: msgspec.json.Decoder[Body], raw: bytes) -> Body:
    """Return a JSON body in the decoder's type.

    Raises:
        InvalidFieldError: it is no JSON, or a member is missing or of the wrong type.
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _wrong_member(str(error)) from error
    except msgspec.DecodeError as error:
        text = str(error).removeprefix("JSON is malformed: ")
        position = _POSITION.search(text)
        raise malformed_json(_POSITION.sub("", text), position=int(position[1]) if position else len(raw)) from error
    except RecursionError as error:
        raise malformed_json("nested too deeply") from error
    except UnicodeDecodeError as error:
        raise malformed_json("not UTF-8", position=error.start) from error


def parse_open_json(decoder: msgspec.json.Decoder[Body], raw: bytes) -> tuple[Body, list[str]]:
    """Return a JSON body in the decoder's type, and the names of the members that its structure does not have.

    Raises:
        InvalidFieldError: it is no JSON, or a member is missing or of the wrong type.
    """
    body = parse_json(decoder, raw)
    if not isinstance(body, msgspec.Struct):
        return body, []
    return body, sorted(parse_json(_members, raw).keys() - set(body.__struct_fields__))


def _wrong_member(text: str) -> InvalidFieldError:
    """Turn the parser's sentence into the error of one field; the path stands at its end as ``- at `$.a.b` ``."""
    msg, _, path = text.partition(" - at `$")
    loc = ("body", *(int(index) if index else name for name, index in _PART.findall(path)))
    if missing := _MISSING.search(msg):
        return InvalidFieldError.of((*loc, missing[1]), "Field required", kind="missing")
    if unknown := _UNKNOWN.search(msg):
        return InvalidFieldError.of((*loc, unknown[1]), "Extra inputs are not permitted", kind="extra_forbidden")
    return InvalidFieldError.of(loc, msg, kind="type_error")
