"""How arguments become form fields and file parts: the encoding that published AgentOS servers and clients agree on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import date
from functools import partial
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from urllib.parse import urlencode

from serai.client._calls import FilePart
from serai.wire.arguments import ArgumentError, check_headers, checked_text

if TYPE_CHECKING:
    from serai.wire.media import File, Media

_ANY_TYPE = "application/octet-stream"


class UploadedFile(Protocol):
    """A file that a web framework was sent; an ``UploadFile`` of FastAPI is one."""

    @property
    def file(self) -> BinaryIO:
        """Its bytes."""

    @property
    def filename(self) -> str | None:
        """Its name."""

    @property
    def content_type(self) -> str | None:
        """Its media type."""


def encode_form(fields: Mapping[str, object]) -> bytes:
    """Return the body of a form.

    Args:
        fields: None leaves a field out; booleans become true and false; objects, and lists that hold objects or lists,
            become JSON text; pydantic models are objects; any other list becomes a repeated field.

    Raises:
        ArgumentError: a value holds NaN or an infinity, or text that is not valid Unicode.
        TypeError: a value has no JSON form.
    """
    pairs = [(name, checked_text(name, text)) for name, value in fields.items() for text in _texts(value)]
    return urlencode(pairs).encode("ascii")


def encode_multipart(fields: Mapping[str, object], file: FilePart) -> tuple[str, bytes]:
    """Return the content type and the body of a form that brings a file; else as `encode_form`."""
    import httpx  # noqa: PLC0415 - loaded when something is sent

    data = {name: [checked_text(name, text) for text in _texts(value)] for name, value in fields.items()}
    check_headers({"content-type": file.mime_type})
    part = (checked_text("filename", file.filename), file.content, file.mime_type)
    request = httpx.Request("POST", "http://localhost", data=data, files={"file": part})
    return request.headers["content-type"], request.read()


def read_file(file: File | UploadedFile | str | os.PathLike[str]) -> FilePart:
    """Return a file as a part of a form. One named by its path is read here.

    Raises:
        OSError: it cannot be read.
        ArgumentError: it has neither content nor a path, or is no file at all.
    """
    if isinstance(file, (str, os.PathLike)):
        path = Path(file)
        return FilePart(_name_of(path), guess_type(path.name)[0] or _ANY_TYPE, path.read_bytes())
    given: Any = file
    if hasattr(given, "file"):
        content, media_type = given.file.read(), given.content_type
    elif not hasattr(given, "filepath"):
        kind = type(given).__name__
        raise ArgumentError(f"file must be a path or serai.media.File(content=…, filename=…), not {kind}")
    else:
        given = _inline(given)
        content, media_type = given.content, given.mime_type
        if content is None:
            raise ArgumentError("file must have content or a filepath")
    name = given.filename or "upload"
    return FilePart(name, media_type or guess_type(name)[0] or _ANY_TYPE, content)


def json_text(value: object) -> str:
    """Return a value as JSON text; pydantic models and their classes (as JSON schema) included.

    Raises:
        ArgumentError: it holds NaN, an infinity or itself.
        TypeError: it has no JSON form.
    """
    try:
        return json.dumps(value, default=_json_default, allow_nan=False)
    except ValueError as error:
        raise ArgumentError(f"A value has no JSON form: {error}") from error


def media_text(media: Iterable[Media] | None) -> str | None:
    """Return media as JSON text, or None without any. A file named by its path is read here, and sent as its bytes."""
    items = [_inline(item).to_inline() for item in media or ()]
    return json_text(items) if items else None


def media_value(media: Iterable[Media] | None) -> partial[str | None] | None:
    """Return what makes that text when the request is made, None without any."""
    items = [*(media or ())]
    return partial(media_text, items) if items else None


def _inline(item: Media) -> Media:
    if item.filepath is None or item.content is not None:
        return item
    path = Path(item.filepath)
    update: dict[str, object] = {"content": path.read_bytes(), "filepath": None}
    if item.mime_type is None:
        update["mime_type"] = guess_type(path.name)[0]
    if "filename" in type(item).model_fields and getattr(item, "filename", None) is None:
        update["filename"] = _name_of(path)
    return item.model_copy(update=update)


def _name_of(path: Path) -> str:
    """Return a file's name as text, also where its bytes are no UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (list, tuple, set, frozenset)):
        if any(isinstance(item, (Mapping, list, tuple)) or hasattr(item, "model_dump") for item in value):
            return [json_text(list(value))]
        return [_scalar(item) for item in value]
    return [_scalar(value)]


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, (bool, int, float)):
        return json_text(value)
    if isinstance(value, Mapping) or hasattr(value, "model_dump") or hasattr(value, "model_json_schema"):
        return json_text(dict(value) if isinstance(value, Mapping) else value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _json_default(value: Any) -> Any:
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return value.model_json_schema()
    from pydantic_core import to_jsonable_python  # noqa: PLC0415 - most values need no help

    return to_jsonable_python(value)
