"""The table of operations: name, method, path, where each argument goes, what the answer parses to. Sends nothing.

Each row is a function under `operation`; its signature and docstring are those of the clients' methods.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from serai.client._calls import (
    Arguments,
    Headers,
    Operation,
    Parameters,
    Result,
    RunCall,
    RunReference,
    fill_path,
)
from serai.client._form import json_text, media_text
from serai.wire.arguments import ArgumentError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from serai.wire.agent_events import RunOutputEvent
    from serai.wire.discovery import AgentResponse, AgentSummaryResponse, ConfigResponse, InfoResponse, Model
    from serai.wire.media import Audio, File, Image, Video
    from serai.wire.runs import RunOutput, RunSchema
    from serai.wire.tools import RunRequirement, ToolExecution

AGENT_RUN = "/agents/{agent_id}/runs/{run_id}"

OPERATIONS: dict[str, Operation[..., Any]] = {}
"""Every operation by name."""


def operation(
    method: str, path: str, *, answer: str | None = None, many: bool = False, streams: bool = False
) -> Callable[[Callable[Parameters, Arguments[Result]]], Operation[Parameters, Result]]:
    """Enter a function that arranges arguments into the table, as the row of its name."""

    def enter(arrange: Callable[Parameters, Arguments[Result]]) -> Operation[Parameters, Result]:
        row: Operation[Parameters, Result] = Operation(arrange.__name__, method, path, answer, many, streams, arrange)
        OPERATIONS[row.name] = row
        return row

    return enter


def streamed(
    plain: Operation[Parameters, Any], name: str, summary: str, *, yields: str
) -> Operation[Parameters, Result]:
    """Enter the streaming twin of an operation that takes a form: the same arguments, answered by events."""

    def arrange(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Arguments[Result]:
        arguments = plain.arrange(*args, **kwargs)
        form = {**(arguments.form or {}), "stream": True}
        return Arguments(path=arguments.path, form=form, headers=arguments.headers, run=arguments.run)

    arrange.__name__ = arrange.__qualname__ = name
    arrange.__doc__ = f"{summary}\n\nTakes the arguments of `{plain.name}`."
    signature = inspect.signature(plain.arrange).replace(return_annotation=f"Arguments[{yields}]")
    arrange.__signature__ = signature  # type: ignore[attr-defined]
    return operation(plain.method, plain.path, streams=True)(arrange)


# Discovery


@operation("GET", "/config", answer="discovery:ConfigResponse")
def get_config(headers: Headers | None = None) -> Arguments[ConfigResponse]:
    """Return the server's configuration: its agents, teams, workflows, interfaces and databases.

    Args:
        headers: sent with this request only.
    """
    return Arguments(headers=headers)


@operation("GET", "/info", answer="discovery:InfoResponse")
def get_info(headers: Headers | None = None) -> Arguments[InfoResponse]:
    """Return versions, counts and the way to sign in; needs no key.

    Args:
        headers: sent with this request only.
    """
    return Arguments(headers=headers)


@operation("GET", "/models", answer="discovery:Model", many=True)
def get_models(headers: Headers | None = None) -> Arguments[list[Model]]:
    """Return the models that the server's components use.

    Args:
        headers: sent with this request only.
    """
    return Arguments(headers=headers)


@operation("GET", "/agents", answer="discovery:AgentSummaryResponse", many=True)
def list_agents(headers: Headers | None = None) -> Arguments[list[AgentSummaryResponse]]:
    """Return a summary of each agent.

    Args:
        headers: sent with this request only.
    """
    return Arguments(headers=headers)


@operation("GET", "/agents/{agent_id}", answer="discovery:AgentResponse")
def get_agent(agent_id: str, headers: Headers | None = None) -> Arguments[AgentResponse]:
    """Return one agent in full.

    Args:
        agent_id: the agent; unknown is status 404.
        headers: sent with this request only.
    """
    return Arguments(path={"agent_id": agent_id}, headers=headers)


# Agent runs


@operation("POST", "/agents/{agent_id}/runs", answer="runs:RunOutput")
def run_agent(  # noqa: PLR0913 - the published interface
    agent_id: str,
    message: str | Mapping[str, Any] | Sequence[Any] | BaseModel,
    session_id: str | None = None,
    user_id: str | None = None,
    *,
    images: Sequence[Image] | None = None,
    audio: Sequence[Audio] | None = None,
    videos: Sequence[Video] | None = None,
    files: Sequence[File] | None = None,
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
    headers: Headers | None = None,
    **options: object,
) -> Arguments[RunOutput]:
    """Run an agent and return its result.

    A lost answer is no error: the client chose the run's id, asks the server for that run, and waits for its end.

    Args:
        agent_id: the agent.
        message: what it is asked; anything but text is sent as JSON.
        session_id: the conversation to go on with; a new one by default.
        user_id: on whose behalf.
        images: pictures that go with the message; a file named by its path is read and sent.
        audio: recordings, likewise.
        videos: films, likewise.
        files: documents, likewise.
        session_state: merged over the session's stored state.
        dependencies: values for the agent's instructions and tools.
        metadata: kept with the run.
        knowledge_filters: what the search for knowledge is limited to.
        output_schema: a JSON schema, or a pydantic class, that the answer must fit.
        background: return at once with the status PENDING; `get_agent_run` tells the rest.
        run_id: the run's id; a new UUID by default.
        stream_events: of a stream: False for nothing but the pieces of the answer and the run's end.
        when_busy: what to do while the session has another run: ``queue`` (as by default) waits for its end,
            ``reject`` is a 409; Serai servers only.
        run_timeout: seconds to wait for the run's end after its answer was lost; the client's setting by default.
        headers: sent with this request only.
        options: further form fields, passed on to the agent.

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
        "images": media_text(images),
        "audio": media_text(audio),
        "videos": media_text(videos),
        "input_files": media_text(files),
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
    path = {"agent_id": agent_id}
    run = RunReference(
        kind=RunCall.CREATE,
        path=fill_path(AGENT_RUN, {**path, "run_id": run_id}),
        run_id=run_id,
        session_id=session_id,
        waits=not background,
        timeout_s=run_timeout,
        is_content_only=not stream_events,
    )
    return Arguments(path=path, form=form, headers=headers, run=run)


@operation("POST", "/agents/{agent_id}/runs/{run_id}/continue", answer="runs:RunOutput")
def continue_agent_run(  # noqa: PLR0913 - the published interface
    agent_id: str,
    run_id: str,
    tools: Sequence[ToolExecution] = (),
    session_id: str | None = None,
    user_id: str | None = None,
    *,
    requirements: Sequence[RunRequirement] | None = None,
    background: bool = False,
    stream_events: bool = True,
    when_busy: Literal["queue", "reject"] | None = None,
    run_timeout: float | None = None,
    headers: Headers | None = None,
    **options: object,
) -> Arguments[RunOutput]:
    """Continue a paused run with the answers it waits for, and return its result.

    A run that still waits for other answers is returned as it is, paused; a Serai server keeps those it got.
    A lost answer is no error, as for `run_agent`.

    Args:
        agent_id: the agent.
        run_id: the paused run; it keeps its id.
        tools: the calls that wait, with ``confirmed``, ``result``, or the values set; ``tool_call_id`` and the answer
            are enough for a Serai server.
        session_id: the run's session; agno's own server needs it.
        user_id: on whose behalf.
        requirements: answers given by the methods of the run's requirements; their calls are sent with the ``tools``.
        background: return at once with the status PENDING; `get_agent_run` tells the rest.
        stream_events: as for `run_agent`.
        when_busy: as for `run_agent`.
        run_timeout: seconds to wait for the run's end after its answer was lost; the client's setting by default.
        headers: sent with this request only.
        options: further form fields.

    Raises:
        RemoteServerUnavailableError: as for `run_agent`.
        ServerStatusError: as for `run_agent`; 400 for an answer that is wrong or for no pending call, 409 for a run
            that is not paused.
    """
    path = {"agent_id": agent_id, "run_id": run_id}
    answered = [requirement.tool_execution for requirement in requirements or ()]
    form = {
        "tools": json_text([tool.to_dict() for tool in (*tools, *answered) if tool is not None]),
        "stream": False,
        "session_id": session_id,
        "user_id": user_id,
        "background": background or None,
        "stream_events": None if stream_events else False,
        "when_busy": when_busy,
        **options,
    }
    run = RunReference(
        kind=RunCall.CONTINUE,
        path=fill_path(AGENT_RUN, path),
        run_id=run_id,
        session_id=session_id,
        waits=not background,
        timeout_s=run_timeout,
        is_content_only=not stream_events,
    )
    return Arguments(path=path, form=form, headers=headers, run=run)


def _agent_events(plain: Operation[Parameters, Any], name: str, summary: str) -> Operation[Parameters, RunOutputEvent]:
    return streamed(plain, name, summary, yields="RunOutputEvent")


run_agent_stream = _agent_events(
    run_agent,
    "run_agent_stream",
    "Run an agent and yield its events. A broken stream is taken up again where the server numbers its events.",
)

continue_agent_run_stream = _agent_events(
    continue_agent_run,
    "continue_agent_run_stream",
    "Continue a paused run and yield its events. A broken stream is taken up again as that of `run_agent_stream`.",
)


@operation("POST", "/agents/{agent_id}/runs/{run_id}/cancel")
def cancel_agent_run(
    agent_id: str, run_id: str, headers: Headers | None = None, *, session_id: str | None = None
) -> Arguments[None]:
    """Cancel a run, whether it waits, runs or is paused; does nothing to one that has ended, also when repeated.

    Args:
        agent_id: the agent; unknown is status 404.
        run_id: the run.
        headers: sent with this request only.
        session_id: the run's session; servers that keep users apart may need it.
    """
    path = {"agent_id": agent_id, "run_id": run_id}
    return Arguments(path=path, query={"session_id": session_id}, headers=headers)


@operation("GET", "/agents/{agent_id}/runs", answer="runs:RunSchema", many=True)
def list_agent_runs(
    agent_id: str, session_id: str, status: str | None = None, headers: Headers | None = None
) -> Arguments[list[RunSchema]]:
    """Return an agent's runs of a session, oldest first; of more than a thousand the newest.

    Args:
        agent_id: the agent; unknown is status 404.
        session_id: the session; unknown is status 404.
        status: only runs of this status, for example ``PAUSED``.
        headers: sent with this request only.
    """
    query = {"session_id": session_id, "status": status and str(status).upper()}
    return Arguments(path={"agent_id": agent_id}, query=query, headers=headers)


@operation("GET", AGENT_RUN, answer="runs:RunOutput")
def get_agent_run(
    agent_id: str, run_id: str, session_id: str | None = None, headers: Headers | None = None
) -> Arguments[RunOutput]:
    """Return a run as it is now, whether it has ended or not.

    Args:
        agent_id: the agent.
        run_id: the run; unknown is status 404.
        session_id: the run's session; agno's own server needs it.
        headers: sent with this request only.
    """
    path = {"agent_id": agent_id, "run_id": run_id}
    return Arguments(path=path, query={"session_id": session_id}, headers=headers)


@operation("GET", f"{AGENT_RUN}/events", streams=True)
def follow_agent_run(
    agent_id: str, run_id: str, after: int | None = None, headers: Headers | None = None
) -> Arguments[RunOutputEvent]:
    """Yield the events of a run that was started elsewhere, those of the past first; Serai servers only.

    Args:
        agent_id: the agent.
        run_id: the run; unknown is status 404.
        after: the ``event_index`` of the last event already seen; all events by default.
        headers: sent with this request only.
    """
    if after is not None and not -1 <= after < 2**31:
        raise ArgumentError(f"after must be the number of an event (-1 before the first), not {after}")
    path = {"agent_id": agent_id, "run_id": run_id}
    run = RunReference(
        kind=RunCall.FOLLOW,
        path=fill_path(AGENT_RUN, path),
        run_id=run_id,
        after=None if after is None else str(after),
    )
    return Arguments(path=path, headers=headers, run=run)
