"""Fields of a form, urlencoded or multipart: read, checked, and refused by name."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from serai.errors import InvalidFieldError, RequestError
from serai.server.scope import check_name

_TRUE: Final = frozenset({"true", "1", "on", "yes", "t", "y"})
_FALSE: Final = frozenset({"false", "0", "off", "no", "f", "n"})


async def read_fields(request: Request, *, max_field_bytes: int) -> dict[str, str]:
    """Return the fields of a form as text; of one that is repeated the last.

    Raises:
        RequestError: the body is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        try:
            async with request.form(max_part_size=max_field_bytes) as form:
                uploads = [name for name, value in form.multi_items() if isinstance(value, UploadFile)]
                fields = {name: str(value) for name, value in form.multi_items()}
        except HTTPException as error:  # Starlette's, as long as it knows of an app
            raise RequestError(f"The multipart body cannot be read: {error.detail}") from error
        if uploads:
            raise RequestError(f"The upload '{uploads[0]}' is not served by this version of Serai; leave it out.")
        return fields
    body = await request.body()
    if body and kind not in ("application/x-www-form-urlencoded", ""):
        raise RequestError(f"The body is {kind}; send application/x-www-form-urlencoded or multipart/form-data.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except UnicodeDecodeError as error:
        raise RequestError("The form is not UTF-8.") from error
    except ValueError as error:
        raise RequestError(f"The form cannot be read: {error}.") from error
    return dict(pairs)


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
    """Take a JSON value out of the fields; None when it is absent."""
    text = given.pop(name, None)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidFieldError.of(
            ("body", name), f"Input should be JSON text: {error}", kind="json_invalid", given=text[:100]
        ) from error


def read_object(given: dict[str, str], name: str) -> dict[str, Any]:
    """Take a JSON object out of the fields; empty when it is absent."""
    value = read_json(given, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidFieldError.of(("body", name), "Input should be a JSON object", kind="dict_type", given=value)
    return value
