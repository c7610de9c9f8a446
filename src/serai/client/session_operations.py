"""The rows of the table that are about sessions and their runs. Sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serai.client._calls import NOTHING, Answer, Arguments, Headers
from serai.client._rows import LIST_PAGE_SIZE, Rows, check_list, choose, given
from serai.wire.choices import SessionType

if TYPE_CHECKING:
    from serai.wire.runs import RunSchema, TeamRunSchema
    from serai.wire.sessions import (
        AgentSessionDetailSchema,
        SessionPage,
        SessionRunPreviewSchema,
        SessionSchema,
        TeamSessionDetailSchema,
        WorkflowSessionDetailSchema,
    )
    from serai.wire.workflow_runs import WorkflowRunSchema

    Detail = AgentSessionDetailSchema | TeamSessionDetailSchema | WorkflowSessionDetailSchema
    Run = RunSchema | TeamRunSchema | WorkflowRunSchema

DETAIL: Answer[Detail] = Answer("sessions:SessionDetail")
SESSIONS: Answer[SessionPage] = Answer("sessions:SessionPage")
ALL_SESSIONS: Answer[SessionSchema] = Answer("sessions:SessionSchema", paged_by="session_id")
RUN: Answer[Run] = Answer("sessions:SessionRun")
RUNS: Answer[list[Run]] = Answer("sessions:SessionRun", many=True)
PREVIEWS: Answer[list[SessionRunPreviewSchema]] = Answer("sessions:SessionRunPreviewSchema", many=True)

_DETAILS: dict[SessionType, Answer[Any]] = {
    SessionType.AGENT: Answer("sessions:AgentSessionDetailSchema"),
    SessionType.TEAM: Answer("sessions:TeamSessionDetailSchema"),
    SessionType.WORKFLOW: Answer("sessions:WorkflowSessionDetailSchema"),
}
_ONE = "/sessions/{session_id}"
_TEXTS = {
    "session_type": "what kind of component it belongs to, and what the answer is read as; found out by default.",
    "session_id": "the session; unknown is status 404.",
    "run_id": "the run; unknown is status 404.",
    "user_id": "only if it is this user's.",
    "session_name": "what it is called in lists.",
    "session_state": "what its runs share, as a whole.",
    "metadata": "kept with the session, as a whole.",
    "agent_id": "the agent it is with.",
    "team_id": "the team it is with.",
    "workflow_id": "the workflow it is with.",
    "component_id": "only those with this agent, team or workflow.",
    "created_after": "only runs that began then or later, in Unix seconds.",
    "created_before": "only runs that began then or before, in Unix seconds.",
    "status": "only runs of one of these, for example `PAUSED`.",
}
_row = Rows(_TEXTS)
_LISTED = {
    "session_type": "only those of this kind; all by default.",
    "user_id": "only this user's.",
    "session_name": "only those with this in their name.",
}


@_row(
    "POST",
    "/sessions",
    DETAIL,
    session_type="what kind of component it belongs to.",
    session_id="its id; made by the server by default.",
    user_id="whose it is.",
)
def create_session(  # noqa: PLR0913, PLR0917 - what may be said about a session
    session_type: SessionType = SessionType.AGENT,
    session_id: str | None = None,
    user_id: str | None = None,
    session_name: str | None = None,
    session_state: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    agent_id: str | None = None,
    team_id: str | None = None,
    workflow_id: str | None = None,
    db_id: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Make a session; the first run with a new `session_id` does so, too. One that is there is status 409."""
    body = given(
        session_id=session_id,
        session_name=session_name,
        session_state=session_state,
        metadata=metadata,
        user_id=user_id,
        agent_id=agent_id,
        team_id=team_id,
        workflow_id=workflow_id,
    )
    kind = choose(SessionType, "session_type", session_type)
    return Arguments(query={"type": kind, "db_id": db_id}, json=body, headers=headers, answer=_DETAILS[kind])


@_row("GET", "/sessions", SESSIONS, **_LISTED)
def get_sessions(  # noqa: PLR0913, PLR0917 - the published parameters
    session_type: SessionType | None = None,
    component_id: str | None = None,
    user_id: str | None = None,
    session_name: str | None = None,
    limit: int = 20,
    page: int = 1,
    sort_by: str = "created_at",
    sort_order: str = "desc",
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a page of the sessions, latest first."""
    query = {
        "type": _kind(session_type),
        "component_id": component_id,
        "user_id": user_id,
        "session_name": session_name,
        "limit": limit,
        "page": page,
        "sort_by": sort_by,
        "sort_order": sort_order,
        "db_id": db_id,
        "table": table,
    }
    return Arguments(query=query, headers=headers)


@_row("GET", "/sessions", ALL_SESSIONS, **_LISTED)
def iter_sessions(  # noqa: PLR0913, PLR0917 - those of get_sessions
    session_type: SessionType | None = None,
    component_id: str | None = None,
    user_id: str | None = None,
    session_name: str | None = None,
    page_size: int = LIST_PAGE_SIZE,
    sort_by: str = "created_at",
    sort_order: str = "desc",
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Yield all sessions, latest first, each once, asking for pages as they are needed."""
    return get_sessions.arrange(
        session_type,
        component_id,
        user_id,
        session_name,
        limit=page_size,
        sort_by=sort_by,
        sort_order=sort_order,
        db_id=db_id,
        table=table,
        headers=headers,
    )


@_row("GET", _ONE, DETAIL)
def get_session(
    session_id: str,
    session_type: SessionType | None = None,
    user_id: str | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a session in full."""
    return _about(session_id, session_type, user_id, db_id, table, headers)


@_row("GET", f"{_ONE}/runs", RUNS)
def get_session_runs(  # noqa: PLR0913, PLR0917 - the published parameters
    session_id: str,
    session_type: SessionType | None = None,
    user_id: str | None = None,
    created_after: int | None = None,
    created_before: int | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
    status: Sequence[str] | None = None,
) -> Arguments:
    """Return the runs of a session, oldest first, each as what it is a run of."""
    query = {
        "type": _kind(session_type),
        "user_id": user_id,
        "created_after": created_after,
        "created_before": created_before,
        "status": _listed(status),
        "db_id": db_id,
        "table": table,
    }
    return Arguments(path={"session_id": session_id}, query=query, headers=headers)


@_row("GET", f"{_ONE}/run-previews", PREVIEWS)
def get_session_run_previews(  # noqa: PLR0913, PLR0917 - the published parameters
    session_id: str,
    session_type: SessionType | None = None,
    user_id: str | None = None,
    created_after: int | None = None,
    created_before: int | None = None,
    status: Sequence[str] | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return the runs of a session in short, oldest first."""
    return get_session_runs.arrange(
        session_id, session_type, user_id, created_after, created_before, db_id, table, headers, status
    )


@_row("GET", f"{_ONE}/runs/{{run_id}}", RUN)
def get_session_run(
    session_id: str,
    run_id: str,
    session_type: SessionType | None = None,
    user_id: str | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Return a run of a session, as what it is a run of."""
    query = {"type": _kind(session_type), "user_id": user_id, "db_id": db_id, "table": table}
    return Arguments(path={"session_id": session_id, "run_id": run_id}, query=query, headers=headers)


@_row("POST", f"{_ONE}/rename", DETAIL)
def rename_session(
    session_id: str,
    session_name: str,
    session_type: SessionType | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
    user_id: str | None = None,
) -> Arguments:
    """Give a session another name and return it."""
    json = {"session_name": session_name}
    return _about(session_id, session_type, user_id, db_id, table, headers, json=json)


@_row("PATCH", _ONE, DETAIL, summary="what was talked about: `summary` and `topics`.")
def update_session(  # noqa: PLR0913, PLR0917 - the published parameters
    session_id: str,
    session_type: SessionType | None = None,
    session_name: str | None = None,
    session_state: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    summary: Mapping[str, Any] | None = None,
    user_id: str | None = None,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
) -> Arguments:
    """Replace what is given of a session, each as a whole, and return it; what is left out stays as it is."""
    json = given(session_name=session_name, session_state=session_state, metadata=metadata, summary=summary)
    return _about(session_id, session_type, user_id, db_id, table, headers, json=json)


@_row("DELETE", _ONE, NOTHING, session_id="the session.")
def delete_session(
    session_id: str,
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
    user_id: str | None = None,
) -> Arguments:
    """Remove a session and its runs; nothing happens when there is none."""
    return _about(session_id, None, user_id, db_id, table, headers)


@_row(
    "DELETE",
    "/sessions",
    NOTHING,
    session_ids="the sessions; ids that nobody knows are passed over.",
    session_types="what kind each is of, in their order.",
    user_id="only those that are this user's.",
)
def delete_sessions(
    session_ids: Sequence[str],
    session_types: Sequence[SessionType],
    db_id: str | None = None,
    table: str | None = None,
    headers: Headers | None = None,
    user_id: str | None = None,
) -> Arguments:
    """Remove several sessions and their runs."""
    ids = check_list("session_ids", session_ids)
    kinds = [choose(SessionType, "session_types", kind) for kind in check_list("session_types", session_types)]
    query = {"user_id": user_id, "db_id": db_id, "table": table}
    return Arguments(query=query, json={"session_ids": ids, "session_types": kinds}, headers=headers)


def _kind(session_type: SessionType | None) -> SessionType | None:
    return None if session_type is None else choose(SessionType, "session_type", session_type)


def _listed(status: Sequence[str] | None) -> Sequence[str] | None:
    return [status] if isinstance(status, str) else status


def _about(
    session_id: str,
    session_type: SessionType | None,
    user_id: str | None,
    db_id: str | None,
    table: str | None,
    headers: Headers | None,
    *,
    json: object = None,
) -> Arguments:
    """Put in place what all rows about one session take; the answer is read as the kind that was named."""
    kind = _kind(session_type)
    return Arguments(
        path={"session_id": session_id},
        query={"type": kind, "user_id": user_id, "db_id": db_id, "table": table},
        json=json,
        headers=headers,
        answer=None if kind is None else _DETAILS[kind],
    )
