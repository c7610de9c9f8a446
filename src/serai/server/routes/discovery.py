"""What a server says about itself: health, versions, configuration, and the components it hosts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from serai.errors import InvalidFieldError, NotFoundError, RetryLaterError
from serai.server.answers import json_answer
from serai.server.components import KINDS, Agent, Component, Team, Workflow
from serai.server.context import description_of, runtime_of
from serai.server.databases import DATABASE_ID, KNOWLEDGE_TABLE, TABLES
from serai.server.dispatch import Route
from serai.server.knowledge_views import show_bases
from serai.server.openapi import errors, json_result, query_parameter
from serai.wire.discovery import (
    AgentResponse,
    ConfigResponse,
    InfoResponse,
    Model,
    TeamResponse,
    WorkflowResponse,
    WorkflowSummaryResponse,
)

# Clients read the version of the protocol here, not of an implementation.
PROTOCOL_VERSION = "3.1.10"
# Components are made in code, which knows one version of each.
CURRENT_VERSION = 1
# Clients of the older generation refuse a configuration with more for a component.
_MOST_PROMPTS = 3


async def get_root(request: Request) -> Response:
    """Name the server and its first addresses."""
    return json_answer({"name": description_of(request).name, "health": "/health", "info": "/info", "docs": "/docs"})


async def get_health(request: Request) -> Response:
    """Say that the process answers; `/ready` says whether it can work."""
    return json_answer({"status": "ok", "instantiated_at": description_of(request).started_at})


async def get_ready(request: Request) -> Response:
    """Say whether the database can be reached and runs are taken."""
    if not await runtime_of(request).ready():
        raise RetryLaterError("The database cannot be reached just now.")
    return json_answer({"status": "ready"})


async def get_info(request: Request) -> Response:
    """Versions, counts, and how to sign in."""
    os = description_of(request)
    return json_answer(
        {
            "os_id": os.id,
            "name": os.name,
            "os_version": version("serai"),
            "agno_version": PROTOCOL_VERSION,
            **{f"{kind}_count": len(os.components.of_kind(kind)) for kind in KINDS},
            "mcp": {"enabled": False},
            "auth_mode": "none" if os.settings.security_key is None else "security_key",
            "user_isolation": False,
        }
    )


async def get_config(request: Request) -> Response:
    """The whole configuration, as user interfaces read it at their start."""
    os = description_of(request)
    config: dict[str, Any] = {
        "os_id": os.id,
        "name": os.name,
        "databases": [DATABASE_ID],
        "os_database": DATABASE_ID,
        # One generation of clients demands objects here, the other texts: only an empty list suits both.
        "available_models": [],
        **{f"{kind}s": [_summary(component) for component in os.components.of_kind(kind).values()] for kind in KINDS},
        "interfaces": [],
        **{part: {"dbs": [{"db_id": DATABASE_ID, "tables": [table]}]} for part, table in TABLES.items()},
        "queue": {"durable": True, "queue_per_session": True},
    }
    if os.description:
        config["description"] = os.description
    if os.quick_prompts:
        config["chat"] = {"quick_prompts": {key: each[:_MOST_PROMPTS] for key, each in os.quick_prompts.items()}}
    if os.knowledge:
        config["knowledge"] = show_bases(os.knowledge)
    return json_answer(config)


async def list_models(request: Request) -> Response:
    """The models that components use, those inside teams and workflows too, each once."""
    agents = description_of(request).components.modelled()
    models = {(agent.model_name, agent.model_provider or "") for agent in agents if agent.model_name}
    return json_answer([{"id": name, "provider": provider} for name, provider in sorted(models)])


async def list_agents(request: Request) -> Response:
    """All agents in full."""
    return json_answer([_detail(agent) for agent in description_of(request).components.agents.values()])


async def list_teams(request: Request) -> Response:
    """All teams in full."""
    return json_answer([_detail(team) for team in description_of(request).components.teams.values()])


async def list_workflows(request: Request) -> Response:
    """All workflows in short."""
    return json_answer([_summary(workflow) for workflow in description_of(request).components.workflows.values()])


async def get_agent(request: Request) -> Response:
    """One agent in full."""
    return json_answer(_detail(description_of(request).components.find("agent", request.path_params["agent_id"])))


async def get_team(request: Request) -> Response:
    """One team in full, with its members."""
    return json_answer(_detail(description_of(request).components.find("team", request.path_params["team_id"])))


async def get_workflow(request: Request) -> Response:
    """One workflow in full, with its steps."""
    workflow = description_of(request).components.find("workflow", request.path_params["workflow_id"])
    _check_version(request.query_params.get("version"))
    return json_answer(_detail(workflow))


def _check_version(text: str | None) -> None:
    """Refuse versions of a workflow but the one that there is."""
    if not text:
        return
    try:
        version = int(text)
    except ValueError as error:
        raise InvalidFieldError.of(
            ("query", "version"), "Input should be a valid integer", kind="int_parsing", given=text[:100]
        ) from error
    if version != CURRENT_VERSION:
        raise NotFoundError(f"Workflow not found: it has no version {version}, only {CURRENT_VERSION}.")


def _without_nulls(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that say something: clients reject null booleans and read absence as null."""
    return {name: value for name, value in members.items() if value is not None and value != {}}


def _common(component: Component) -> dict[str, Any]:
    return {
        "id": component.id,
        "name": component.name,
        "description": component.description,
        "db_id": DATABASE_ID,
        "metadata": component.metadata,
        "sandboxed": False,
    }


def _summary(component: Component) -> dict[str, Any]:
    """Return what lists say about a component."""
    if component.kind == "workflow":
        own: dict[str, Any] = {"is_component": False, "is_factory": False, "current_version": CURRENT_VERSION}
    else:
        agent = cast("Agent", component)
        own = {"model": _without_nulls({"id": agent.model_name, "provider": agent.model_provider})}
    if component.kind == "team":
        own["mode"] = cast("Team", component).mode
    return _without_nulls({**_common(component), **own})


def _detail(component: Component) -> dict[str, Any]:
    """Return all that clients are shown of a component, and of those inside it."""
    if component.kind == "workflow":
        own = _workflow_members(cast("Workflow", component))
    else:
        own = _agent_members(cast("Agent", component))
    if component.kind == "team":
        team = cast("Team", component)
        own |= {"mode": team.mode, "members": [_detail(member) for member in team.members]}
    return _without_nulls({**_common(component), "is_component": False, "is_factory": False, **own})


def _workflow_members(workflow: Workflow) -> dict[str, Any]:
    return {
        "input_schema": workflow.input_schema,
        "steps": workflow.describe_steps(_detail),
        "workflow_agent": False,
        "current_version": CURRENT_VERSION,
    }


def _agent_members(agent: Agent) -> dict[str, Any]:
    tools = [_tool(tool) for tool in agent.tools]
    model = {"name": agent.model_name, "model": agent.model_name, "provider": agent.model_provider}
    return {
        "model": _without_nulls(model),
        "tools": {"tools": tools} if tools else None,
        "sessions": {
            "session_table": "sessions",
            "add_history_to_context": agent.history_runs > 0,
            "num_history_runs": agent.history_runs,
        },
        "memory": _memory(agent),
        "knowledge": _knowledge(agent),
        "system_message": _without_nulls({"instructions": agent.instructions}),
    }


def _memory(agent: Agent) -> dict[str, Any] | None:
    """Return what an agent remembers of its users, in the published words."""
    memory = agent.memory
    if memory is None:
        return None
    return {
        "add_memories_to_context": memory.recall,
        "update_memory_on_run": memory.extract,
        "enable_agentic_memory": memory.tool,
        "memory_table": TABLES["memory"],
    }


def _knowledge(agent: Agent) -> dict[str, Any] | None:
    """Return which bases an agent may search."""
    if not agent.knowledge:
        return None
    return {"knowledge_table": KNOWLEDGE_TABLE, "knowledge_ids": [base.id for base in agent.knowledge]}


def _tool(tool: Any) -> dict[str, Any]:
    members = tool if isinstance(tool, Mapping) else {name: getattr(tool, name, None) for name in _TOOL_MEMBERS}
    return {name: members.get(name) for name in _TOOL_MEMBERS if members.get(name) is not None}


_TOOL_MEMBERS = ("name", "description", "parameters")
_SERVER = ("server",)


def _model(model: Any) -> dict[int | str, Any]:
    return {200: {"model": model}}


_STATUS = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/",
        handler=get_root,
        summary="Name the server and its first addresses",
        tags=_SERVER,
        responses=json_result({"type": "object", "additionalProperties": {"type": "string"}}),
        open=True,
    ),
    Route(
        method="GET",
        path="/health",
        handler=get_health,
        summary="Say that the process answers",
        tags=_SERVER,
        responses=json_result(_STATUS),
        open=True,
    ),
    Route(
        method="GET",
        path="/ready",
        handler=get_ready,
        summary="Say whether the database can be reached",
        tags=_SERVER,
        responses={**json_result(_STATUS), **errors(503)},
        open=True,
    ),
    Route(
        method="GET",
        path="/info",
        handler=get_info,
        summary="Versions, counts, and how to sign in",
        tags=_SERVER,
        responses=_model(InfoResponse),
        open=True,
    ),
    Route(
        method="GET",
        path="/config",
        handler=get_config,
        summary="The whole configuration",
        tags=_SERVER,
        responses={**_model(ConfigResponse), **errors(401, 403)},
    ),
    Route(
        method="GET",
        path="/models",
        handler=list_models,
        summary="The models that components use",
        tags=_SERVER,
        responses={**_model(list[Model]), **errors(401, 403)},
    ),
    Route(
        method="GET",
        path="/agents",
        handler=list_agents,
        summary="All agents",
        tags=("agents",),
        responses={**_model(list[AgentResponse]), **errors(401, 403)},
    ),
    Route(
        method="GET",
        path="/agents/{agent_id}",
        handler=get_agent,
        summary="One agent",
        tags=("agents",),
        responses={**_model(AgentResponse), **errors(401, 403, 404)},
    ),
    Route(
        method="GET",
        path="/teams",
        handler=list_teams,
        summary="All teams",
        tags=("teams",),
        responses={**_model(list[TeamResponse]), **errors(401, 403)},
    ),
    Route(
        method="GET",
        path="/teams/{team_id}",
        handler=get_team,
        summary="One team",
        tags=("teams",),
        responses={**_model(TeamResponse), **errors(401, 403, 404)},
    ),
    Route(
        method="GET",
        path="/workflows",
        handler=list_workflows,
        summary="All workflows",
        tags=("workflows",),
        responses={**_model(list[WorkflowSummaryResponse]), **errors(401, 403)},
    ),
    Route(
        method="GET",
        path="/workflows/{workflow_id}",
        handler=get_workflow,
        summary="One workflow",
        tags=("workflows",),
        parameters=(query_parameter("version", {"type": "integer"}, "Default, and all there is: the current one."),),
        responses={**_model(WorkflowResponse), **errors(401, 403, 404, 422)},
    ),
)
