"""What a server says about itself: health, versions, configuration, and the components it hosts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from serai.errors import NotFoundError, RetryLaterError
from serai.server.components import Agent
from serai.server.context import Description, description_of, runtime_of
from serai.server.dispatch import Route
from serai.server.openapi import errors, json_result
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
DATABASE_ID = "serai"

_encode = msgspec.json.Encoder(enc_hook=str).encode


def _json(value: Any) -> Response:
    return Response(_encode(value), media_type="application/json")


async def get_root(request: Request) -> Response:
    """Name the server and its first addresses."""
    return _json({"name": description_of(request).name, "health": "/health", "info": "/info", "docs": "/docs"})


async def get_health(request: Request) -> Response:
    """Say that the process answers; `/ready` says whether it can work."""
    return _json({"status": "ok", "instantiated_at": description_of(request).started_at})


async def get_ready(request: Request) -> Response:
    """Say whether the database can be reached and runs are taken."""
    if not await runtime_of(request).ready():
        raise RetryLaterError("The database cannot be reached just now.")
    return _json({"status": "ready"})


async def get_info(request: Request) -> Response:
    """Versions, counts, and how to sign in."""
    os = description_of(request)
    return _json(
        {
            "os_id": os.id,
            "name": os.name,
            "os_version": version("serai"),
            "agno_version": PROTOCOL_VERSION,
            "agent_count": len(os.agents),
            "team_count": 0,
            "workflow_count": 0,
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
        "agents": [_agent_summary(agent) for agent in os.agents.values()],
        "teams": [],
        "workflows": [],
        "interfaces": [],
        "session": {"dbs": [{"db_id": DATABASE_ID, "tables": ["sessions"]}]},
        "queue": {"durable": True, "queue_per_session": True},
    }
    if os.description:
        config["description"] = os.description
    if os.quick_prompts:
        config["chat"] = {"quick_prompts": os.quick_prompts}
    return _json(config)


async def list_models(request: Request) -> Response:
    """The models that components use, each once."""
    models = {(agent.model_name, agent.model_provider) for agent in description_of(request).agents.values()}
    known = sorted((name, provider or "") for name, provider in models if name)
    return _json([{"id": name, "provider": provider} for name, provider in known])


async def list_agents(request: Request) -> Response:
    """All agents in full."""
    return _json([_agent_detail(agent) for agent in description_of(request).agents.values()])


async def get_agent(request: Request) -> Response:
    """One agent in full."""
    return _json(_agent_detail(find_agent(description_of(request), request.path_params["agent_id"])))


async def list_nothing(_request: Request) -> Response:
    """A list of components of a kind that this server does not host."""
    return _json([])


async def get_team(_request: Request) -> Response:
    """One team in full."""
    raise NotFoundError("Team not found")


async def get_workflow(_request: Request) -> Response:
    """One workflow in full."""
    raise NotFoundError("Workflow not found")


def find_agent(os: Description, agent_id: str) -> Agent:
    """Return an agent by its id.

    Raises:
        NotFoundError: there is none.
    """
    agent = os.agents.get(agent_id)
    if agent is None:
        raise NotFoundError("Agent not found")
    return agent


def _without_nulls(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that say something: clients reject null booleans and read absence as null."""
    return {name: value for name, value in members.items() if value is not None and value != {}}


def _agent_summary(agent: Agent) -> dict[str, Any]:
    return _without_nulls(
        {
            "id": agent.id,
            "name": agent.name,
            "description": agent.description,
            "db_id": DATABASE_ID,
            "model": _without_nulls({"id": agent.model_name, "provider": agent.model_provider}),
            "metadata": agent.metadata,
            "sandboxed": False,
        }
    )


def _agent_detail(agent: Agent) -> dict[str, Any]:
    tools = [_tool(tool) for tool in agent.tools]
    model = {"name": agent.model_name, "model": agent.model_name, "provider": agent.model_provider}
    return _without_nulls(
        {
            "id": agent.id,
            "name": agent.name,
            "description": agent.description,
            "db_id": DATABASE_ID,
            "model": _without_nulls(model),
            "tools": {"tools": tools} if tools else None,
            "sessions": {
                "session_table": "sessions",
                "add_history_to_context": agent.history_runs > 0,
                "num_history_runs": agent.history_runs,
            },
            "system_message": _without_nulls({"instructions": agent.instructions}),
            "metadata": agent.metadata,
            "is_component": False,
            "is_factory": False,
            "sandboxed": False,
        }
    )


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
        handler=list_nothing,
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
        handler=list_nothing,
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
        responses={**_model(WorkflowResponse), **errors(401, 403, 404)},
    ),
)
