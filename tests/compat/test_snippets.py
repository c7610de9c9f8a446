"""The snippets of both reference documents run against a live demo server with nothing but their imports changed."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from benchmarks.processes import free_port
from serai.agent_data import TypedAgentData
from serai.client import AgentOSClient
from serai.sessions import SessionType
from tests.compat.clients.agent_data_document import TITLES, environment, run_document
from tests.compat.clients.agentos_document import run_document as run_agentos_document
from tests.compat.clients.checklist import Target
from tests.compat.clients.roster import AGENTS_CLIENTS, CLIENTS, PublishedClient
from tests.compat.conftest import KEY
from tests.compat.documented_code import run_snippet, snippet, titles
from tests.compat.published_clients import run_script

DEMO_AGENTS = ["my-agent", "careful-agent", "files-agent", "serai-guide"]


async def run_with_client(title: str, base_url: str, **ids: str) -> dict[str, Any]:
    """Run a snippet of the AgentOSClient document that takes ``client``, and earlier imports, for granted.

    Return its names.

    Ids are given as ``run_123="…"``: what stands for the document's ``run-123``.
    """
    code = snippet("agentos_client", title)
    for name, value in ids.items():
        assert repr(name.replace("_", "-")) in code
        code = code.replace(repr(name.replace("_", "-")), repr(value))
    client = AgentOSClient(base_url=base_url)
    names: dict[str, Any] = {"client": client, "SessionType": SessionType}
    try:
        await run_snippet(code, names)
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
    assert printed[1] == f"Available agents: {DEMO_AGENTS}"


@pytest.mark.parametrize("title", ["aget_config", "get_config"])
async def test_config_names_the_agents(demo_url: str, title: str) -> None:
    config = (await run_with_client(title, demo_url))["config"]
    assert config.os_id
    assert [agent.id for agent in config.agents] == DEMO_AGENTS
    assert [team.id for team in config.teams] == ["research-team"]
    assert [workflow.id for workflow in config.workflows] == ["qa-workflow"]
    assert config.interfaces == []


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


async def test_continue_agent_run_takes_an_id_and_a_result(demo_url: str) -> None:
    async with AgentOSClient(demo_url) as client:
        run = await client.run_agent("files-agent", "How long is /etc/hosts?")
    assert run.is_paused
    [call] = run.tools_awaiting_external_execution
    ids = {"run_123": str(run.run_id), "call_1": str(call.tool_call_id)}
    result = (await run_with_client("continue_agent_run", demo_url, my_agent="files-agent", **ids))["result"]
    assert (result.status, result.run_id) == ("completed", run.run_id)
    assert "It begins: Tool result here" in result.content


async def test_cancel_agent_run_cancels_and_is_repeated_safely(demo_url: str) -> None:
    async with AgentOSClient(demo_url) as client:
        run = await client.run_agent("careful-agent", "Delete my notes")
        assert run.is_paused
        for _ in range(2):
            await run_with_client("cancel_agent_run", demo_url, my_agent="careful-agent", run_123=str(run.run_id))
        assert (await client.get_agent_run("careful-agent", str(run.run_id))).is_cancelled
    await run_with_client("cancel_agent_run", demo_url)  # as it stands: a run that nobody knows


def test_every_agent_run_snippet_of_the_document_is_here() -> None:
    assert {name for name in titles("agentos_client") if "agent_run" in name or "run_agent" in name} == {
        "run_agent",
        "run_agent_stream",
        "continue_agent_run",
        "cancel_agent_run",
    }


async def test_teams_and_workflows_are_listed_and_described(demo_url: str) -> None:
    teams = (await run_with_client("list_teams", demo_url))["teams"]
    team = (await run_with_client("aget_team", demo_url, my_team="research-team"))["team"]
    assert [each.id for each in teams] == [team.id] == ["research-team"]
    assert [member.id for member in team.members] == ["searcher", "writer"]
    workflows = (await run_with_client("list_workflows", demo_url))["workflows"]
    workflow = (await run_with_client("aget_workflow", demo_url, my_workflow="qa-workflow"))["workflow"]
    assert [each.id for each in workflows] == [workflow.id] == ["qa-workflow"]
    assert workflow.steps[0]["type"] == "Parallel"


async def test_run_team_prints_the_report(demo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = (await run_with_client("run_team", demo_url))["result"]
    assert capsys.readouterr().out == f"Response: {result.content}\n"
    assert "AI" in result.content
    assert (result.status, result.user_id) == ("completed", "user-123")
    assert [member.agent_id for member in result.member_responses] == ["searcher", "writer"]


async def test_run_team_stream_prints_what_the_leader_says(demo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    event = (await run_with_client("run_team_stream", demo_url))["event"]
    assert event.event == "TeamRunCompleted"
    assert capsys.readouterr().out == event.content


async def test_run_workflow_prints_answer_and_status(demo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = (await run_with_client("run_workflow", demo_url))["result"]
    assert capsys.readouterr().out == f"Response: {result.content}\nStatus: {result.status}\n"
    assert result.status == "completed"
    assert "Python benefits" in result.content


async def test_run_workflow_stream_prints_what_its_agents_say(
    demo_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    event = (await run_with_client("run_workflow_stream", demo_url))["event"]
    assert event.event == "WorkflowCompleted"
    assert "Machine learning" in capsys.readouterr().out


async def test_runs_of_teams_and_workflows_are_cancelled_before_they_come(demo_url: str) -> None:
    await run_with_client("cancel_team_run", demo_url, my_team="research-team")
    await run_with_client("cancel_workflow_run", demo_url, my_workflow="qa-workflow")


@pytest.mark.parametrize("client", AGENTS_CLIENTS, ids=lambda client: client.name)
def test_all_snippets_of_the_document_run_unchanged_with_the_published_package(
    demo_url: str, client: PublishedClient
) -> None:
    done = run_script(client, "agentos_document.py", demo_url)
    assert done.returncode == 0, done.stderr[-4000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"title":')]
    assert [line["title"] for line in lines] == titles("agentos_client")
    # The page promises what its package lacks; ours has it.
    failed = {line["title"]: line["error"] for line in lines if line["error"]}
    assert failed == {
        "search_knowledge": "'VectorSearchResult' object has no attribute 'score'",
        "get_trace": "'TraceDetail' object has no attribute 'duration_ms'",
    }
    check_what_was_printed({line["title"]: line["printed"] for line in lines})


async def test_every_snippet_of_both_documents_runs_with_our_imports(
    demo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [step async for step in run_agentos_document(snippet, run_snippet, titles("agentos_client"), demo_url)]
    assert [(title, error) for title, _, error in steps] == [(title, None) for title in titles("agentos_client")]
    printed = {title: text for title, text, _ in steps}
    check_what_was_printed(printed)
    duration, spans = printed["get_trace"].splitlines()
    assert re.fullmatch(r"Duration: [0-9.]+ms", duration)
    assert int(spans.removeprefix("Spans: ")) >= 2
    assert printed["search_knowledge"].startswith("Score: ")

    for name, value in environment(demo_url, "").items():
        monkeypatch.setenv(name, value)
    ran: list[str] = []

    def code_of(document: str, title: str) -> str:
        ran.append(title)
        return snippet(document, title)

    names = await run_document(code_of, demo_url, "")
    await names["http_client"].aclose()
    assert ran == titles("agent_data")


def check_what_was_printed(printed: dict[str, str]) -> None:
    """Fail where a snippet says something else than it is there to say."""
    assert printed["list_agents"].startswith("my-agent: ")
    assert printed["run_agent"].startswith("Response: ")
    assert "\nRun ID: " in printed["run_agent_stream"]
    assert printed["run_team"].startswith("Response: ")
    assert "AI" in printed["run_team"]
    assert "Scripted demo model" in printed["run_team_stream"]
    assert printed["run_workflow"].upper().endswith("\nSTATUS: COMPLETED\n")
    assert "Python benefits" in printed["run_workflow"]
    assert "Machine learning" in printed["run_workflow_stream"]
    assert "User prefers dark mode" in printed["list_memories"]
    assert "My Chat Session" in printed["get_sessions"]
    assert ": " in printed["get_session_runs"]
    assert "My Document" in printed["list_knowledge_content"]
    assert re.match(r"[0-9a-f]{32}: (OK|ERROR|UNSET)\n", printed["get_traces"])


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


@pytest.mark.parametrize("project", ["", "a-project"])
async def test_agent_data_snippets_run_with_our_imports(
    demo_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], project: str
) -> None:
    for name, value in environment(demo_url, project).items():
        monkeypatch.setenv(name, value)
    names = await run_document(snippet, demo_url, project)
    assert "False 3" in capsys.readouterr().out.splitlines()
    assert isinstance(names["created"], TypedAgentData)
    # The page's note on reading what is not there.
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await names["client"].get_item(names["updated"].id)
    await names["http_client"].aclose()


@pytest.mark.parametrize("project", ["", "another-project"])
def test_agent_data_snippets_run_unchanged_with_the_published_package(demo_url: str, project: str) -> None:
    client = next(client for client in CLIENTS if client.name == "llama_cloud_services")
    done = run_script(client, "agent_data_document.py", demo_url, project)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.splitlines()[-1] == "all snippets have run"


def test_every_agent_data_snippet_is_run():
    assert tuple(titles("agent_data")) == TITLES
