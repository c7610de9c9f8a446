"""The table of operations, of which both clients' methods are made. Sends nothing.

`_shapes` says where the arguments of each go and what they mean, `_kinds` how agents, teams and workflows differ.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic

from serai.client import _shapes as shapes
from serai.client import (
    data_operations,
    eval_operations,
    memory_operations,
    metric_operations,
    schedule_operations,
    session_operations,
)
from serai.client._arguments import document
from serai.client._calls import NOTHING, Answer, Arguments, Headers, Operation, Parameters, Result, Row
from serai.client._kinds import AGENT, TEAM, WORKFLOW, AgentRow, TeamRow, WorkflowRow

if TYPE_CHECKING:
    from serai.wire.discovery import ConfigResponse, InfoResponse, Model

CONFIG: Answer[ConfigResponse] = Answer("discovery:ConfigResponse")
INFO: Answer[InfoResponse] = Answer("discovery:InfoResponse")
MODELS: Answer[list[Model]] = Answer("discovery:Model", many=True)


def _arrange_headers(headers: Headers | None = None) -> Arguments:
    return Arguments(headers=headers)


class _Reading(Generic[Parameters]):
    """Makes rows that read a path without parameters."""

    def __init__(self, arrange: Callable[Parameters, Arguments]) -> None:
        self._arrange = arrange
        self._signature = inspect.signature(arrange)

    def __call__(self, name: str, path: str, answer: Answer[Result], doc: str) -> Operation[Parameters, Result]:
        whole = document(doc, self._signature, own={})
        return Operation(name, "GET", path, answer, self._arrange, signature=self._signature, doc=whole)


_read = _Reading(_arrange_headers)

get_config = _read(
    "get_config",
    "/config",
    CONFIG,
    "Return the server's configuration: its agents, teams, workflows, interfaces and databases.",
)
get_info = _read("get_info", "/info", INFO, "Return versions, counts and the way to sign in; needs no key.")
get_models = _read("get_models", "/models", MODELS, "Return the models that the server's components use.")
list_agents = _read("list_agents", "/agents", AGENT.summaries, "Return a summary of each agent.")
list_teams = _read("list_teams", "/teams", TEAM.summaries, "Return a summary of each team.")
list_workflows = _read("list_workflows", "/workflows", WORKFLOW.summaries, "Return a summary of each workflow.")

get_agent = AgentRow(shapes.get, AGENT.detail)
run_agent = AgentRow(shapes.run, AGENT.output)
run_agent_stream = AgentRow(shapes.run_stream, AGENT.event)
continue_agent_run = AgentRow(shapes.proceed_with_tools, AGENT.output)
continue_agent_run_stream = AgentRow(shapes.proceed_with_tools_stream, AGENT.event)
cancel_agent_run = AgentRow(shapes.cancel, NOTHING)
list_agent_runs = AgentRow(shapes.list_runs, AGENT.rows)
get_agent_run = AgentRow(shapes.get_run, AGENT.output)
follow_agent_run = AgentRow(shapes.follow_run, AGENT.event)

get_team = TeamRow(shapes.get, TEAM.detail)
run_team = TeamRow(shapes.run, TEAM.output)
run_team_stream = TeamRow(shapes.run_stream, TEAM.event)
continue_team_run = TeamRow(shapes.proceed, TEAM.output)
continue_team_run_stream = TeamRow(shapes.proceed_stream, TEAM.event)
cancel_team_run = TeamRow(shapes.cancel, NOTHING)
list_team_runs = TeamRow(shapes.list_runs, TEAM.rows)
get_team_run = TeamRow(shapes.get_run, TEAM.output)
follow_team_run = TeamRow(shapes.follow_run, TEAM.event)

get_workflow = WorkflowRow(shapes.get_version, WORKFLOW.detail)
run_workflow = WorkflowRow(shapes.run, WORKFLOW.output)
run_workflow_stream = WorkflowRow(shapes.run_stream, WORKFLOW.event)
continue_workflow_run = WorkflowRow(shapes.proceed, WORKFLOW.output)
continue_workflow_run_stream = WorkflowRow(shapes.proceed_stream, WORKFLOW.event)
cancel_workflow_run = WorkflowRow(shapes.cancel, NOTHING)
list_workflow_runs = WorkflowRow(shapes.list_runs, WORKFLOW.rows)
get_workflow_run = WorkflowRow(shapes.get_run, WORKFLOW.output)
follow_workflow_run = WorkflowRow(shapes.follow_run, WORKFLOW.event)

_NOUNS = (
    schedule_operations,
    session_operations,
    memory_operations,
    metric_operations,
    eval_operations,
    data_operations,
)
_ROWS = [*globals().values(), *(row for noun in _NOUNS for row in vars(noun).values())]
OPERATIONS: dict[str, Row[..., Any]] = {row.name: row for row in _ROWS if isinstance(row, Row)}
"""Every operation by name."""
