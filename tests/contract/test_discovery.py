"""The shapes of what a server says about itself, as strict clients read them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from serai.memory.options import Memory
from serai.wire.discovery import ConfigResponse, TeamResponse, WorkflowResponse
from tests.hosting import (
    DescribedAgent,
    DescribedTeam,
    DescribedWorkflow,
    IdleRuntime,
    http_client,
    make_os,
    serving,
)

CALCULATOR = {"name": "add", "description": "Add two numbers.", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    agent = DescribedAgent(tools=[CALCULATOR], metadata={"team": "blue"}, memory=Memory(tool=False))
    bare = DescribedAgent(
        id="bare", name="Bare", description=None, model_name=None, model_provider=None, instructions=None
    )
    os = make_os(agents=[agent, bare], description="For tests.", quick_prompts={"my-agent": ["Hello", "2", "3", "4"]})
    async with serving(os.app) as url, http_client(url) as client:
        yield client


@pytest.fixture
async def full() -> AsyncIterator[httpx.AsyncClient]:
    """A server of all kinds; what is inside its team and its workflow is not hosted by itself."""
    searcher = DescribedAgent(id="searcher", model_name="small", model_provider=None, tools=[CALCULATOR])
    inner = DescribedTeam(id="inner", mode="route", members=[searcher], model_name="medium")
    team = DescribedTeam(members=[DescribedAgent(id="writer"), inner], model_name="large", metadata={"x": 1})
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    workflow = DescribedWorkflow(
        steps=[DescribedAgent(id="checker", model_name="tiny"), inner], input_schema=schema, metadata={"y": 2}
    )
    bare = DescribedWorkflow(id="bare", description=None)
    os = make_os(teams=[team], workflows=[workflow, bare], quick_prompts={"my-team": ["Plan"], "my-workflow": ["Go"]})
    async with serving(os.app) as url, http_client(url) as client:
        yield client


async def test_root_names_the_first_addresses(client: httpx.AsyncClient):
    assert (await client.get("/")).json() == {
        "name": "Test OS",
        "health": "/health",
        "info": "/info",
        "docs": "/docs",
    }


async def test_health_is_ok_and_says_since_when(client: httpx.AsyncClient):
    health = (await client.get("/health")).json()
    assert health["status"] == "ok"
    assert health["instantiated_at"].endswith("Z")


async def test_ready_asks_the_runtime(client: httpx.AsyncClient):
    assert (await client.get("/ready")).json() == {"status": "ready"}


async def test_ready_answers_503_with_retry_after_while_the_database_is_away():
    async with serving(make_os(IdleRuntime(is_ready=False)).app) as url, http_client(url) as client:
        response = await client.get("/ready")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "database" in response.json()["detail"]


async def test_info_has_versions_and_counts_and_says_how_to_sign_in(client: httpx.AsyncClient):
    info = (await client.get("/info")).json()
    assert info["os_id"] == "test-os"
    assert (info["agent_count"], info["team_count"], info["workflow_count"]) == (2, 0, 0)
    assert info["auth_mode"] == "none"
    assert info["mcp"] == {"enabled": False}
    assert isinstance(info["agno_version"], str)


async def test_config_has_all_that_strict_clients_demand(client: httpx.AsyncClient):
    config = (await client.get("/config")).json()
    assert config["os_id"] == "test-os"
    assert config["databases"] == ["serai"]
    assert config["available_models"] == []
    assert config["teams"] == config["workflows"] == config["interfaces"] == []
    assert config["chat"] == {"quick_prompts": {"my-agent": ["Hello", "2", "3"]}}
    assert config["agents"][0]["model"] == {"id": "scripted", "provider": "serai"}
    assert config["agents"][0]["sandboxed"] is False
    assert not has_null(config)


async def test_models_are_listed_once(client: httpx.AsyncClient):
    assert (await client.get("/models")).json() == [{"id": "scripted", "provider": "serai"}]


async def test_an_agent_is_shown_with_its_tools_as_an_object(client: httpx.AsyncClient):
    agent = (await client.get("/agents/my-agent")).json()
    assert agent["tools"] == {"tools": [CALCULATOR]}
    assert agent["model"] == {"name": "scripted", "model": "scripted", "provider": "serai"}
    assert agent["metadata"] == {"team": "blue"}
    assert agent["system_message"] == {"instructions": "Be brief."}
    assert agent["sessions"]["num_history_runs"] == 3
    assert agent["memory"] == {
        "add_memories_to_context": True,
        "update_memory_on_run": True,
        "enable_agentic_memory": False,
        "memory_table": "memories",
    }


async def test_what_an_agent_lacks_is_left_out_and_never_null(client: httpx.AsyncClient):
    agent = (await client.get("/agents/bare")).json()
    assert not has_null(agent)
    assert {"tools", "model", "description", "system_message", "memory"}.isdisjoint(agent)


async def test_the_list_of_agents_holds_what_each_says_of_itself(client: httpx.AsyncClient):
    listed = (await client.get("/agents")).json()
    assert listed == [(await client.get(f"/agents/{agent}")).json() for agent in ("my-agent", "bare")]


@pytest.mark.parametrize("kind", ["teams", "workflows"])
async def test_lists_of_kinds_without_components_are_empty(client: httpx.AsyncClient, kind: str):
    assert (await client.get(f"/{kind}")).json() == []


@pytest.mark.parametrize(
    ("path", "detail"),
    [("/agents/x", "Agent not found"), ("/teams/x", "Team not found"), ("/workflows/x", "Workflow not found")],
)
async def test_unknown_components_are_404_with_the_published_detail(client: httpx.AsyncClient, path: str, detail: str):
    response = await client.get(path)
    assert (response.status_code, response.json()) == (404, {"detail": detail})


async def test_info_counts_each_kind(full: httpx.AsyncClient):
    info = (await full.get("/info")).json()
    assert (info["agent_count"], info["team_count"], info["workflow_count"]) == (1, 1, 2)


async def test_config_has_summaries_of_teams_and_workflows(full: httpx.AsyncClient):
    config = (await full.get("/config")).json()
    assert config["teams"] == [
        {
            "id": "my-team",
            "name": "My Team",
            "description": "Adds numbers.",
            "db_id": "serai",
            "metadata": {"x": 1},
            "sandboxed": False,
            "model": {"id": "large", "provider": "serai"},
            "mode": "coordinate",
        }
    ]
    assert [workflow["id"] for workflow in config["workflows"]] == ["my-workflow", "bare"]
    assert config["workflows"][1] == {
        "id": "bare",
        "name": "My Workflow",
        "db_id": "serai",
        "sandboxed": False,
        "is_component": False,
        "is_factory": False,
        "current_version": 1,
    }
    assert config["chat"]["quick_prompts"] == {"my-team": ["Plan"], "my-workflow": ["Go"]}
    assert not has_null(config)
    ConfigResponse.model_validate(config)


async def test_a_team_is_shown_with_its_members_in_full(full: httpx.AsyncClient):
    team = (await full.get("/teams/my-team")).json()
    assert (await full.get("/teams")).json() == [team]
    assert team["mode"] == "coordinate"
    assert team["model"] == {"name": "large", "model": "large", "provider": "serai"}
    writer, inner = team["members"]
    assert (writer["id"], "mode" in writer) == ("writer", False)
    assert (inner["id"], inner["mode"]) == ("inner", "route")
    assert inner["members"][0]["tools"] == {"tools": [CALCULATOR]}
    assert not has_null(team)
    assert isinstance(TeamResponse.model_validate(team).members, list)


async def test_a_workflow_is_shown_with_its_steps_and_what_runs_in_them(full: httpx.AsyncClient):
    workflow = (await full.get("/workflows/my-workflow")).json()
    check, plan = workflow["steps"]
    assert (check["name"], check["type"], check["agent"]["model"]["model"]) == ("checker", "Step", "tiny")
    assert plan["team"]["members"][0]["id"] == "searcher"
    assert workflow["input_schema"]["properties"] == {"city": {"type": "string"}}
    assert (workflow["workflow_agent"], workflow["current_version"]) == (False, 1)
    assert not has_null(workflow)
    WorkflowResponse.model_validate(workflow)


async def test_a_workflow_has_one_version(full: httpx.AsyncClient):
    current = (await full.get("/workflows/my-workflow")).json()
    for version in ("", "1"):
        assert (await full.get("/workflows/my-workflow", params={"version": version})).json() == current
    missing = await full.get("/workflows/my-workflow", params={"version": "2"})
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        "Workflow not found: it has no version 2, only 1.",
    )
    wrong = await full.get("/workflows/my-workflow", params={"version": "latest"})
    assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["query", "version"])


async def test_models_of_members_and_steps_are_listed_too(full: httpx.AsyncClient):
    models = (await full.get("/models")).json()
    assert [model["id"] for model in models] == ["large", "medium", "scripted", "small", "tiny"]


def has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(has_null, value.values()))
    if isinstance(value, list):
        return any(map(has_null, value))
    return value is None
