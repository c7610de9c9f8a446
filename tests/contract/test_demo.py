"""The demo OS as its first user meets it: its team and its workflow, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from serai.demo import build_demo
from serai.demo.guide import PAGES
from serai.demo.script import NO_LLM
from serai.settings import Settings
from tests.hosting import http_client, serving

TEAM, WORKFLOW = "/teams/research-team/runs", "/workflows/qa-workflow/runs"


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    os = build_demo(Settings(database_url=SecretStr(database_url), drain_s=0))
    async with serving(os.app) as url, http_client(url, timeout=30) as connected:
        yield connected


async def ask(client: httpx.AsyncClient, path: str, message: str, **form: str) -> dict[str, Any]:
    answer = await client.post(path, data={"message": message, "stream": "false", **form})
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    return run


async def test_the_agent_remembers_what_a_user_says_of_themselves(client: httpx.AsyncClient):
    path = "/agents/my-agent/runs"
    before = await ask(client, path, "What do you know about me?", user_id="ann")
    await ask(client, path, "Hi. My name is Ann, and I live in Rome. What is 2 + 2?", user_id="ann")
    async with asyncio.timeout(20):
        while not (await client.get("/memories", params={"user_id": "ann"})).json()["data"]:  # noqa: ASYNC110 - HTTP has no event for it
            await asyncio.sleep(0.02)
    after = await ask(client, path, "What do you know about me?", user_id="ann")
    assert before["content"].startswith("I know nothing about you yet.")
    assert after["content"] == (f"This I know about you:\n- Says: “My name is Ann, and I live in Rome”\n\n{NO_LLM}")


async def test_the_team_looks_a_topic_up_and_writes_about_it(client: httpx.AsyncClient):
    run = await ask(client, TEAM, "Research the latest AI trends")
    assert run["status"] == "COMPLETED"
    assert "human in the loop" in run["content"]
    assert run["content"].endswith(NO_LLM)
    assert [response["agent_id"] for response in run["member_responses"]] == ["searcher", "writer"]


async def test_the_team_says_so_when_nothing_fits(client: httpx.AsyncClient):
    run = await ask(client, TEAM, "Analyze this topic")
    assert "Nothing in the demo's small library fits." in run["content"]


async def test_the_workflow_gathers_side_by_side_and_writes_until_the_answer_is_short(client: httpx.AsyncClient):
    run = await ask(client, WORKFLOW, "What are the benefits of Python?")
    assert run["status"] == "COMPLETED"
    assert [step["step_type"] for step in run["step_results"]] == ["Parallel", "Step", "Loop", "Step"]
    drafts = [step["content"] for step in run["step_results"][2]["steps"] if step["step_name"] == "draft"]
    assert len(drafts) == 2
    assert len(drafts[1].split()) <= 40 < len(drafts[0].split())
    assert run["content"] == f"{drafts[1]}\n\n{NO_LLM}"


async def test_the_workflow_streams_what_its_agents_say(client: httpx.AsyncClient):
    text = ""
    async with client.stream("POST", WORKFLOW, data={"message": "Explain machine learning"}) as answer:
        async for line in answer.aiter_lines():
            event = json.loads(line[6:]) if line.startswith("data: ") else {}
            text += event["content"] if event.get("event") == "RunContent" else ""
    assert "fits the parameters of a model" in text


async def test_a_message_reaches_the_review_and_the_person_may_put_another_answer_in_its_place(
    client: httpx.AsyncClient,
):
    run = await ask(client, WORKFLOW, "What are AI agents? Let me review the answer.", session_id="s")
    assert (run["status"], run["paused_step_name"]) == ("PAUSED", "on-request")
    (wanted,) = run["step_requirements"]
    assert wanted["output_review_message"] == "May this answer go out?"
    assert "AI agents" in wanted["step_output"]["content"]
    answer = {"step_id": wanted["step_id"], "confirmed": True, "edited_output": "Loops with tools."}
    form = {"step_requirements": json.dumps([answer]), "stream": "false", "session_id": "s"}
    done = (await client.post(f"{WORKFLOW}/{run['run_id']}/continue", data=form)).json()
    assert (done["status"], done["content"]) == ("COMPLETED", f"Loops with tools.\n\n{NO_LLM}")


async def test_a_no_in_the_review_ends_the_run(client: httpx.AsyncClient):
    run = await ask(client, WORKFLOW, "What is PostgreSQL? Review it.")
    answer = {"step_id": run["step_requirements"][0]["step_id"], "confirmed": False}
    form = {"step_requirements": json.dumps([answer]), "stream": "false"}
    done = (await client.post(f"{WORKFLOW}/{run['run_id']}/continue", data=form)).json()
    assert done["status"] == "CANCELLED"


async def test_the_guide_answers_from_serais_documentation(client: httpx.AsyncClient):
    await _until_all_is_taken_in(client)
    run = await ask(client, "/agents/serai-guide/runs", "What happens to a run when its node dies?")
    assert run["content"].startswith("how-runs-survive.md")
    assert run["content"].endswith(NO_LLM)
    (found,) = run["references"]
    assert found["query"] == "What happens to a run when its node dies?"
    assert found["references"][0]["name"] == "how-runs-survive.md"


async def _until_all_is_taken_in(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            listed = (await client.get("/knowledge/content", params={"limit": 100})).json()["data"]
            if len(listed) == len(list(PAGES.iterdir())) and {each["status"] for each in listed} == {"completed"}:
                return
            await asyncio.sleep(0.05)
