"""Schedules over HTTP, by the clients and the command line: shapes, both names of members, all that can be wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent
from typer.testing import CliRunner, Result

from serai import AgentComponent, AgentOS, AgentOSClient, Schedule, SyncAgentOSClient
from serai.cli import app
from serai.settings import Settings
from serai.testing import ScriptedModel
from tests.hosting import serving
from tests.unit.both_clients import result_of

MADE = {"name": "mornings", "cron_expr": "0 7 * * *", "component_id": "helper", "message": "Good morning"}
AS_PUBLISHED = {
    "name": "published",
    "cron_expr": "*/5 * * * *",
    "endpoint": "/agents/helper/runs",
    "method": "POST",
    "payload": {"message": "Hello", "session_id": "s", "user_id": "ada", "stream": False},
    "timezone": "Europe/Berlin",
    "description": "As agno's own tools send it.",
    "timeout_seconds": 60,
    "max_retries": 3,
    "retry_delay_seconds": 1,
}
DEEP: Any = json.loads("[" * 101 + "]" * 101)

WRONG: list[tuple[dict[str, Any], list[str], str]] = [
    ({"cron_expr": "0 7 * *"}, ["body", "cron_expr"], "five fields"),
    ({"cron_expr": "99 * * * *"}, ["body", "cron_expr"], "bad minute"),
    ({"cron_expr": 7}, ["body", "cron_expr"], "Expected"),
    ({"cron": "0 8 * * *"}, ["body", "cron_expr"], "otherwise than 'cron'"),
    ({"timezone": "Mars/Olympus"}, ["body", "timezone"], "Europe/Berlin"),
    ({"component_id": "nobody"}, ["body", "component_id"], "agent 'helper'"),
    ({"kind": "team"}, ["body", "component_id"], "no team 'helper'"),
    ({"kind": "robot"}, ["body", "kind"], "Invalid enum value"),
    ({"endpoint": "/agents/nobody/runs"}, ["body", "endpoint"], "otherwise than 'component_id'"),
    ({"endpoint": "/config"}, ["body", "endpoint"], "/agents/my-agent/runs"),
    ({"method": "GET"}, ["body", "method"], "POST"),
    ({"message": ""}, ["body", "message"], "empty"),
    ({"message": None}, ["body", "message"], "empty"),
    ({"message": DEEP}, ["body", "message"], "100 levels"),
    ({"payload": {"message": "Other"}}, ["body", "payload", "message"], "otherwise than 'message'"),
    ({"payload": {"session_id": 7}}, ["body", "payload", "session_id"], "string"),
    ({"payload": {"metadata": "x"}}, ["body", "payload", "metadata"], "object"),
    ({"payload": []}, ["body", "payload"], "Expected"),
    ({"misfire": "maybe"}, ["body", "misfire"], "Invalid enum value"),
    ({"misfire_grace_s": -1}, ["body", "misfire_grace_s"], "from 0"),
    ({"name": "a\0b"}, ["body", "name"], "U+0000"),
    ({"name": ".."}, ["body", "name"], "address"),
    ({"description": "a\0b"}, ["body", "description"], "U+0000"),
    ({"user_id": ""}, ["body", "user_id"], "at least 1 character"),
    ({"enabled": True, "is_paused": True}, ["body", "enabled"], "otherwise than 'is_paused'"),
    ({"crom": "0 7 * * *"}, ["body", "crom"], "Extra inputs"),
]
"""What is wrong beside a good body, where it is said to be, and some of the words."""


@asynccontextmanager
async def running(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(
        name="Test",
        agents=[
            Agent(ScriptedModel(lambda _: "Hello."), name="helper"),
            AgentComponent(Agent(ScriptedModel("Hi."), name="odd"), id="a/b c?"),
        ],
        schedules=[Schedule("0 3 * * *", "helper", message="Clean up", name="nightly")],
        settings=Settings(database_url=SecretStr(database_url)),
    )
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running(database_url) as connected:
        yield connected


async def make(client: httpx.AsyncClient, **members: Any) -> dict[str, Any]:
    response = await client.post("/schedules", json={**MADE, **members})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def test_a_schedule_is_made_read_listed_and_deleted(client: httpx.AsyncClient):
    made = await make(client)
    assert {name: made[name] for name in ("name", "kind", "component_id", "cron_expr", "timezone", "misfire")} == {
        "name": "mornings",
        "kind": "agent",
        "component_id": "helper",
        "cron_expr": "0 7 * * *",
        "timezone": "UTC",
        "misfire": "once",
    }
    assert (made["endpoint"], made["payload"]) == ("/agents/helper/runs", {"message": "Good morning"})
    assert (made["enabled"], made["declared_by"], made["last_run_id"]) == (True, None, None)
    assert made["next_run_at"] > made["created_at"]
    for name in (made["id"], "mornings"):
        assert (await client.get(f"/schedules/{name}")).json() == made
    page = (await client.get("/schedules")).json()
    assert [item["name"] for item in page["data"]] == ["mornings", "nightly"]
    assert page["meta"] == {"page": 1, "limit": 100, "total_pages": 1, "total_count": 2, "search_time_ms": 0.0}
    assert (await client.delete("/schedules/mornings")).status_code == 204
    gone = await client.get("/schedules/mornings")
    assert (gone.status_code, gone.json()) == (404, {"detail": "Schedule not found"})


async def test_a_schedule_as_the_published_protocol_has_it_is_the_same(client: httpx.AsyncClient):
    response = await client.post("/schedules", json=AS_PUBLISHED)
    assert response.status_code == 201, response.text
    ignored = response.headers["x-serai-ignored-fields"]
    assert ignored == "max_retries, payload.stream, retry_delay_seconds, timeout_seconds"
    made = response.json()
    assert (made["kind"], made["component_id"], made["user_id"]) == ("agent", "helper", "ada")
    assert made["payload"] == {"message": "Hello", "session_id": "s", "user_id": "ada"}
    paused = (await client.post("/schedules/published/disable")).json()
    assert (paused["enabled"], paused["next_run_at"]) == (False, None)
    assert (await client.post("/schedules/published/enable")).json()["enabled"]
    triggered = await client.post("/schedules/published/trigger")
    assert triggered.status_code == 202
    assert triggered.json()["schedule_id"] == made["id"]


async def test_an_address_with_odd_characters_is_read_as_it_is_shown(client: httpx.AsyncClient):
    made = await make(client, component_id="a/b c?", name="a/b c*?")
    assert made["endpoint"] == "/agents/a%2Fb%20c%3F/runs"
    again = await make(client, component_id="a/b c?", endpoint=made["endpoint"], name="again")
    assert again["endpoint"] == made["endpoint"]
    assert (await client.get("/schedules/a%2Fb%20c%2A%3F")).json() == made


async def test_lists_have_pages_and_show_what_is_enabled(client: httpx.AsyncClient):
    for number in range(4):
        await make(client, name=f"s{number}", is_paused=number % 2 == 0)
    page = (await client.get("/schedules?limit=2&page=3")).json()
    assert [item["name"] for item in page["data"]] == ["s3"]
    assert page["meta"] == {"page": 3, "limit": 2, "total_pages": 3, "total_count": 5, "search_time_ms": 0.0}
    paused = (await client.get("/schedules?enabled=false")).json()
    assert [item["name"] for item in paused["data"]] == ["s0", "s2"]
    assert (await client.get("/schedules?page=99")).json()["data"] == []


async def test_a_page_that_there_cannot_be_is_refused(client: httpx.AsyncClient):
    pages = [(f"page={number}", "page") for number in ("0", "-1", "x", "99999999999")]
    limits = [(f"limit={number}", "limit") for number in ("0", "1001", "1.5")]
    for query, name in (*pages, *limits, ("enabled=perhaps", "enabled")):
        response = await client.get(f"/schedules?{query}")
        assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["query", name])


async def test_a_wrong_member_is_named_when_a_schedule_is_made_or_changed(client: httpx.AsyncClient):
    for changes, loc, words in WRONG:
        response = await client.post("/schedules", json={**MADE, **changes})
        (issue,) = response.json()["detail"]
        assert (response.status_code, issue["loc"]) == (422, loc)
        assert words in issue["msg"]
    await make(client)
    for changes, loc, _ in WRONG:
        alone = {name: value for name, value in {**MADE, **changes}.items() if name != "name" or name in changes}
        response = await client.patch("/schedules/mornings", json=alone)
        assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, loc)


async def test_what_is_missing_is_named_all_at_once(client: httpx.AsyncClient):
    response = await client.post("/schedules", json={"name": "x"})
    assert [issue["loc"][1] for issue in response.json()["detail"]] == ["cron_expr", "component_id", "message"]
    assert (await client.post("/schedules", content=b"[]")).status_code == 422
    assert (await client.post("/schedules", content=b"{")).status_code == 422


async def test_a_name_is_taken_once_in_a_project(client: httpx.AsyncClient):
    await make(client)
    again = await client.post("/schedules", json=MADE)
    assert (again.status_code, "'mornings' exists already" in again.json()["detail"]) == (409, True)
    assert (await client.post("/schedules", json=MADE, params={"project_id": "other"})).status_code == 201
    await make(client, name="evenings")
    renamed = await client.patch("/schedules/evenings", json={"name": "mornings"})
    assert renamed.status_code == 409


async def test_a_change_leaves_the_rest_as_it_is(client: httpx.AsyncClient):
    made = await make(client, metadata={"m": 1}, session_id="s")
    changed = (await client.patch("/schedules/mornings", json={"message": "Hi", "session_id": None})).json()
    assert changed["payload"] == {"message": "Hi", "metadata": {"m": 1}}
    assert changed["next_run_at"] == made["next_run_at"]
    moved = (await client.patch("/schedules/mornings", json={"cron_expr": "30 7 * * *", "name": "later"})).json()
    assert (moved["id"], (moved["next_run_at"] - made["next_run_at"]) % 86_400) == (made["id"], 1800)
    assert (await client.patch("/schedules/later", json={"enabled": False})).json()["next_run_at"] is None


async def test_a_declared_schedule_can_be_paused_and_fired_and_not_changed(client: httpx.AsyncClient):
    for response in (
        await client.delete("/schedules/nightly"),
        await client.patch("/schedules/nightly", json={"message": "x"}),
    ):
        assert response.status_code == 409
        assert "declared in the code of 'test'" in response.json()["detail"]
    assert (await client.get("/schedules/nightly")).json()["declared_by"] == "test"
    assert not (await client.patch("/schedules/nightly", json={"enabled": False})).json()["enabled"]
    assert (await client.post("/schedules/nightly/fire")).status_code == 202


async def test_a_pause_by_a_person_survives_a_restart(database_url: str):
    async with running(database_url) as client:
        await client.post("/schedules/nightly/pause")
        await make(client)
    async with running(database_url) as client:
        listed = (await client.get("/schedules")).json()["data"]
        assert [(item["name"], item["enabled"]) for item in listed] == [("mornings", True), ("nightly", False)]
        assert (await client.post("/schedules/nightly/resume")).json()["enabled"]


async def test_a_schedule_fired_by_hand_starts_a_run_that_can_be_read(client: httpx.AsyncClient):
    await make(client, session_id="s")
    fired = await client.post("/schedules/mornings/fire", headers={"Idempotency-Key": "k"})
    again = await client.post("/schedules/mornings/fire", headers={"Idempotency-Key": "k"})
    run = fired.json()
    assert (fired.status_code, again.json()["run_id"]) == (202, run["run_id"])
    assert (run["session_id"], run["is_manual"]) == ("s", True)
    async with asyncio.timeout(5):
        while (await client.get(f"/agents/helper/runs/{run['run_id']}")).json()["status"] != "COMPLETED":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    page = (await client.get("/schedules/mornings/runs")).json()
    assert page["meta"]["total_count"] == 1
    assert (page["data"][0]["run_id"], page["data"][0]["status"]) == (run["run_id"], "COMPLETED")
    assert (await client.get("/schedules/mornings/runs?page=0")).status_code == 422


async def test_a_repeated_write_happens_once(client: httpx.AsyncClient):
    key = {"Idempotency-Key": "k1"}
    first = await client.post("/schedules", json=MADE, headers=key)
    assert (await client.post("/schedules", json=MADE, headers=key)).json() == first.json()
    assert (await client.post("/schedules", json={**MADE, "name": "x"}, headers=key)).status_code == 409
    await client.post("/schedules/mornings/pause", headers={"Idempotency-Key": "k2"})
    await client.post("/schedules/mornings/resume", headers={"Idempotency-Key": "k3"})
    repeated = await client.post("/schedules/mornings/pause", headers={"Idempotency-Key": "k2"})
    assert repeated.json()["enabled"]
    for _ in range(2):
        assert (await client.delete("/schedules/mornings", headers={"Idempotency-Key": "k4"})).status_code == 204
    assert (await client.post("/schedules", json=MADE, headers=key)).status_code == 404


async def test_a_schedule_that_there_is_not_cannot_be_acted_on(client: httpx.AsyncClient):
    for act in ("pause", "resume", "fire", "enable", "disable", "trigger"):
        response = await client.post(f"/schedules/absent/{act}")
        assert (response.status_code, response.json()) == (404, {"detail": "Schedule not found"})


@pytest.mark.parametrize("kind", [AgentOSClient, SyncAgentOSClient])
async def test_the_clients_do_all_that_there_is(database_url: str, kind: Any):
    async def ask(method: Any, *args: Any, **options: Any) -> Any:
        if kind is AgentOSClient:
            return await result_of(method(*args, **options))
        return await asyncio.to_thread(method, *args, **options)

    async with running(database_url) as http:
        ours = kind(str(http.base_url))
        made = await ask(ours.create_schedule, "@daily", "helper", {"topic": "news"}, session_id="s", misfire="all")
        assert (made.name, made.message, made.misfire) == ("helper @daily", '{"topic":"news"}', "all")
        changed = await ask(ours.update_schedule, made.id, name="daily", message="Hi", timezone="Europe/Berlin")
        assert (changed.name, changed.message, changed.payload["session_id"]) == ("daily", "Hi", "s")
        assert changed.next_run_at.utcoffset().total_seconds() == 0
        assert not (await ask(ours.pause_schedule, "daily")).enabled
        assert [one.name for one in (await ask(ours.list_schedules, enabled=False)).data] == ["daily"]
        assert (await ask(ours.resume_schedule, "daily")).enabled
        started = await ask(ours.fire_schedule, "daily")
        page = await ask(ours.list_schedule_runs, "daily")
        assert ([run.run_id for run in page.data], page.meta.total_count) == ([started.run_id], 1)
        assert (await ask(ours.get_schedule, "daily")).id == made.id
        await ask(ours.delete_schedule, "daily")
        assert [one.name for one in (await ask(ours.list_schedules)).data] == ["nightly"]
        await ask(ours.close)


async def typed(client: httpx.AsyncClient, *arguments: str) -> Result:
    """Run ``serai schedules`` beside the server."""
    line = ["schedules", *arguments, "--url", str(client.base_url)]
    return await asyncio.to_thread(CliRunner().invoke, app, line)


async def test_the_command_line_lists_pauses_resumes_and_fires(client: httpx.AsyncClient):
    made = await make(client)
    shown = (await typed(client, "list")).stdout.splitlines()
    assert shown[0].split() == ["SCHEDULE", "STARTS", "WHEN", "NEXT", "(UTC)", "LAST", "(UTC)", "ERROR"]
    assert shown[1].startswith("mornings  agent helper  0 7 * * * UTC  20")
    assert (await typed(client, "pause", "mornings")).stdout == "Schedule mornings is paused.\n"
    assert "paused" in (await typed(client, "list")).stdout.splitlines()[1]
    assert (await typed(client, "resume", "mornings")).stdout.startswith("Schedule mornings starts its next run at 20")
    fired = (await typed(client, "fire", made["id"])).stdout
    assert fired.startswith("Run ")
    assert "runs follow agent:helper" in fired
    lines = (await typed(client, "list", "--json")).stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["mornings", "nightly"]
    assert json.loads((await typed(client, "fire", "mornings", "--json")).stdout)["schedule_id"] == made["id"]
    refused = await typed(client, "pause", "absent")
    assert (refused.exit_code, "404, Schedule not found" in refused.stderr) == (4, True)
