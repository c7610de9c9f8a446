"""What components of any kind can be asked: each operation once.

The first two parameters of a function are filled in by the rows of `serai.client.operations`; the others, and the
docstring, are those of the clients' methods, with the kind's name for ``{kind}``. What arguments mean: `_arguments`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Concatenate, Literal
from uuid import uuid4

from serai.client._arguments import document
from serai.client._calls import Arguments, Headers, Parameters, RunCall, RunReference, fill_path
from serai.client._form import json_text, media_value
from serai.client._kinds import AnyKind, Shape
from serai.wire.arguments import ArgumentError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from serai.wire.media import Audio, File, Image, Video
    from serai.wire.steps import ErrorRequirement, StepRequirement
    from serai.wire.tools import RunRequirement, ToolExecution

    Requirement = RunRequirement | StepRequirement | ErrorRequirement | ToolExecution | Mapping[str, Any]
    """What a team or a workflow waits for, with the answer in it; `ToolExecution` is the answer alone."""

_COMPONENT = "/{kind}s/{component_id}"
_RUNS = f"{_COMPONENT}/runs"
_RUN = f"{_RUNS}/{{run_id}}"

_Arrange = Callable[Concatenate[AnyKind, str, Parameters], Arguments]


def _shape(
    name: str, method: str, path: str, *, doc: str | None = None, **own_texts: str
) -> Callable[[_Arrange[Parameters]], Shape[Parameters]]:
    """Make a function the shape of an operation.

    Args:
        name: the operation's, ``{kind}`` in it.
        method: the HTTP method.
        path: the path.
        doc: the docstring of the clients' methods; the function's own by default.
        own_texts: texts of arguments that mean something else than elsewhere.
    """

    def make(arrange: _Arrange[Parameters]) -> Shape[Parameters]:
        signature = inspect.signature(arrange)
        _, component_id, *rest = signature.parameters.values()
        own = component_id.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
        signature = signature.replace(parameters=[own, *rest])
        whole = document(doc or inspect.getdoc(arrange) or "", signature, own=own_texts)
        return Shape(name, method, path, arrange, signature, whole)

    return make


def _streamed(plain: Shape[Parameters], summary: str) -> Shape[Parameters]:
    """Return the streaming twin of a shape that takes a form: the same arguments, answered by events."""

    def arrange(kind: AnyKind, component_id: str, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Arguments:
        arguments = plain.arrange(kind, component_id, *args, **kwargs)
        return replace(arguments, form={**(arguments.form or {}), "stream": True})

    doc = f"{summary}\n\nTakes the arguments of `{plain.name}`."
    return Shape(f"{plain.name}_stream", plain.method, plain.path, arrange, plain.signature, doc)


@_shape("get_{kind}", "GET", _COMPONENT)
def get(kind: AnyKind, component_id: str, /, headers: Headers | None = None) -> Arguments:
    """Return one {kind} in full."""
    return Arguments(path={kind.id_name: component_id}, headers=headers)


@_shape("get_{kind}", "GET", _COMPONENT)
def get_version(
    kind: AnyKind, component_id: str, /, version: int | None = None, headers: Headers | None = None
) -> Arguments:
    """Return one {kind} in full."""
    return Arguments(path={kind.id_name: component_id}, query={"version": version}, headers=headers)


@_shape(
    "run_{kind}",
    "POST",
    _RUNS,
    session_id="the conversation to go on with; a new one by default.",
    run_id="the run's id; a new UUID by default.",
)
def run(  # noqa: PLR0913, PLR0917 - the published interface
    kind: AnyKind,
    component_id: str,
    /,
    message: str | Mapping[str, Any] | Sequence[Any] | BaseModel,
    session_id: str | None = None,
    user_id: str | None = None,
    images: Sequence[Image] | None = None,
    audio: Sequence[Audio] | None = None,
    videos: Sequence[Video] | None = None,
    files: Sequence[File] | None = None,
    headers: Headers | None = None,
    *,
    session_state: Mapping[str, Any] | None = None,
    dependencies: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    knowledge_filters: Mapping[str, Any] | Sequence[Any] | None = None,
    output_schema: Mapping[str, Any] | type[BaseModel] | None = None,
    background: bool = False,
    run_id: str | None = None,
    stream_events: bool = True,
    when_busy: Literal["queue", "reject"] | None = None,
    run_timeout: float | None = None,
    **options: object,
) -> Arguments:
    """Run {a_kind} and return its result.

    A lost answer is no error: the client chose the run's id, asks the server for that run, and waits for its end.

    Raises:
        RemoteServerUnavailableError: the server could not be reached, or the run did not end within ``run_timeout``.
        ServerStatusError: the server refused; an ``httpx.HTTPStatusError``. A failing model or tool is no such error:
            it is the result's status.
    """
    run_id = run_id or str(uuid4())
    form = {
        "message": message if isinstance(message, str) else json_text(message),
        "stream": False,
        "run_id": run_id,
        "session_id": session_id,
        "user_id": user_id,
        "images": media_value(images),
        "audio": media_value(audio),
        "videos": media_value(videos),
        "input_files": media_value(files),
        "session_state": session_state,
        "dependencies": dependencies,
        "metadata": metadata,
        "knowledge_filters": None if knowledge_filters is None else json_text(knowledge_filters),
        "output_schema": output_schema,
        "background": background or None,
        "stream_events": None if stream_events else False,
        "when_busy": when_busy,
        **options,
    }
    reference = RunReference(
        kind=RunCall.CREATE,
        path=_run_path(kind, component_id, run_id),
        run_id=run_id,
        session_id=session_id,
        waits=not background,
        timeout_s=run_timeout,
        is_content_only=not stream_events,
    )
    return Arguments(path={kind.id_name: component_id}, form=form, headers=headers, run=reference)


run_stream = _streamed(
    run, "Run {a_kind} and yield its events. A broken stream is taken up again where the server numbers its events."
)


_CONTINUE = """Continue a paused run with the answers it waits for, and return its result.

A run that still waits for other answers is returned as it is, paused; a Serai server keeps those it got.
A lost answer is no error, as for `run_{kind}`.

Raises:
    RemoteServerUnavailableError: as for `run_{kind}`.
    ServerStatusError: as for `run_{kind}`; 400 for an answer that is wrong or that nothing waits for, 409 for a run
        that is not paused."""


@_shape("continue_{kind}_run", "POST", f"{_RUN}/continue", doc=_CONTINUE, run_id="the paused run; it keeps its id.")
def proceed(  # noqa: PLR0913 - the published interface
    kind: AnyKind,
    component_id: str,
    /,
    run_id: str,
    requirements: Sequence[Requirement] = (),
    session_id: str | None = None,
    user_id: str | None = None,
    headers: Headers | None = None,
    *,
    background: bool = False,
    stream_events: bool = True,
    when_busy: Literal["queue", "reject"] | None = None,
    run_timeout: float | None = None,
    **options: object,
) -> Arguments:
    """Continue a run whose answers are what its requirements became."""
    answers = [one if isinstance(one, Mapping) else one.to_dict() for one in requirements]
    form = {
        kind.answers: json_text(answers) if answers or kind.answers not in options else None,
        "stream": False,
        "session_id": session_id,
        "user_id": user_id,
        "background": background or None,
        "stream_events": None if stream_events else False,
        "when_busy": when_busy,
        **options,
    }
    reference = RunReference(
        kind=RunCall.CONTINUE,
        path=_run_path(kind, component_id, run_id),
        run_id=run_id,
        session_id=session_id,
        waits=not background,
        timeout_s=run_timeout,
        is_content_only=not stream_events,
    )
    path = {kind.id_name: component_id, "run_id": run_id}
    return Arguments(path=path, form=form, headers=headers, run=reference)


@_shape(
    "continue_{kind}_run",
    "POST",
    f"{_RUN}/continue",
    doc=_CONTINUE,
    run_id="the paused run; it keeps its id.",
    requirements="answers given by the methods of the run's requirements; their calls are sent with the `tools`.",
)
def proceed_with_tools(  # noqa: PLR0913 - the published interface
    kind: AnyKind,
    component_id: str,
    /,
    run_id: str,
    tools: Sequence[ToolExecution] = (),
    session_id: str | None = None,
    user_id: str | None = None,
    headers: Headers | None = None,
    *,
    requirements: Sequence[RunRequirement] | None = None,
    background: bool = False,
    stream_events: bool = True,
    when_busy: Literal["queue", "reject"] | None = None,
    run_timeout: float | None = None,
    **options: object,
) -> Arguments:
    """Continue a run whose answers are its calls; as `proceed` else."""
    answered = [requirement.tool_execution for requirement in requirements or ()]
    return proceed.arrange(
        kind,
        component_id,
        run_id,
        [tool for tool in (*tools, *answered) if tool is not None],
        session_id,
        user_id,
        headers,
        background=background,
        stream_events=stream_events,
        when_busy=when_busy,
        run_timeout=run_timeout,
        **options,
    )


_GOES_ON = (
    "Continue a paused run and yield its events. A broken stream is taken up again as that of `run_{kind}_stream`."
)
proceed_stream = _streamed(proceed, _GOES_ON)
proceed_with_tools_stream = _streamed(proceed_with_tools, _GOES_ON)


@_shape(
    "cancel_{kind}_run",
    "POST",
    f"{_RUN}/cancel",
    run_id="the run; one that has not come yet is cancelled when it comes.",
    session_id="the run's session; servers that keep users apart may need it.",
)
def cancel(
    kind: AnyKind,
    component_id: str,
    /,
    run_id: str,
    headers: Headers | None = None,
    *,
    session_id: str | None = None,
) -> Arguments:
    """Cancel a run, whether it waits, runs or is paused; does nothing to one that has ended, also when repeated."""
    path = {kind.id_name: component_id, "run_id": run_id}
    return Arguments(path=path, query={"session_id": session_id}, headers=headers)


@_shape("list_{kind}_runs", "GET", _RUNS, session_id="the session; unknown is status 404.")
def list_runs(
    kind: AnyKind,
    component_id: str,
    /,
    session_id: str,
    status: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return the runs of {a_kind} in a session, oldest first; of more than a thousand the newest."""
    query = {"session_id": session_id, "status": status and str(status).upper()}
    return Arguments(path={kind.id_name: component_id}, query=query, headers=headers)


@_shape("get_{kind}_run", "GET", _RUN)
def get_run(
    kind: AnyKind,
    component_id: str,
    /,
    run_id: str,
    session_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a run as it is now, whether it has ended or not."""
    path = {kind.id_name: component_id, "run_id": run_id}
    return Arguments(path=path, query={"session_id": session_id}, headers=headers)


@_shape("follow_{kind}_run", "GET", f"{_RUN}/events")
def follow_run(
    kind: AnyKind,
    component_id: str,
    /,
    run_id: str,
    after: int | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Yield the events of a run that was started elsewhere, those of the past first; Serai servers only."""
    if after is not None and not -1 <= after < 2**31:
        raise ArgumentError(f"after must be the number of an event (-1 before the first), not {after}")
    reference = RunReference(
        kind=RunCall.FOLLOW,
        path=_run_path(kind, component_id, run_id),
        run_id=run_id,
        after=None if after is None else str(after),
    )
    return Arguments(path={kind.id_name: component_id, "run_id": run_id}, headers=headers, run=reference)


def _run_path(kind: AnyKind, component_id: str, run_id: str) -> str:
    return fill_path(kind.fill(_RUN), {kind.id_name: component_id, "run_id": run_id})
