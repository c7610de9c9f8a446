"""Retention and erasure over HTTP: what would go, what goes, and that nothing of a person is left anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent

from serai import AgentOS, Knowledge, Step, Team, Workflow
from serai.settings import Settings
from serai.testing import HashedEmbeddingModel, ScriptedModel, ToolCall, Turn
from tests.hosting import http_client, serving

PERSON, SECRET = "ada-7f3e", "zebra-19c2"
PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa75\x81\x84\x00\x00\x00\x00IEND\xaeB`\x82"
)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    helper = Agent(ScriptedModel([Turn(tools=[ToolCall("note", {"text": SECRET})]), "Noted."]), name="helper")

    @helper.tool_plain
    def note(text: str) -> str:
        """Write something down."""
        return f"noted {text}"

    plain = Agent(ScriptedModel(lambda asked: f"You said: {asked.message}"), name="plain")
    os = AgentOS(
        agents=[helper, plain],
        teams=[Team("pair", members=[plain], model=ScriptedModel(lambda asked: f"Heard: {asked.message}"))],
        workflows=[Workflow("flow", steps=[Step("ask", agent=plain)])],
        knowledge=Knowledge(embedder=HashedEmbeddingModel()),
        settings=Settings(database_url=SecretStr(database_url)),
    )
    async with serving(os.app) as url, http_client(url, timeout=20) as connected:
        yield connected


async def run(client: httpx.AsyncClient, path: str, *, key: str = "", **form: Any) -> dict[str, Any]:
    files = form.pop("files", None)
    headers = {"Idempotency-Key": key} if key else {}
    data = {"message": SECRET, "stream": "false", **form}
    response = await client.post(f"{path}/runs", data=data, files=files, headers=headers)
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    assert made["status"] == "COMPLETED", made
    return made


async def places_of(dsn: str, *texts: str) -> list[str]:
    """Return the tables that hold one of the texts in any column of any row."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "select table_name from information_schema.tables "
            "where table_schema = 'public' and table_type = 'BASE TABLE'"
        )
        found = []
        for (table,) in tables:
            rows = await connection.fetch(f'select * from "{table}"')
            said = "\n".join(
                str(value.decode(errors="replace") if isinstance(value, bytes) else value)
                for row in rows
                for value in row.values()
            )
            if any(text in said for text in texts):
                found.append(table)
        return sorted(found)
    finally:
        await connection.close()


async def live(client: httpx.AsyncClient) -> None:
    """Leave traces of a person everywhere."""
    for path in ("/agents/helper", "/agents/plain", "/teams/pair", "/workflows/flow"):
        await run(client, path, user_id=PERSON, session_id=f"{PERSON}-{path[-3:]}", key=f"key-{path}")
    await run(client, "/agents/plain", user_id=PERSON, files={"files": ("a.png", PIXEL, "image/png")})
    made = await client.post(
        "/sessions",
        json={"session_id": "named", "session_name": SECRET, "session_state": {"about": SECRET}, "user_id": PERSON},
        headers={"Idempotency-Key": f"create-{PERSON}"},
    )
    assert made.status_code == 201, made.text
    await client.patch("/sessions/named", json={"metadata": {"of": SECRET}}, params={"user_id": PERSON})
    memory = {"memory": f"Likes {SECRET}", "user_id": PERSON, "topics": [SECRET]}
    stored = await client.post("/memories", json=memory, headers={"Idempotency-Key": "memory"})
    assert stored.status_code == 200, stored.text
    await client.patch(
        f"/memories/{stored.json()['memory_id']}", json=memory, headers={"Idempotency-Key": "changed memory"}
    )
    measured = {"agent_id": "plain", "eval_type": "performance", "input": SECRET, "user_id": PERSON, "name": SECRET}
    answer = await client.post("/eval-runs", json=measured)
    assert answer.status_code == 200, answer.text
    schedule = {"cron_expr": "0 7 * * *", "component_id": "plain", "message": SECRET, "user_id": PERSON, "name": "x"}
    assert (await client.post("/schedules", json=schedule)).status_code == 201
    fired = await client.post("/schedules/x/fire")
    assert fired.status_code == 202
    events = await client.get(f"/agents/plain/runs/{fired.json()['run_id']}/events")
    assert "RunCompleted" in events.text
    document = {"name": SECRET, "text_content": f"All about {SECRET}", "metadata": f'{{"by": "{PERSON}"}}'}
    uploaded = await client.post("/knowledge/content", data=document, params={"user_id": PERSON})
    assert uploaded.status_code == 202, uploaded.text
    async with asyncio.timeout(20):
        status = f"/knowledge/content/{uploaded.json()['id']}/status"
        while (await client.get(status)).json()["status"] == "processing":  # noqa: ASYNC110 - a job does it
            await asyncio.sleep(0.02)
    assert (await client.post("/knowledge/search", json={"query": SECRET})).json()["meta"]["total_count"] == 1


async def test_nothing_of_an_erased_user_is_left_in_any_table(client: httpx.AsyncClient, database_url: str):
    await run(client, "/agents/plain", user_id="bob", message="mine", session_id="bobs")
    await run(client, "/agents/plain", message="anybody's", session_id="open")
    await run(client, "/agents/plain", user_id=PERSON, session_id="open")
    await live(client)
    before = (await client.get("/metrics")).json()["metrics"]
    assert len(await places_of(database_url, PERSON, SECRET)) > 10
    would = await client.delete(f"/users/{PERSON}", params={"dry_run": "true"})
    assert would.json()["dry_run"] is True
    assert would.json()["removed"]["memories"] == 1
    assert len(await places_of(database_url, PERSON, SECRET)) > 10

    answer = await client.delete(f"/users/{PERSON}")
    assert answer.status_code == 200, answer.text
    removed = answer.json()["removed"]
    assert (removed["sessions"], removed["memories"], removed["schedules"], removed["blobs"]) == (8, 1, 1, 1)
    assert (removed["knowledge_contents"], removed["knowledge_embeddings"]) == (1, 1)
    assert removed["run_events"] > removed["runs"] >= 7
    assert await places_of(database_url, PERSON, SECRET) == []

    assert (await client.get("/sessions/bobs")).json()["chat_history"][0]["content"] == "mine"
    assert [each["run_input"] for each in (await client.get("/sessions/open/runs")).json()] == ["anybody's"]
    after = (await client.get("/metrics")).json()["metrics"]
    assert [{**day, "updated_at": ""} for day in after] == [{**day, "updated_at": ""} for day in before]
    refreshed = (await client.post("/metrics/refresh")).json()
    assert [{**day, "updated_at": ""} for day in refreshed] == [{**day, "updated_at": ""} for day in before]
    again = await client.delete(f"/users/{PERSON}")
    assert (again.status_code, again.json()["removed"]) == (200, {})


async def test_each_table_that_may_name_a_user_is_thought_of(client: httpx.AsyncClient, database_url: str):
    assert (await client.post("/knowledge/search", json={"query": "x", "search_type": "vector"})).status_code == 200
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "select distinct table_name from information_schema.columns where column_name = 'user_id'"
    )
    await connection.close()
    named = {row[0] for row in rows if not row[0].startswith("run_events_")}
    erased = {
        *("sessions", "session_names", "session_counts", "runs", "run_steps", "run_events", "run_cancellations"),
        *("memories", "memory_users", "memory_topics", "memory_changes", "eval_runs", "schedules", "schedule_runs"),
        *("jobs", "blobs", "usage_deltas", "metrics_days", "metrics_models", "metrics_kept_days"),
        *("metrics_kept_models", "retention_left"),
        *("knowledge_contents", "knowledge_sources", "knowledge_chunks", "knowledge_vectors", "knowledge_embeddings"),
        *("traces", "spans", "trace_deltas", "trace_counts", "trace_session_parts"),
    }
    # Nothing writes a user there: records and their indexes belong to projects, nodes to nobody, counts to all.
    never = {
        *(
            "records",
            "record_places",
            "record_indexes",
            "nodes",
            "idempotency_keys",
            "memory_counts",
            "memory_days",
            "session_days",
            "retention_marks",
            "knowledge_models",
        ),
    }
    assert named == erased | never


async def test_media_that_others_use_too_stay(client: httpx.AsyncClient, database_url: str):
    for user_id in (PERSON, "bob"):
        await run(client, "/agents/plain", user_id=user_id, files={"files": ("a.png", PIXEL, "image/png")})
    assert "blobs" not in (await client.delete(f"/users/{PERSON}")).json()["removed"]
    assert await places_of(database_url, PERSON) == []


async def test_a_user_who_comes_back_is_new(client: httpx.AsyncClient):
    await live(client)
    await client.delete(f"/users/{PERSON}")
    await run(client, "/agents/plain", user_id=PERSON, session_id="again")
    listed = (await client.get("/sessions", params={"user_id": PERSON})).json()
    assert ([each["session_id"] for each in listed["data"]], listed["meta"]["total_count"]) == (["again"], 1)


async def test_the_rules_are_shown_counted_and_applied(client: httpx.AsyncClient, database_url: str):
    shown = (await client.get("/retention")).json()
    assert shown["last"] is None
    assert {name: shown["rules"][name] for name in ("sessions", "steps", "token_deltas", "events")} == {
        "sessions": None,
        "steps": 1,
        "token_deltas": 7,
        "events": 30,
    }
    await run(client, "/agents/helper", session_id="s")
    counted = (await client.post("/retention/apply", params={"dry_run": "true"})).json()
    assert (counted["dry_run"], set(counted["removed"].values())) == (True, {0})
    connection = await asyncpg.connect(database_url)
    await connection.execute("update runs set ended_at = now() - interval '2 days'")
    await connection.execute("update runs set key = overlay(key::text placing '0' from 3 for 1)::uuid, root_key = key")
    await connection.execute("update run_steps set run_key = overlay(run_key::text placing '0' from 3 for 1)::uuid")
    steps = await connection.fetchval("select count(*) from run_steps")
    assert steps > 0
    counted = (await client.post("/retention/apply", params={"dry_run": "1"})).json()["removed"]
    assert counted["steps"] == steps
    applied = await client.post("/retention/apply")
    assert (applied.status_code, applied.json()["status"]) == (200, "COMPLETED"), applied.text
    assert applied.json()["removed"]["steps"] == steps
    assert await connection.fetchval("select count(*) from run_steps") == 0
    await connection.close()
    last = (await client.get("/retention")).json()["last"]
    assert (last["status"], last["removed"]["steps"]) == ("COMPLETED", steps)


BAD_QUESTIONS: list[tuple[str, str, dict[str, str], int, str]] = [
    ("POST", "/retention/apply", {"dry_run": "perhaps"}, 422, "true or false"),
    ("DELETE", "/users/ada", {"dry_run": "perhaps"}, 422, "true or false"),
    ("DELETE", "/users/%00", {}, 422, "U+0000"),
    ("DELETE", f"/users/{'x' * 201}", {}, 422, "at most 200"),
    ("DELETE", "/users/nobody", {}, 200, '"removed":{}'),
]


async def test_bad_questions_are_told_what_is_wrong(client: httpx.AsyncClient):
    for method, path, query, status, says in BAD_QUESTIONS:
        response = await client.request(method, path, params=query)
        assert (response.status_code, says in response.text) == (status, True), (method, path, query, response.text)
