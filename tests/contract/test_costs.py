"""What models cost: in runs, sessions, days and series, where the price is known, and nothing where it is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

from serai import AgentOS, Step, Team, Workflow, tool
from serai.settings import Settings
from serai.telemetry.prices import price_of
from serai.testing import ScriptedModel, ToolCall, Turn
from tests.hosting import http_client, serving


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    helper = Agent(
        ScriptedModel([Turn(tools=[ToolCall("add", {"a": 2})]), "Done."], model_name="gpt-4o", provider_name="openai"),
        name="helper",
    )

    @helper.tool_plain
    def add(a: int) -> int:
        return a + 2

    member = Agent(ScriptedModel("Hi.", model_name="gpt-4o", provider_name="openai"), name="member")
    leader = ScriptedModel(
        [Turn(tools=[ToolCall("delegate_task_to_member", {"member_id": "member", "task": "Go"})]), "So."]
    )

    @tool(requires_confirmation=True)
    def delete(path: str) -> str:
        return f"deleted {path}"

    deletes: list[Turn | str] = [Turn(tools=[ToolCall("delete", {"path": "/x"})]), "Gone."]
    careful = Agent(ScriptedModel(deletes, model_name="gpt-4o", provider_name="openai"), name="careful", tools=[delete])
    os = AgentOS(
        agents=[helper, careful, Agent(ScriptedModel("Hello."), name="free")],
        teams=[Team("pair", members=[member], model=leader)],
        workflows=[Workflow("flow", steps=[Step("ask", agent=helper)])],
        settings=Settings(database_url=SecretStr(database_url)),
    )
    async with serving(os.app) as url, http_client(url, timeout=20) as connected:
        yield connected


async def run(client: httpx.AsyncClient, path: str, **form: Any) -> dict[str, Any]:
    response = await client.post(f"{path}/runs", data={"message": "hi", "stream": "false", **form})
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


def price(metrics: dict[str, Any]) -> Any:
    return pytest.approx(price_of("gpt-4o", "openai", metrics), rel=1e-6, abs=0)


async def test_a_run_that_paused_costs_what_it_cost_before_and_after(client: httpx.AsyncClient):
    paused = await run(client, "/agents/careful")
    before = paused["metrics"]
    assert (paused["status"], before["cost"]) == ("PAUSED", price(before))
    answered = [{**call, "confirmed": True} for call in paused["tools"]]
    form = {"tools": json.dumps(answered), "session_id": paused["session_id"], "stream": "false"}
    response = await client.post(f"/agents/careful/runs/{paused['run_id']}/continue", data=form)
    after = response.json()["metrics"]
    assert after["cost"] == price(after)
    assert after["cost"] > before["cost"]
    (day,) = (await client.get("/metrics")).json()["metrics"]
    assert day["cost"] == pytest.approx(after["cost"])


async def test_a_run_its_session_and_its_day_know_what_they_cost(client: httpx.AsyncClient):
    metrics = (await run(client, "/agents/helper", session_id="s"))["metrics"]
    assert metrics["cost"] == price(metrics)
    assert [model["cost"] for model in metrics["details"]["model"]] == [metrics["cost"]]
    assert "cost" not in (await run(client, "/agents/free"))["metrics"]

    team = (await run(client, "/teams/pair"))["metrics"]
    known, unknown = sorted(team["details"]["model"], key=lambda model: model["provider"])
    assert (known["id"], unknown["id"]) == ("gpt-4o", "scripted")
    assert team["cost"] == known["cost"] == price(known)
    assert "cost" not in unknown

    flow = (await run(client, "/workflows/flow"))["metrics"]
    assert flow["cost"] == flow["steps"]["ask"]["metrics"]["cost"] == price(flow["steps"]["ask"]["metrics"])

    session = (await client.get("/sessions/s")).json()
    assert session["metrics"]["cost"] == metrics["cost"]
    (day,) = (await client.get("/metrics")).json()["metrics"]
    assert day["cost"] == pytest.approx(metrics["cost"] + team["cost"] + flow["cost"])
    assert {model["model_id"]: model.get("cost") for model in day["model_metrics"]} == {
        "gpt-4o": day["cost"],
        "scripted": None,
    }
    (refreshed,) = (await client.post("/metrics/refresh")).json()
    assert refreshed["cost"] == day["cost"]
    lines = (await client.get("/-/metrics")).text.splitlines()
    (line,) = (line for line in lines if line.startswith("serai_cost_dollars_total{"))
    assert float(line.rpartition(" ")[2]) == pytest.approx(day["cost"])
