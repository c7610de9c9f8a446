"""The form of a run request, parsed: every field checked, refused by name, or reported as ignored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from serai.components.run_input import RunInput
from serai.errors import InvalidFieldError, RequestError
from serai.server.scope import check_name

_TRUE: Final = frozenset({"true", "1", "on", "yes", "t", "y"})
_FALSE: Final = frozenset({"false", "0", "off", "no", "f", "n"})
NOT_SERVED: Final = frozenset(
    {
        *("images", "audio", "videos", "input_files", "files", "files_metadata", "output_schema", "use_json_schema"),
        *("version", "factory_input", "fork", "regenerate", "replace_original", "continue_from"),
    }
)
_NULLS: Final = frozenset({"", "null", "none"})


@dataclass(slots=True, kw_only=True)
class RunForm:
    """What a caller asks of a run.

    Attributes:
        ignored: fields that mean nothing to this server; named in a response header.
    """

    input: RunInput
    session_id: str | None
    user_id: str | None
    run_id: str | None
    is_stream: bool
    is_background: bool
    is_content_only: bool
    ignored: list[str] = field(default_factory=list)


async def read_run_form(request: Request, *, max_field_bytes: int) -> RunForm:
    """Parse the body of a run request, urlencoded or multipart.

    Raises:
        InvalidFieldError: a field is missing or of the wrong form.
        RequestError: a field asks for something this server does not do yet.
    """
    fields = await _read_fields(request, max_field_bytes=max_field_bytes)
    given = {name: value for name, value in fields.items() if value != ""}
    if refused := sorted(NOT_SERVED & given.keys()):
        raise RequestError(f"The field '{refused[0]}' is not served by this version of Serai; leave it out.")
    if "message" not in given:
        raise InvalidFieldError.of(("body", "message"), "Field required", kind="missing")
    is_stream = _read_bool(given, "stream", default=True)
    form = RunForm(
        input=RunInput(
            message=given.pop("message"),
            stream=is_stream,
            session_state=_read_object(given, "session_state"),
            dependencies=_read_object(given, "dependencies"),
            metadata=_read_metadata(given),
            knowledge_filters=_read_json(given, "knowledge_filters"),
            history_runs=_read_history_runs(given),
        ),
        session_id=_read_name(given, "session_id"),
        user_id=_read_name(given, "user_id"),
        run_id=_read_name(given, "run_id"),
        is_stream=is_stream,
        is_background=_read_bool(given, "background", default=False),
        is_content_only=not _read_bool(given, "stream_events", default=True),
    )
    form.ignored = sorted(given)
    return form


async def _read_fields(request: Request, *, max_field_bytes: int) -> dict[str, str]:
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


def _read_bool(given: dict[str, str], name: str, *, default: bool) -> bool:
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


def _read_history_runs(given: dict[str, str]) -> int | None:
    adds_history = _read_bool(given, "add_history_to_context", default=True)
    text = given.pop("num_history_runs", None)
    if not adds_history:
        return 0
    if text is None or text.lower() in _NULLS:
        return None
    try:
        number = int(text)
    except ValueError as error:
        raise InvalidFieldError.of(
            ("body", "num_history_runs"), "Input should be a valid integer", kind="int_parsing", given=text[:100]
        ) from error
    if not 0 <= number <= 1000:
        raise InvalidFieldError.of(
            ("body", "num_history_runs"), "Input should be between 0 and 1000", kind="int_range", given=number
        )
    return number


def _read_name(given: dict[str, str], name: str) -> str | None:
    text = given.pop(name, None)
    return None if text is None else check_name(text, ("body", name))


def _read_json(given: dict[str, str], name: str) -> Any:
    text = given.pop(name, None)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidFieldError.of(
            ("body", name), f"Input should be JSON text: {error}", kind="json_invalid", given=text[:100]
        ) from error


def _read_object(given: dict[str, str], name: str) -> dict[str, Any]:
    value = _read_json(given, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidFieldError.of(("body", name), "Input should be a JSON object", kind="dict_type", given=value)
    return value


def _read_metadata(given: dict[str, str]) -> dict[str, Any]:
    value = _read_json(given, "metadata")
    if value is not None and not isinstance(value, dict):
        raise RequestError("metadata must be a JSON object.")
    return value or {}
