"""The snippets of both reference documents run against a live demo server with nothing but their imports changed."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.processes import free_port
from serai.agent_data import TypedAgentData
from serai.client import AgentOSClient
from tests.compat.clients.checklist import Target
from tests.compat.conftest import KEY
from tests.compat.documented_code import run_snippet, snippet


async def run_with_client(title: str, base_url: str) -> dict[str, Any]:
    """Run a snippet of the AgentOSClient document that takes ``client`` for granted; return its names."""
    client = AgentOSClient(base_url=base_url)
    names: dict[str, Any] = {"client": client}
    try:
        await run_snippet(snippet("agentos_client", title), names)
    finally:
        await client.close()
    return names


async def test_basic_usage_connects_and_lists_agents(demo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = snippet("agentos_client", "basic usage").replace("http://localhost:7777", demo_url)
    names: dict[str, Any] = {}
    await run_snippet(code, names)
    await names["client"].close()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Connected to: ")
    assert printed[1] == "Available agents: ['my-agent']"


@pytest.mark.parametrize("title", ["aget_config", "get_config"])
async def test_config_names_the_agents(demo_url: str, title: str) -> None:
    config = (await run_with_client(title, demo_url))["config"]
    assert config.os_id
    assert [agent.id for agent in config.agents] == ["my-agent"]
    assert (config.teams, config.workflows, config.interfaces) == ([], [], [])


async def test_list_agents_prints_ids_and_names(demo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    await run_with_client("list_agents", demo_url)
    assert capsys.readouterr().out.startswith("my-agent: ")


async def test_aget_agent_prints_model_and_tools(demo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    agent = (await run_with_client("aget_agent", demo_url))["agent"]
    name, model, tools = capsys.readouterr().out.splitlines()
    assert name == f"Name: {agent.name}"
    assert "scripted" in model
    assert "calculate" in tools


async def test_run_agent_prints_answer_and_tokens(demo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = (await run_with_client("run_agent", demo_url))["result"]
    response, _, tokens = capsys.readouterr().out.rpartition("\nTokens: ")
    assert response == f"Response: {result.content}"
    assert "4" in response
    assert int(tokens) > 0
    assert (result.session_id, result.user_id) == ("session-123", "user-456")


async def test_run_agent_stream_prints_the_story(demo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    event = (await run_with_client("run_agent_stream", demo_url))["event"]
    story, _, run_id = capsys.readouterr().out.rpartition("\nRun ID: ")
    assert story == event.content
    assert run_id.strip() == event.run_id


async def test_error_handling_prints_why_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    base_url = f"http://127.0.0.1:{free_port()}"
    await run_with_client("error handling", base_url)
    why, where = capsys.readouterr().out.splitlines()
    assert why.startswith("Server unavailable: ")
    assert len(why) > len("Server unavailable: ")
    assert where == f"Base URL: {base_url}"


async def test_error_handling_is_silent_when_all_is_well(demo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (await run_with_client("error handling", demo_url))["config"].os_id
    assert capsys.readouterr().out == ""


async def test_authentication_by_headers_opens_a_keyed_server(serai_target: Target) -> None:
    code = snippet("agentos_client", "authentication").replace("your-token", KEY)
    client = AgentOSClient(base_url=serai_target.keyed_url)
    names: dict[str, Any] = {"client": client}
    await run_snippet(code, names)
    await client.close()
    assert names["config"].os_id


@pytest.mark.parametrize("project", [None, "a-project"])
async def test_agent_data_snippets_create_get_update_and_delete(
    demo_url: str, monkeypatch: pytest.MonkeyPatch, project: str | None
) -> None:
    monkeypatch.setenv("LLAMA_CLOUD_BASE_URL", demo_url)
    monkeypatch.setenv("LLAMA_CLOUD_API_KEY", "any")
    monkeypatch.delenv("LLAMA_DEPLOY_DEPLOYMENT_NAME", raising=False)
    if project:
        monkeypatch.setenv("LLAMA_DEPLOY_PROJECT_ID", project)
    names: dict[str, Any] = {}
    await run_snippet(snippet("agent_data", "client overview"), names)
    await run_snippet(snippet("agent_data", "create, get, update, delete"), names)
    created: TypedAgentData[Any] = names["created"]
    assert (created.deployment_name, created.collection) == ("_public", "extracted_people")
    assert names["fetched"] == created
    assert names["updated"].data == names["ExtractedPerson"](name="Jane", age=31, email="jane@example.com")
    assert (await names["client"].search()).items == []
    await names["http_client"].aclose()
