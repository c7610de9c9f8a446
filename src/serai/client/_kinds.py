"""Agents, teams and workflows as the table sees them: what differs is data, and the name of one parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, TypeVar

from serai.client._calls import Answer, Arguments, Call, Parameters, Result, Row

if TYPE_CHECKING:
    from serai.wire.agent_events import RunOutputEvent
    from serai.wire.discovery import (
        AgentResponse,
        AgentSummaryResponse,
        TeamResponse,
        TeamSummaryResponse,
        WorkflowResponse,
        WorkflowSummaryResponse,
    )
    from serai.wire.runs import RunOutput, RunSchema, TeamRunOutput
    from serai.wire.team_events import TeamRunOutputEvent
    from serai.wire.workflow_events import WorkflowRunOutputEvent
    from serai.wire.workflow_runs import WorkflowRunOutput, WorkflowRunSchema

Summary = TypeVar("Summary")
Detail = TypeVar("Detail")
Output = TypeVar("Output")
Event = TypeVar("Event")
Listed = TypeVar("Listed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[Summary, Detail, Output, Event, Listed]):
    """A kind of components.

    Attributes:
        name: for example ``team``.
        phrase: the name with its article.
        answers: the name of the form's field that takes the answers to a pause.
        summaries: what a list of such components is read as.
        detail: what one of them is read as.
        output: what a run is read as.
        event: what an event of a run's stream is read as.
        rows: what a list of runs is read as.
    """

    name: str
    phrase: str
    answers: str
    summaries: Answer[list[Summary]]
    detail: Answer[Detail]
    output: Answer[Output]
    event: Answer[Event]
    rows: Answer[list[Listed]]

    @property
    def id_name(self) -> str:
        """The parameter, of methods and of paths, that holds a component's id."""
        return f"{self.name}_id"

    def fill(self, text: str) -> str:
        """Return a text of a `Shape` with this kind's words in it."""
        return text.replace("{kind}", self.name).replace("{a_kind}", self.phrase).replace("component_id", self.id_name)


AGENT: Kind[AgentSummaryResponse, AgentResponse, RunOutput, RunOutputEvent, RunSchema] = Kind(
    name="agent",
    phrase="an agent",
    answers="tools",
    summaries=Answer("discovery:AgentSummaryResponse", many=True),
    detail=Answer("discovery:AgentResponse"),
    output=Answer("runs:RunOutput"),
    event=Answer("agent_events:RunOutputEvent", streams=True),
    rows=Answer("runs:RunSchema", many=True),
)

TEAM: Kind[TeamSummaryResponse, TeamResponse, TeamRunOutput, TeamRunOutputEvent, RunSchema] = Kind(
    name="team",
    phrase="a team",
    answers="requirements",
    summaries=Answer("discovery:TeamSummaryResponse", many=True),
    detail=Answer("discovery:TeamResponse"),
    output=Answer("runs:TeamRunOutput"),
    event=Answer("team_events:TeamRunOutputEvent", streams=True),
    rows=Answer("runs:RunSchema", many=True),
)

WORKFLOW: Kind[
    WorkflowSummaryResponse, WorkflowResponse, WorkflowRunOutput, WorkflowRunOutputEvent, WorkflowRunSchema
] = Kind(
    name="workflow",
    phrase="a workflow",
    answers="step_requirements",
    summaries=Answer("discovery:WorkflowSummaryResponse", many=True),
    detail=Answer("discovery:WorkflowResponse"),
    output=Answer("workflow_runs:WorkflowRunOutput"),
    event=Answer("workflow_events:WorkflowRunOutputEvent", streams=True),
    rows=Answer("workflow_runs:WorkflowRunSchema", many=True),
)

AnyKind = Kind[Any, Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Shape(Generic[Parameters]):
    """An operation that components of several kinds have; its texts have ``{kind}`` where the kind's name goes.

    Attributes:
        name: the name in the table.
        method: the HTTP method.
        path: the path, ``{component_id}`` among its parameters.
        arrange: puts the arguments where they belong, given the kind and the component's id.
        signature: the parameters of ``arrange`` without the kind.
        doc: the docstring of the clients' methods.
    """

    name: str
    method: str
    path: str
    arrange: Callable[Concatenate[AnyKind, str, Parameters], Arguments]
    signature: inspect.Signature
    doc: str


class _RowOfKind(Row[Parameters, Result]):
    """A row made of a shape for one kind."""

    __slots__ = ()
    kind: AnyKind

    def __init__(self, shape: Shape[Parameters], answer: Answer[Result]) -> None:
        kind = self.kind
        component_id, *rest = shape.signature.parameters.values()
        signature = shape.signature.replace(parameters=[component_id.replace(name=kind.id_name), *rest])
        arrange = partial(shape.arrange, kind)
        super().__init__(
            kind.fill(shape.name),
            shape.method,
            kind.fill(shape.path),
            answer,
            arrange,
            signature=signature,
            doc=kind.fill(shape.doc),
        )


class AgentRow(_RowOfKind[Parameters, Result]):
    """A row about an agent."""

    __slots__ = ()
    kind = AGENT

    def __call__(self, agent_id: str, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Call[Result]:
        return Call(self, self.arrange(agent_id, *args, **kwargs))


class TeamRow(_RowOfKind[Parameters, Result]):
    """A row about a team."""

    __slots__ = ()
    kind = TEAM

    def __call__(self, team_id: str, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Call[Result]:
        return Call(self, self.arrange(team_id, *args, **kwargs))


class WorkflowRow(_RowOfKind[Parameters, Result]):
    """A row about a workflow."""

    __slots__ = ()
    kind = WORKFLOW

    def __call__(self, workflow_id: str, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Call[Result]:
        return Call(self, self.arrange(workflow_id, *args, **kwargs))
