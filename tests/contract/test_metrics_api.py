"""Metrics over HTTP: days, users, refreshing, and what can be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

from serai import AgentOS, Step, Team, Workflow
from serai.settings import Settings
from serai.testing import ScriptedModel
from tests.hosting import http_client, serving


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    helper = Agent(ScriptedModel(lambda _: "Hello."), name="helper")
    os = AgentOS(
        agents=[helper],
        teams=[Team("pair", members=[Agent(ScriptedModel("Hi."), name="member")], model=ScriptedModel("Done."))],
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


async def test_each_kind_counts_on_its_day(client: httpx.AsyncClient):
    empty = (await client.get("/metrics")).json()
    assert empty == {"metrics": [], "updated_at": None}
    first = await run(client, "/agents/helper", session_id="s", user_id="ada")
    await run(client, "/agents/helper", session_id="s", user_id="ada")
    await run(client, "/teams/pair", user_id="bob")
    await run(client, "/workflows/flow")
    (day,) = (await client.get("/metrics")).json()["metrics"]
    today = datetime.now(UTC).date().isoformat()
    assert (day["id"], day["date"]) == (f"{today}_daily", f"{today}T00:00:00Z")
    counts = {name: value for name, value in day.items() if name.endswith("_count")}
    assert counts == {
        "agent_runs_count": 2,
        "agent_sessions_count": 1,
        "team_runs_count": 1,
        "team_sessions_count": 1,
        "workflow_runs_count": 1,
        "workflow_sessions_count": 1,
        "users_count": 2,
    }
    assert len(day["token_metrics"]) == 9
    assert day["token_metrics"]["total_tokens"] > 4 * first["metrics"]["total_tokens"] > 0
    assert day["model_metrics"] == [{"model_id": "scripted", "model_provider": "serai", "count": 4}]
    (adas,) = (await client.get("/metrics", params={"user_id": "ada"})).json()["metrics"]
    assert (adas["id"], adas["agent_runs_count"], adas["users_count"]) == (f"{today}_ada_daily", 2, 1)
    assert (await client.get("/metrics", params={"user_id": ""})).json()["metrics"] == []


async def test_a_refresh_agrees_now_and_in_the_background(client: httpx.AsyncClient):
    await run(client, "/agents/helper", user_id="ada")
    before = (await client.get("/metrics")).json()["metrics"]
    refreshed = (await client.post("/metrics/refresh")).json()
    assert [{**day, "updated_at": ""} for day in refreshed] == [{**day, "updated_at": ""} for day in before]
    assert (await client.get("/metrics/refresh/status")).json()["status"] == "idle"
    started = await client.post("/metrics/refresh", params={"background": "true"})
    assert (started.status_code, started.json()["status"]) == (202, "started")
    async with asyncio.timeout(10):
        while (status := (await client.get("/metrics/refresh/status")).json())["status"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (status["status"], status["error"]) == ("completed", None)
    assert status["finished_at"] >= status["started_at"]


async def test_a_range_of_days_holds_both_its_ends(client: httpx.AsyncClient):
    await run(client, "/agents/helper")
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(1)
    for query, found in (
        ({"starting_date": today, "ending_date": today}, 1),
        ({"starting_date": yesterday}, 1),
        ({"ending_date": yesterday}, 0),
        ({"starting_date": today + timedelta(1)}, 0),
    ):
        params = {name: day.isoformat() for name, day in query.items()}
        assert len((await client.get("/metrics", params=params)).json()["metrics"]) == found, query


BAD_QUESTIONS: list[tuple[str, str, dict[str, str], int, str]] = [
    ("GET", "/metrics", {"starting_date": "yesterday"}, 422, "2026-11-20"),
    ("GET", "/metrics", {"ending_date": "2026-02-30"}, 422, "2026-11-20"),
    ("GET", "/metrics", {"ending_date": "2026-W47-5"}, 422, "2026-11-20"),
    ("GET", "/metrics", {"starting_date": ""}, 422, "2026-11-20"),
    ("GET", "/metrics", {"user_id": "a\0"}, 422, "U+0000"),
    ("GET", "/metrics", {"user_id": "x" * 201}, 422, "at most 200"),
    ("GET", "/metrics", {"db_id": "other"}, 404, "No database found with id 'other'"),
    ("GET", "/metrics", {"table": "metrics"}, 400, "db_id query parameter is required"),
    ("GET", "/metrics", {"db_id": "serai", "table": "sessions"}, 404, "has table 'sessions'"),
    ("POST", "/metrics/refresh", {"background": "maybe"}, 422, "true or false"),
    ("POST", "/metrics/refresh", {"db_id": "other"}, 404, "No database found"),
    ("GET", "/metrics/refresh/status", {"db_id": "other"}, 404, "No database found"),
    ("GET", "/metrics", {"db_id": "serai", "table": "agno_metrics"}, 200, ""),
]


async def test_bad_questions_are_told_what_is_wrong(client: httpx.AsyncClient):
    for method, path, query, status, says in BAD_QUESTIONS:
        response = await client.request(method, path, params=query)
        assert (response.status_code, says in response.text) == (status, True), (method, path, query, response.text)
