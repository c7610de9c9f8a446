"""Sessions on the wire: in lists, in full, and their runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Tag, model_validator

from serai.wire.choices import SessionType
from serai.wire.model import Moment, TextOrNull, WireModel
from serai.wire.pages import Page
from serai.wire.runs import RunSchema, TeamRunSchema
from serai.wire.status import Status
from serai.wire.workflow_runs import WorkflowRunSchema

__all__ = [
    "AgentSessionDetailSchema",
    "SessionDetail",
    "SessionPage",
    "SessionRun",
    "SessionRunPreviewSchema",
    "SessionSchema",
    "SessionType",
    "TeamSessionDetailSchema",
    "WorkflowSessionDetailSchema",
]


class _Session(WireModel):
    """What every view of a session has."""

    session_id: str
    session_name: TextOrNull = ""
    user_id: str | None = None
    session_state: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class SessionSchema(_Session):
    """A session in a list; servers that send it as it is stored are understood, too.

    Attributes:
        session_name: the name it was given, else its first message.
        metrics: sums over its runs, tokens among them; ``total_tokens`` is one of these.
    """

    session_type: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    session_summary: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    total_tokens: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_stored(cls, value: Any) -> Any:
        """Fill in what the stored form has in ``session_data`` and ``summary``."""
        if not isinstance(value, Mapping):
            return value
        stored = value.get("session_data")
        metrics = _first(value.get("metrics"), _member(stored, "session_metrics"))
        filled = {
            "session_type": _first(value.get("session_type"), _kind_by_ids(value)),
            "session_state": _first(value.get("session_state"), _member(stored, "session_state")),
            "session_summary": _first(value.get("session_summary"), value.get("summary")),
            "metrics": metrics,
            "total_tokens": _first(value.get("total_tokens"), _member(metrics, "total_tokens")),
        }
        return {**value, **filled}


class AgentSessionDetailSchema(_Session):
    """A session with an agent in full; ``chat_history`` are the messages of all its runs, in order."""

    agent_session_id: str = ""
    agent_id: str | None = None
    session_summary: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    total_tokens: int | None = None
    agent_data: dict[str, Any] | None = None
    chat_history: list[dict[str, Any]] | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_agent_session(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and not value.get("agent_session_id"):
            return {**value, "agent_session_id": value.get("session_id")}
        return value


class TeamSessionDetailSchema(_Session):
    """A session with a team in full."""

    team_id: str | None = None
    session_summary: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    total_tokens: int | None = None
    team_data: dict[str, Any] | None = None
    chat_history: list[dict[str, Any]] | None = None


class WorkflowSessionDetailSchema(_Session):
    """A session of a workflow in full."""

    workflow_id: str | None = None
    workflow_name: str | None = None
    workflow_data: dict[str, Any] | None = None
    session_data: dict[str, Any] | None = None


class SessionRunPreviewSchema(WireModel):
    """A run of a session in short: what was asked and answered is cut to 280 characters."""

    run_id: str
    parent_run_id: str | None = None
    agent_id: str | None = None
    team_id: str | None = None
    workflow_id: str | None = None
    user_id: str | None = None
    status: Status | None = None
    run_input: str | None = None
    content_preview: str | None = None
    created_at: Moment | None = None


def _first(*values: Any) -> Any:
    """Return the first value that is not None."""
    return next((value for value in values if value is not None), None)


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _kind_by_ids(value: Mapping[str, Any]) -> str | None:
    return next((kind for kind in SessionType if value.get(f"{kind}_id") is not None), None)


def _kind_of_session(value: Any) -> str:
    """Say what a session belongs to: by its ids, else by members that only one kind has, else to an agent."""
    if not isinstance(value, Mapping):
        return SessionType.AGENT
    if found := _kind_by_ids(value):
        return found
    if value.get("session_type") in list(SessionType):
        return str(value["session_type"])
    if not value.keys().isdisjoint(("workflow_name", "workflow_data", "session_data")):
        return SessionType.WORKFLOW
    return SessionType.TEAM if "team_data" in value else SessionType.AGENT


def _kind_of_run(value: Any) -> str:
    """Say what a run in a session is of: the rule of the published clients."""
    if not isinstance(value, Mapping):
        return SessionType.AGENT
    if value.get("workflow_id") is not None:
        return SessionType.WORKFLOW
    return SessionType.AGENT if value.get("team_id") is None else SessionType.TEAM


SessionPage = Page[SessionSchema]
"""A page of sessions."""

SessionDetail = Annotated[
    Annotated[AgentSessionDetailSchema, Tag("agent")]
    | Annotated[TeamSessionDetailSchema, Tag("team")]
    | Annotated[WorkflowSessionDetailSchema, Tag("workflow")],
    Discriminator(_kind_of_session),
]
"""A session in full, of whichever kind it is."""

SessionRun = Annotated[
    Annotated[RunSchema, Tag("agent")]
    | Annotated[TeamRunSchema, Tag("team")]
    | Annotated[WorkflowRunSchema, Tag("workflow")],
    Discriminator(_kind_of_run),
]
"""A run of a session: `RunSchema`, `TeamRunSchema` or `WorkflowRunSchema`."""
