"""Sessions over HTTP: made, read, listed, searched, changed and removed; their runs; all that can be wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent, RunContext

from serai import AgentOS, Step, Team, Workflow
from serai.components.deps import RunDeps
from serai.settings import Settings
from serai.testing import Asked, Rule, ScriptedModel, ToolCall, Turn
from tests.hosting import http_client, serving

ODD_ID = "a/b c?d#é%2F"
DEEP: Any = json.loads('{"a":' + "[" * 101 + "]" * 101 + "}")


def answer(asked: Asked) -> Turn | str:
    if "slow" in asked.message:
        return Turn([f"w{number} " for number in range(20)], chunk_delay_s=0.05)
    if "count" in asked.message and not asked.tool_results:
        return Turn(tools=[ToolCall("count", {"name": asked.message.split()[-1]})])
    return f"Heard {asked.message}"


helper = Agent(ScriptedModel(answer), name="helper", deps_type=RunDeps)


@helper.tool
async def count(ctx: RunContext[RunDeps], name: str) -> str:
    """Count in the session's state."""
    ctx.deps.session_state[name] = 1
    return "counted"


def make_app(dsn: str) -> AgentOS:
    member = Agent(ScriptedModel("A member."), name="member")
    return AgentOS(
        agents=[helper, Agent(ScriptedModel(rules=[Rule("", [Turn("Hi.")])]), name="other")],
        teams=[
            Team(
                name="crew",
                model=ScriptedModel(
                    lambda asked: (
                        "All done."
                        if asked.tool_results
                        else Turn(tools=[ToolCall(asked.tools[0], {"member_id": "member", "task": "say it"})])
                    )
                ),
                members=[member],
            )
        ],
        workflows=[Workflow(name="Flow", steps=[Step(name="only", agent=Agent(ScriptedModel("Step."), name="s"))])],
        settings=Settings(database_url=SecretStr(dsn)),
    )


@pytest.fixture
async def client(shared_url: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Project-Id": str(uuid4())}
    async with (
        serving(make_app(shared_url).app) as url,
        http_client(url, headers=headers, timeout=20) as connected,
    ):
        yield connected


async def make(client: httpx.AsyncClient, session_id: str, **members: Any) -> dict[str, Any]:
    response = await client.post("/sessions", json={"session_id": session_id, **members})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def ask(
    client: httpx.AsyncClient, session_id: str, message: str, *, path: str = "/agents/helper/runs", **fields: str
) -> dict[str, Any]:
    form = {"message": message, "stream": "false", "session_id": session_id, **fields}
    response = await client.post(path, data=form)
    assert response.status_code in (200, 202), response.text
    run: dict[str, Any] = response.json()
    return run


async def ids(client: httpx.AsyncClient, query: str = "") -> list[str]:
    response = await client.get(f"/sessions?{query}")
    assert response.status_code == 200, response.text
    return [item["session_id"] for item in response.json()["data"]]


async def test_a_session_is_made_read_renamed_changed_and_removed(client: httpx.AsyncClient):
    body = {
        "session_id": "s-1",
        "session_name": "My Chat",
        "session_state": {"k": 1},
        "metadata": {"m": "x"},
        "user_id": "u1",
        "agent_id": "helper",
        "team_id": None,
        "workflow_id": None,
    }
    created = await client.post("/sessions?type=agent", json=body)
    made = created.json()
    times = {name: made.pop(name) for name in ("created_at", "updated_at")}
    assert (created.status_code, len(times["created_at"]), times["created_at"][-1]) == (201, 20, "Z")
    assert made == {
        "user_id": "u1",
        "agent_session_id": "s-1",
        "session_id": "s-1",
        "session_name": "My Chat",
        "session_state": {"k": 1},
        "agent_id": "helper",
        "metrics": {},
        "metadata": {"m": "x"},
        "chat_history": [],
    }
    assert (await client.get("/sessions/s-1")).json() == {**made, **times}
    renamed = (await client.post("/sessions/s-1/rename?type=agent", json={"session_name": "New"})).json()
    assert (renamed["session_name"], renamed["created_at"]) == ("New", times["created_at"])
    nulls = {name for name, value in renamed.items() if value is None}
    assert nulls == {"session_summary", "total_tokens", "agent_data"}
    summary = {"summary": "short", "topics": ["a"]}
    changed = (await client.patch("/sessions/s-1", json={"session_state": {}, "summary": summary})).json()
    assert (changed["session_state"], changed["session_summary"]) == ({}, summary)
    assert (changed["metadata"], changed["session_name"]) == ({"m": "x"}, "New")
    for keyed in ({}, {"Idempotency-Key": "k"}):
        same = await client.patch("/sessions/s-1", json={"session_name": None}, headers=keyed)
        assert same.json() == changed
    assert (await client.delete("/sessions/s-1")).status_code == 204
    gone = await client.get("/sessions/s-1")
    assert (gone.status_code, gone.json()) == (404, {"detail": "Session with id 's-1' not found"})


async def test_a_session_needs_nothing_to_be_made(client: httpx.AsyncClient):
    for content in (b"", b"null", b"{}"):
        made = (await client.post("/sessions", content=content)).json()
        assert (made["session_name"], made["agent_id"], made["session_state"]) == ("", "", {})
    workflow = (await client.post("/sessions?type=workflow", json={"workflow_id": "flow", "agent_id": "x"})).json()
    assert (workflow["workflow_id"], workflow["workflow_name"], "agent_id" in workflow) == ("flow", "Flow", False)
    assert workflow["session_data"] == {"session_name": "", "session_state": {}, "session_metrics": {}}
    team = await client.post("/sessions", json={"team_id": "crew", "colour": "red"})
    assert (team.json()["team_id"], team.json()["agent_session_id"]) == ("crew", team.json()["session_id"])
    assert team.headers["x-serai-ignored-fields"] == "colour"


async def test_an_id_is_taken_once_in_a_project(client: httpx.AsyncClient):
    await make(client, "s", user_id="u1", session_state={"k": 1})
    again = await client.post("/sessions", json={"session_id": "s", "user_id": "u2"})
    text = "Session with id 's' already exists. Use PATCH /sessions/s to update it."
    assert (again.status_code, again.json()) == (409, {"detail": text})
    assert (await client.get("/sessions/s")).json()["session_state"] == {"k": 1}
    other = await client.post("/sessions", json={"session_id": "s"}, headers={"Project-Id": str(uuid4())})
    assert other.status_code == 201


async def test_a_session_is_called_by_its_first_message_until_it_has_a_name(client: httpx.AsyncClient):
    await ask(client, "s", "Wo ist Zürich? " + "x" * 300)
    await ask(client, "s", "and then")
    title = (await client.get("/sessions/s")).json()["session_name"]
    assert (len(title), title[:15]) == (280, "Wo ist Zürich? ")
    assert await ids(client, "session_name=ZÜRICH") == ["s"]
    await client.post("/sessions/s/rename", json={"session_name": "Straße"})
    assert (await ids(client, "session_name=ZÜRICH"), await ids(client, "session_name=strasse")) == ([], ["s"])
    await client.post("/sessions/s/rename", json={"session_name": ""})
    assert (await client.get("/sessions/s")).json()["session_name"] == title
    assert await ids(client, "session_name=zürich") == ["s"]


async def test_a_session_tells_what_was_said_and_used(client: httpx.AsyncClient):
    for message in ("count ada", "hello"):
        await ask(client, "s", message, user_id="u1")
    session = (await client.get("/sessions/s")).json()
    said = [(message["role"], message.get("content")) for message in session["chat_history"]]
    assert said == [
        *[("user", "count ada"), ("assistant", None), ("assistant", "Heard count ada")],
        *[("user", "hello"), ("assistant", "Heard hello")],
    ]
    assert session["chat_history"][1]["tool_calls"][0]["function"]["name"] == "count"
    assert session["session_state"] == {"ada": 1}
    runs = (await client.get("/sessions/s/runs")).json()
    total = sum(run["metrics"]["total_tokens"] for run in runs)
    assert session["total_tokens"] == session["metrics"]["total_tokens"] == total > 0
    (model,) = session["metrics"]["details"]["model"]
    assert (model["total_tokens"], sorted(model)[:2]) == (total, ["id", "input_tokens"])
    (item,) = (await client.get("/sessions")).json()["data"]
    assert item["session_data"] == {"session_state": {"ada": 1}, "session_metrics": item["metrics"]}
    assert (item["total_tokens"], item["session_type"], item["agent_id"]) == (total, "agent", "helper")


async def test_a_type_that_is_not_the_sessions_changes_nothing(client: httpx.AsyncClient):
    await ask(client, "t", "go", path="/teams/crew/runs")
    await ask(client, "w", "go", path="/workflows/flow/runs")
    for session_id, own in (("t", "team_id"), ("w", "workflow_id")):
        plain = (await client.get(f"/sessions/{session_id}")).json()
        assert (await client.get(f"/sessions/{session_id}?type=agent")).json() == plain
        assert (plain["agent_session_id"], "agent_id" in plain, own in plain) == (session_id, False, True)
    team = (await client.get("/sessions/t")).json()
    assert [message["role"] for message in team["chat_history"]] == ["user", "assistant", "assistant"]
    assert "chat_history" not in (await client.get("/sessions/w")).json()
    missing = await client.get("/sessions/x?type=team")
    assert missing.json() == {"detail": "Team Session with id 'x' not found"}


async def test_a_session_without_a_component_belongs_to_that_of_its_first_run(client: httpx.AsyncClient):
    await make(client, "s", session_name="Kept", session_state={"a": 1})
    await ask(client, "s", "go", path="/teams/crew/runs")
    session = (await client.get("/sessions/s")).json()
    assert (session["team_id"], session["session_name"], session["session_state"]) == ("crew", "Kept", {"a": 1})
    assert (await ids(client, "type=agent"), await ids(client, "type=team&component_id=crew")) == ([], ["s"])


async def test_runs_are_shown_as_what_they_are(client: httpx.AsyncClient):
    await make(client, "s", agent_id="helper", metadata={"m": 1})
    agent = await ask(client, "s", "hello", user_id="u1")
    await ask(client, "s", "go", path="/teams/crew/runs")
    await ask(client, "s", "go", path="/workflows/flow/runs")
    runs = (await client.get("/sessions/s/runs?type=agent")).json()
    kinds = [[name for name in ("agent_id", "team_id", "workflow_id") if name in run] for run in runs]
    assert kinds == [["agent_id"], ["team_id"], ["workflow_id"]]
    first = runs[0]
    expected = {
        "run_id": agent["run_id"],
        "parent_run_id": "",
        "user_id": "u1",
        "status": "COMPLETED",
        "run_input": "hello",
        "content": "Heard hello",
        "run_response_format": "text",
        "images": [],
        "input_media": {"images": [], "videos": [], "audios": [], "files": []},
    }
    assert {name: first[name] for name in expected} == expected
    assert [message["role"] for message in first["messages"]] == ["user", "assistant"]
    assert first["created_at"].endswith("Z")
    member = runs[1]["member_responses"][0]
    assert (member["agent_id"], "team_id" in member) == ("member", False)
    single = (await client.get(f"/sessions/s/runs/{agent['run_id']}?type=team")).json()
    assert {name: value for name, value in single.items() if value is not None} == first
    inner = (await client.get(f"/sessions/s/runs/{member['run_id']}")).json()
    assert (inner["agent_id"], inner["parent_run_id"]) == ("member", runs[1]["run_id"])


async def test_previews_are_short(client: httpx.AsyncClient):
    await ask(client, "s", "y" * 500)
    (preview,) = (await client.get("/sessions/s/run-previews")).json()
    assert (preview["run_input"], preview["content_preview"]) == ("y" * 280, ("Heard " + "y" * 280)[:280])
    assert sorted(set(preview) - {"run_input", "content_preview"}) == [
        *("agent_id", "created_at", "parent_run_id", "run_id", "status"),
    ]


async def test_runs_are_chosen_by_time_and_status(client: httpx.AsyncClient):
    await make(client, "s")
    assert (await client.get("/sessions/s/runs")).json() == []
    run = await ask(client, "s", "hello")
    at = run["created_at"]
    for query, found in (
        (f"created_after={at}&created_before={at}", 1),
        (f"created_after={at + 1}", 0),
        (f"created_before={at - 1}", 0),
        ("created_after=-999999999999999999&created_before=999999999999999999", 1),
        ("status=completed&status=PAUSED", 1),
        ("status=regenerated", 0),
    ):
        for part in ("runs", "run-previews"):
            response = await client.get(f"/sessions/s/{part}?{query}")
            assert (response.status_code, len(response.json())) == (200, found), query
    wrong = await client.get("/sessions/s/runs?status=ZZZ&status=paused")
    assert wrong.status_code == 400
    assert wrong.json()["detail"].startswith("Invalid status value(s) ['ZZZ']; expected one of [")


async def test_a_list_has_pages_filters_and_orders(client: httpx.AsyncClient):
    for number, (user, kind) in enumerate([("u1", "agent"), ("u2", "team"), ("u1", "team"), (None, "workflow")]):
        await client.post(
            f"/sessions?type={kind}",
            json={"session_id": f"s{number}", "user_id": user, f"{kind}_id": "c", "session_name": f"n{9 - number}"},
        )
    assert await ids(client) == ["s3", "s2", "s1", "s0"]
    assert await ids(client, "sort_order=asc&limit=2&page=2") == ["s2", "s3"]
    page = (await client.get("/sessions?limit=1&page=3")).json()
    assert [item["session_id"] for item in page["data"]] == ["s1"]
    assert page["meta"] == {"page": 3, "limit": 1, "total_pages": 4, "total_count": 4, "search_time_ms": 0.0}
    for query, found in (
        ("user_id=u1", ["s2", "s0"]),
        ("type=team", ["s2", "s1"]),
        ("type=team&user_id=u1&component_id=c", ["s2"]),
        ("component_id=nothing", []),
        ("user_id=", []),
        ("sort_by=session_name&sort_order=asc", ["s3", "s2", "s1", "s0"]),
        ("sort_by=session_id&sort_order=asc", ["s0", "s1", "s2", "s3"]),
        ("sort_by=updated_at&limit=2", ["s3", "s2"]),
        ("session_name=N8", ["s1"]),
        ("session_name=n&page=2&limit=3", ["s0"]),
        ("page=999999", []),
        ("page=99&session_name=n", []),
    ):
        assert await ids(client, query) == found, query
    past = (await client.get("/sessions?page=99")).json()["meta"]
    assert (past["total_count"], past["total_pages"]) == (4, 1)
    unknown = await client.get("/sessions?sort_by=colour")
    assert (unknown.status_code, unknown.headers["x-serai-ignored-fields"]) == (200, "sort_by")


async def test_names_with_wildcards_and_quotes_are_found_as_they_are(client: httpx.AsyncClient):
    for number, name in enumerate(["100% sure", "100 sure", "日本語のチャット", 'say "hi"\\n']):
        await make(client, f"s{number}", session_name=name)
    for text, found in (("100%", ["s0"]), ("語", ["s2"]), ("本語", ["s2"]), ('"HI"\\N', ["s3"]), ("_", [])):
        assert await ids(client, f"session_name={quote(text)}") == found, text


async def test_what_is_another_users_is_not_there(client: httpx.AsyncClient):
    run = await ask(client, "s", "hello", user_id="u1")
    for method, path, body in (
        ("GET", "/sessions/s", None),
        ("GET", "/sessions/s/runs", None),
        ("GET", "/sessions/s/run-previews", None),
        ("GET", f"/sessions/s/runs/{run['run_id']}", None),
        ("POST", "/sessions/s/rename", {"session_name": "x"}),
        ("POST", "/sessions/s/rename", {"session_name": ""}),
        ("PATCH", "/sessions/s", {"session_state": {"x": 1}}),
        ("PATCH", "/sessions/s", {}),
    ):
        for user in ("u2", ""):
            response = await client.request(method, f"{path}?user_id={user}", json=body)
            assert response.status_code == 404, (method, path)
    assert (await client.delete("/sessions/s?user_id=u2")).status_code == 204
    many = {"session_ids": ["s"], "session_types": ["team"]}
    assert (await client.request("DELETE", "/sessions?user_id=u2", json=many)).status_code == 204
    assert (await client.get("/sessions/s?user_id=u1")).json()["session_name"] == "hello"
    assert (await client.request("DELETE", "/sessions?user_id=u1", json=many)).status_code == 204
    assert (await client.get("/sessions/s")).status_code == 404
    assert (await client.get(f"/agents/helper/runs/{run['run_id']}")).status_code == 404


async def test_an_id_may_have_any_characters(client: httpx.AsyncClient):
    await make(client, ODD_ID, session_name="odd")
    path = f"/sessions/{quote(ODD_ID, safe='')}"
    assert (await client.get(path)).json()["session_id"] == ODD_ID
    run = await ask(client, ODD_ID, "hello", run_id="r/1")
    assert (await client.get(f"{path}/runs/{quote(run['run_id'], safe='')}")).json()["run_id"] == "r/1"
    assert (await client.post(f"{path}/rename", json={"session_name": "new"})).json()["session_name"] == "new"
    assert (await client.delete(path)).status_code == 204
    assert await ids(client) == []


async def test_a_repeated_write_is_done_once(client: httpx.AsyncClient):
    async def send(method: str, path: str, body: Any, key: str) -> httpx.Response:
        return await client.request(method, path, json=body, headers={"Idempotency-Key": key})

    unnamed = [(await send("POST", "/sessions", {"session_name": "a"}, "k0")).text for _ in range(2)]
    assert unnamed[0] == unnamed[1]
    at_once = await asyncio.gather(*(send("POST", "/sessions", {"session_id": "s"}, "k1") for _ in range(5)))
    assert {(answer.status_code, answer.text) for answer in at_once} == {(201, at_once[0].text)}
    assert (await send("POST", "/sessions", {"session_id": "other"}, "k1")).status_code == 409
    taken = [(await send("POST", "/sessions", {"session_id": "s"}, "k2")).status_code for _ in range(2)]
    assert (taken, (await send("POST", "/sessions", {"session_id": "new"}, "k2")).status_code) == ([409, 409], 201)
    await send("POST", "/sessions/s/rename", {"session_name": "first"}, "k3")
    await client.post("/sessions/s/rename", json={"session_name": "second"})
    assert (await send("POST", "/sessions/s/rename", {"session_name": "first"}, "k3")).json()[
        "session_name"
    ] == "second"
    assert (await send("PATCH", "/sessions/s", {"session_name": "first"}, "k3")).status_code == 409
    assert (await send("PATCH", "/sessions/x", {"session_name": "a"}, "k4")).status_code == 404
    assert (await send("DELETE", "/sessions/s", None, "k5")).status_code == 204
    await make(client, "s")
    assert (await send("DELETE", "/sessions/s", None, "k5")).status_code == 204
    assert (await client.get("/sessions/s")).status_code == 200


async def test_what_is_wrong_with_a_body_is_named(client: httpx.AsyncClient):
    await make(client, "s", session_name="kept")
    new = [
        ({"session_id": "a\0"}, ["session_id"], "U+0000"),
        ({"session_id": ""}, ["session_id"], "at least 1"),
        ({"session_id": "x" * 201}, ["session_id"], "at most 200"),
        ({"session_id": 7}, ["session_id"], "Expected"),
        ({"user_id": "\0"}, ["user_id"], "U+0000"),
        ({"agent_id": "\0"}, ["agent_id"], "U+0000"),
    ]
    both = [
        ({"session_name": "a\0"}, ["session_name"], "U+0000"),
        ({"session_name": 7}, ["session_name"], "Expected"),
        ({"session_name": "x" * 1001}, ["session_name"], "at most 1000"),
        ({"session_state": []}, ["session_state"], "Expected"),
        ({"session_state": DEEP}, ["session_state"], "100 levels"),
        ({"metadata": "x"}, ["metadata"], "Expected"),
    ]
    changes = [({"summary": "x"}, ["summary"], "Expected"), ([], [], "Expected")]
    for method, path, cases in (
        ("POST", "/sessions", [*new, *both]),
        ("PATCH", "/sessions/s", [*both, *changes]),
        ("POST", "/sessions/s/rename", [*both[:3], ({}, ["session_name"], "required")]),
    ):
        for body, loc, words in cases:
            response = await client.request(method, path, json=body)
            assert response.status_code == 422, (path, body)
            (issue,) = response.json()["detail"]
            assert (issue["loc"], words in issue["msg"]) == (["body", *loc], True), (path, body, issue)
        for content in (b"{", b'{"session_name":"\\ud800"}', b'{"session_name":"\xff"}'):
            broken = await client.request(method, path, content=content)
            assert broken.status_code == 422, content
    assert await ids(client) == ["s"]
    assert (await client.get("/sessions/s")).json()["session_name"] == "kept"


async def test_what_is_wrong_with_a_deletion_is_named(client: httpx.AsyncClient):
    await make(client, "s")
    unequal = await client.request("DELETE", "/sessions", json={"session_ids": ["s"], "session_types": []})
    text = "Session IDs and session types must have the same length"
    assert (unequal.status_code, unequal.json()) == (400, {"detail": text})
    for body, loc in (
        ({"session_ids": [], "session_types": []}, ["session_ids"]),
        ({"session_ids": ["s"]}, ["session_types"]),
        ({"session_ids": ["s"], "session_types": ["robot"]}, ["session_types", 0]),
        ({"session_ids": ["s", "\0"], "session_types": ["agent", "agent"]}, ["session_ids", 1]),
    ):
        response = await client.request("DELETE", "/sessions", json=body)
        assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", *loc]), body
    assert await ids(client) == ["s"]
    some = {"session_ids": ["s", "absent", "s"], "session_types": ["team", "agent", "agent"]}
    removed = await client.request("DELETE", "/sessions?delete_media=true", json=some)
    assert (removed.status_code, removed.headers["x-serai-ignored-fields"]) == (204, "delete_media")
    assert await ids(client) == []


async def test_what_is_wrong_with_a_query_is_named(client: httpx.AsyncClient):
    await make(client, "s")
    lists = [
        *(("page", text) for text in ("0", "-1", "x", "99999999999")),
        *(("limit", text) for text in ("0", "10001", "1.5")),
        *(("sort_order", text) for text in ("up", "DESC")),
        *(("type", text) for text in ("robot", "")),
        *((name, "%00") for name in ("user_id", "component_id", "session_name")),
    ]
    runs = [("created_after", "soon"), ("created_before", "1.5"), ("type", "robot")]
    for path, cases in (
        ("/sessions", lists),
        ("/sessions/s", [("type", "robot"), ("user_id", "%00")]),
        ("/sessions/s/runs", runs),
        ("/sessions/s/run-previews", runs),
    ):
        for name, text in cases:
            response = await client.get(f"{path}?{name}={text}")
            assert response.status_code == 422, (path, name, text)
            assert response.json()["detail"][0]["loc"] == ["query", name]
    for query, status in (
        ("db_id=nope", 404),
        ("db_id=serai&table=nope", 404),
        ("table=agno_sessions", 400),
        ("db_id=serai&table=agno_sessions", 200),
    ):
        for path in ("/sessions", "/sessions/s", "/sessions/s/runs", "/sessions/s/run-previews"):
            assert (await client.get(f"{path}?{query}")).status_code == status, (path, query)
    assert (await client.post("/sessions?db_id=nope", json={})).status_code == 404
    assert (await client.delete("/sessions/s?db_id=nope")).status_code == 404
    assert (await client.post("/sessions?type=robot", json={})).status_code == 422


async def test_runs_that_are_not_there_are_said_so(client: httpx.AsyncClient):
    await make(client, "empty")
    await ask(client, "s", "hello")
    for path, text in (
        ("absent/runs", "Session with ID absent not found"),
        ("absent/run-previews", "Session with ID absent not found"),
        ("absent/runs/r", "Session with ID absent not found"),
        ("empty/runs/r", "Session with ID empty has no runs"),
        ("s/runs/r", "Run with ID r not found in session s"),
    ):
        response = await client.get(f"/sessions/{path}")
        assert (response.status_code, response.json()) == (404, {"detail": text})


async def test_a_state_that_is_replaced_during_a_run_keeps_what_the_run_changed(client: httpx.AsyncClient):
    await make(client, "s", session_state={"old": 1})
    run = await ask(client, "s", "slow", background="true")
    await client.patch("/sessions/s", json={"session_state": {"new": 2}})
    await client.post(f"/agents/helper/runs/{run['run_id']}/cancel")
    await ask(client, "s", "count ada")
    assert (await client.get("/sessions/s")).json()["session_state"] == {"new": 2, "ada": 1}


async def test_a_session_is_removed_while_its_runs_work_and_wait(client: httpx.AsyncClient):
    waiting = asyncio.create_task(
        client.post("/agents/helper/runs", data={"message": "slow", "stream": "false", "session_id": "s"})
    )
    async with asyncio.timeout(5):
        while not (runs := (await client.get("/sessions/s/run-previews")).json()) or "detail" in runs:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    queued = await ask(client, "s", "hello", background="true")
    assert (await client.delete("/sessions/s")).status_code == 204
    assert (await client.get(f"/agents/helper/runs/{queued['run_id']}")).status_code == 404
    answer = await waiting
    assert (answer.status_code, answer.json()) == (404, {"detail": "Run not found: its session was removed."})
    again = await ask(client, "s", "hello")
    assert again["content"] == "Heard hello"
    assert len((await client.get("/sessions/s/runs")).json()) == 1


async def test_a_stream_says_that_its_run_was_removed(client: httpx.AsyncClient):
    form = {"message": "slow", "stream": "true", "session_id": "s"}
    async with client.stream("POST", "/agents/helper/runs", data=form) as stream:
        lines = stream.aiter_lines()
        async for line in lines:
            if line.startswith("data:"):
                break
        assert (await client.delete("/sessions/s")).status_code == 204
        events = [json.loads(line.removeprefix("data:")) async for line in lines if line.startswith("data:")]
    assert (events[-1]["event"], events[-1]["error_type"]) == ("RunError", "run_removed")


async def test_parallel_runs_on_two_nodes_lose_no_key_and_no_token(shared_url: str):
    project = {"Project-Id": str(uuid4())}
    async with (
        serving(make_app(shared_url).app) as one,
        serving(make_app(shared_url).app) as other,
        http_client(one, headers=project, timeout=20) as client,
        http_client(other, headers=project, timeout=20) as second,
    ):
        runs = await asyncio.gather(
            *(ask((client, second)[number % 2], "s", f"count k{number}", user_id="u1") for number in range(20))
        )
        session = (await second.get("/sessions/s")).json()
        assert session["session_state"] == {f"k{number}": 1 for number in range(20)}
        for name in ("input_tokens", "output_tokens", "total_tokens"):
            assert session["metrics"][name] == sum(run["metrics"][name] for run in runs) > 0
        (item,) = (await client.get("/sessions?user_id=u1")).json()["data"]
        assert item["total_tokens"] == session["total_tokens"]
        assert len((await client.get("/sessions/s/run-previews?status=completed")).json()) == 20


async def test_a_key_tells_ids_apart_whatever_they_hold(client: httpx.AsyncClient):
    await make(client, "a")
    headers = {"Idempotency-Key": str(uuid4())}
    for names, status in ((["a\nb"], 204), (["a", "b"], 409)):
        body = {"session_ids": names, "session_types": ["agent"] * len(names)}
        assert (await client.request("DELETE", "/sessions", json=body, headers=headers)).status_code == status
