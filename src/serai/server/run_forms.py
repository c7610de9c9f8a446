"""The form of a run request, parsed: every field checked, refused by name, or reported as ignored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request

from serai.components.output_schema import check_output_schema
from serai.components.run_input import RunInput
from serai.errors import InvalidFieldError, RequestError
from serai.knowledge.filters import alternatives_of
from serai.server.components import Component, modelled
from serai.server.form_fields import NULLS, read_bool, read_fields, read_form, read_json, read_name, read_object
from serai.server.media_fields import FIELDS, METADATA_FIELD, GivenMedia, has_media, read_media
from serai.server.run_kinds import RunKind
from serai.storage.blobs import Blob

NOT_SERVED_ON_CONTINUE: Final = frozenset(
    {
        *("input", "continue_from", "fork", "regenerate", "replace_original", "additional_instructions"),
        *("version", "factory_input"),
    }
)


@dataclass(slots=True, kw_only=True)
class RunForm:
    """What a caller asks of a run.

    Attributes:
        blobs: the bytes of its media by hash, to be stored before the run.
        waits: whether the run waits when its session is busy.
        ignored: fields that mean nothing to this server; named in a response header.
    """

    input: RunInput
    session_id: str | None
    user_id: str | None
    run_id: str | None
    is_stream: bool
    is_background: bool
    is_content_only: bool
    waits: bool
    blobs: dict[str, Blob] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ContinueForm:
    """What a caller answers a paused run.

    Attributes:
        answers: tool executions, or the step requirements of a workflow.
        asked: all that decides what the request does, as text.
        ignored: fields that mean nothing to this server; named in a response header.
    """

    answers: list[dict[str, Any]]
    asked: str
    session_id: str | None
    user_id: str | None
    is_stream: bool
    is_background: bool
    is_content_only: bool
    waits: bool
    ignored: list[str] = field(default_factory=list)


async def read_run_form(request: Request, kind: RunKind, *, max_field_bytes: int) -> RunForm:
    """Parse the body of a run request, urlencoded or multipart.

    Args:
        request: the request.
        kind: what is to run.
        max_field_bytes: the size of its largest part.

    Raises:
        InvalidFieldError: a field is missing or of the wrong form.
        RequestError: a field asks for something this server does not do yet.
    """
    sent = await read_form(request, max_field_bytes=max_field_bytes)
    given = {name: value for name, value in sent.fields.items() if value != ""}
    _refuse(given, kind.refused, kind)
    if sent.uploads and not kind.is_modelled:
        raise RequestError(
            f"The upload '{sent.uploads[0][0]}' is not served: {kind.title} takes media as JSON, in the fields "
            "'images', 'audio', 'videos' and 'input_files'."
        )
    if "message" not in given:
        raise InvalidFieldError.of(("body", "message"), "Field required", kind="missing")
    is_stream = read_bool(given, "stream", default=True)
    media = await asyncio.to_thread(read_media, sent) if has_media(sent) else GivenMedia()
    for name in (*FIELDS, METADATA_FIELD):
        given.pop(name, None)
    form = RunForm(
        input=RunInput(
            message=given.pop("message"),
            stream=is_stream,
            session_state=read_object(given, "session_state"),
            dependencies=read_object(given, "dependencies"),
            metadata=_read_metadata(given),
            knowledge_filters=read_json(given, "knowledge_filters"),
            history_runs=_read_history_runs(given) if kind.is_modelled else None,
            media=media.items,
            output_schema=_read_output_schema(given),
            keeps_schema=read_bool(given, "use_json_schema", default=False),
        ),
        blobs=media.blobs,
        session_id=read_name(given, "session_id"),
        user_id=read_name(given, "user_id"),
        run_id=read_name(given, "run_id"),
        is_stream=is_stream,
        is_background=read_bool(given, "background", default=False),
        is_content_only=not read_bool(given, "stream_events", default=True),
        waits=_read_waits(given),
    )
    form.ignored = sorted(given)
    return form


async def read_continue_form(request: Request, kind: RunKind, *, max_field_bytes: int) -> ContinueForm:
    """Parse the body of a request to continue a run.

    Args:
        request: the request.
        kind: what is to go on.
        max_field_bytes: the size of its largest part.

    Raises:
        InvalidFieldError: a field is of the wrong form.
        RequestError: the answers are no JSON list of objects, or a field asks for something not served yet.
    """
    fields = await read_fields(request, max_field_bytes=max_field_bytes)
    given = {name: value for name, value in fields.items() if value != ""}
    _refuse(given, NOT_SERVED_ON_CONTINUE, kind)
    asked = "\n".join(f"{name}={given.get(name, '')}" for name in kind.answers)
    form = ContinueForm(
        answers=[answer for name in kind.answers for answer in _READERS[name](_read_objects(given, name), name)],
        asked=asked,
        session_id=read_name(given, "session_id"),
        user_id=read_name(given, "user_id"),
        is_stream=read_bool(given, "stream", default=True),
        is_background=read_bool(given, "background", default=False),
        is_content_only=not read_bool(given, "stream_events", default=True),
        waits=_read_waits(given),
    )
    form.ignored = sorted(given)
    return form


def check_filters(filters: Any, component: Component) -> None:
    """Check that a run's `knowledge_filters` can be served, when its component, or one inside it, searches knowledge.

    Raises:
        InvalidFieldError: they cannot.
    """
    if any(part.knowledge for part in modelled(component)):
        try:
            alternatives_of(filters)
        except ValueError as error:
            raise InvalidFieldError.of(("body", "knowledge_filters"), str(error), kind="knowledge_filters") from error


def _refuse(given: Mapping[str, str], names: frozenset[str], kind: RunKind) -> None:
    if refused := sorted(names & given.keys()):
        raise RequestError(
            f"The field '{refused[0]}' is not served for {kind.title} by this version of Serai; leave it out."
        )


def _read_objects(given: dict[str, str], name: str) -> list[dict[str, Any]]:
    try:
        value = read_json(given, name)
    except InvalidFieldError as error:
        raise RequestError(f"Invalid JSON in {name} field: {error.message}") from error
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RequestError(f"Invalid JSON in {name} field: it must be a list of objects.")
    return value


def _execution_of(requirement: dict[str, Any]) -> dict[str, Any]:
    """Return the tool execution that a requirement speaks of, answered as either of them is."""
    execution = requirement.get("tool_execution")
    answer = dict(execution) if isinstance(execution, dict) else {}
    answer["requirement_id"] = requirement.get("id")
    for mine, theirs in (
        ("confirmed", "confirmation"),
        ("confirmation_note", "confirmation_note"),
        ("result", "external_execution_result"),
        ("user_input_schema", "user_input_schema"),
        ("user_feedback_schema", "user_feedback_schema"),
    ):
        if answer.get(mine) in (None, []) and requirement.get(theirs) is not None:
            answer[mine] = requirement[theirs]
    return answer


def _check_steps(requirements: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return answers to a workflow's steps as they were sent; each says which step it answers."""
    for index, requirement in enumerate(requirements):
        if not isinstance(requirement.get("step_id"), str):
            raise RequestError(f"{name}[{index}].step_id: Input should be the id of a step that waits.")
    return requirements


_READERS: Final[Mapping[str, Callable[[list[dict[str, Any]], str], list[dict[str, Any]]]]] = {
    "tools": lambda executions, _: executions,
    "requirements": lambda requirements, _: [_execution_of(requirement) for requirement in requirements],
    "step_requirements": _check_steps,
}
"""Make answers of the objects in a field of the continue form."""


def _read_waits(given: dict[str, str]) -> bool:
    policy = given.pop("when_busy", "queue")
    if policy not in ("queue", "reject"):
        raise InvalidFieldError.of(
            ("body", "when_busy"), "Input should be 'queue' or 'reject'", kind="enum", given=policy[:100]
        )
    return policy == "queue"


def _read_history_runs(given: dict[str, str]) -> int | None:
    adds_history = read_bool(given, "add_history_to_context", default=True)
    text = given.pop("num_history_runs", None)
    if not adds_history:
        return 0
    if text is None or text.lower() in NULLS:
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


def _read_output_schema(given: dict[str, str]) -> dict[str, Any] | None:
    text = given.get("output_schema", "")[:100]
    schema = read_json(given, "output_schema")
    if schema is None:
        return None
    try:
        check_output_schema(schema)
    except ValueError as error:
        message = f"Input should be a JSON schema of an object: {error}"
        raise InvalidFieldError.of(("body", "output_schema"), message, kind="json_schema", given=text) from error
    return dict(schema)


def _read_metadata(given: dict[str, str]) -> dict[str, Any]:
    value = read_json(given, "metadata")
    if value is not None and not isinstance(value, dict):
        raise RequestError("metadata must be a JSON object.")
    return value or {}
