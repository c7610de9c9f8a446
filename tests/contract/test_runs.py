"""Runs over HTTP: shapes, orders of events, and every way a request can be wrong; on a real server and database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pydantic_ai
import pytest
from pydantic import BaseModel, SecretStr
from pydantic_ai import Agent, ModelRetry, RunContext

from serai.components.agent import AgentComponent
from serai.components.deps import RunDeps
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Asked, Rule, ScriptedModel, ToolCall, Turn, provider_error
from tests.hosting import serving

RUNS = "/agents/helper/runs"
ODD_TEXT = "nel \x85 ls \u2028 ps \u2029 nul \x00 emoji \N{ROCKET} end"


class City(BaseModel):
    name: str
    people: int


def _helper() -> Agent[RunDeps, str]:
    model = ScriptedModel(
        rules=[
            Rule("add", [Turn(tools=[ToolCall("add", {"a": 1, "b": 2})]), Turn("It is 3.")]),
            Rule("both", [Turn(tools=[ToolCall("add", {"a": 1, "b": 2}), ToolCall("fail", {})]), Turn("Half done.")]),
            Rule("fail", [Turn(tools=[ToolCall("fail", {})]), Turn("The tool failed.")]),
            Rule("explode", [Turn("half ", error=provider_error(503, "model exploded"), error_after=1)]),
            Rule("odd", [Turn([ODD_TEXT, ODD_TEXT])]),
            Rule("think", [Turn("answer", thinking="hm hm")]),
            Rule("remember", [Turn(tools=[ToolCall("remember", {"word": "sea"})]), Turn("Remembered.")]),
            Rule("who", [Turn(tools=[ToolCall("who", {})]), Turn("Told.")]),
            Rule("slow", [Turn("late", delay_s=0.3)]),
            Rule("", [Turn("Hello there.")]),
        ]
    )
    agent = Agent(model, name="helper", deps_type=RunDeps, instructions="Help.")

    @agent.tool_plain
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @agent.tool_plain
    def fail() -> str:
        """Raise."""
        raise ValueError("kaboom")

    @agent.tool
    def remember(ctx: RunContext[RunDeps], word: str) -> str:
        """Keep a word in the session."""
        ctx.deps.session_state["word"] = word
        return "kept"

    @agent.tool
    def who(ctx: RunContext[RunDeps]) -> dict[str, Any]:
        """Tell what the tool knows of its run."""
        deps = ctx.deps
        return {
            "user_id": deps.user_id,
            "dependencies": deps.dependencies,
            "metadata": deps.metadata,
            "filters": deps.knowledge_filters,
            "has_key": deps.idempotency_key.startswith(f"{deps.run_id}:1/call"),
        }

    return agent


def _structured() -> Agent[None, City]:
    def answer(asked: Asked) -> Turn:
        return Turn(tools=[ToolCall(asked.tools[0], {"name": "Rome", "people": 3})])

    return Agent(ScriptedModel(answer), name="structured", output_type=City)


def _validated() -> Agent[None, str]:
    agent = Agent(ScriptedModel(lambda asked: "long enough" if asked.position else "short"), name="validated")

    @agent.output_validator
    def check(output: str) -> str:
        if len(output) < 8:
            raise ModelRetry("longer, please")
        return output

    return agent


def _counter() -> AgentComponent:
    agent = Agent(ScriptedModel(lambda asked: f"position {asked.position}"), name="counter")
    return AgentComponent(agent, history_runs=2)


@asynccontextmanager
async def running(database_url: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(
        name="Test",
        agents=[_helper(), _structured(), _counter(), _validated()],
        settings=Settings(database_url=SecretStr(database_url), **settings),
    )
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running(database_url) as connected:
        yield connected


async def run(client: httpx.AsyncClient, message: str, *, path: str = RUNS, **fields: Any) -> dict[str, Any]:
    response = await client.post(path, data={"message": message, "stream": "false", **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def stream(client: httpx.AsyncClient, message: str, **fields: Any) -> list[dict[str, Any]]:
    response = await client.post(RUNS, data={"message": message, **fields})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    return [json.loads(line[6:]) for line in response.text.split("\n") if line.startswith("data: ")]


def names(events: list[dict[str, Any]]) -> list[str]:
    """The order of events, runs of content folded into one."""
    folded: list[str] = []
    for event in events:
        if not (event["event"] == "RunContent" and folded and folded[-1] == "RunContent"):
            folded.append(event["event"])
    return folded


async def test_a_plain_run_answers_the_run_object(client: httpx.AsyncClient):
    answer = await run(client, "hi", session_id="s-1", user_id="u-1", metadata='{"m":true}')
    assert answer["content"] == "Hello there."
    assert answer["content_type"] == "str"
    assert answer["status"] == "COMPLETED"
    assert (answer["agent_id"], answer["agent_name"]) == ("helper", "helper")
    assert (answer["session_id"], answer["user_id"]) == ("s-1", "u-1")
    assert (answer["model"], answer["model_provider"]) == ("scripted", "serai")
    assert answer["input"] == {"input_content": "hi"}
    assert answer["metadata"] == {"m": True}
    assert isinstance(answer["created_at"], int)
    metrics = answer["metrics"]
    assert metrics["total_tokens"] == metrics["input_tokens"] + metrics["output_tokens"] > 0
    assert 0 < metrics["time_to_first_token"] <= metrics["duration"]
    assert metrics["details"]["model"][0]["id"] == "scripted"
    assert [(message["role"], message["content"]) for message in answer["messages"]] == [
        ("user", "hi"),
        ("assistant", "Hello there."),
    ]


async def test_the_agent_library_prints_no_banner_of_its_own(client: httpx.AsyncClient):
    await run(client, "hi")
    assert pydantic_ai.BANNER_ENABLED is False


async def test_a_stream_has_the_documented_order(client: httpx.AsyncClient):
    events = await stream(client, "hi")
    assert names(events) == [
        *("RunStarted", "ModelRequestStarted", "RunContent", "ModelRequestCompleted"),
        *("RunContentCompleted", "RunCompleted"),
    ]
    assert len({event["run_id"] for event in events}) == 1
    assert "".join(event["content"] for event in events if event["event"] == "RunContent") == "Hello there."
    assert events[-1]["content"] == "Hello there."
    assert events[-1]["metrics"]["total_tokens"] > 0
    assert [event["event_index"] for event in events] == list(range(len(events)))


async def test_a_tool_call_has_its_events_and_is_in_the_answer(client: httpx.AsyncClient):
    events = await stream(client, "add")
    assert names(events) == [
        *("RunStarted", "ModelRequestStarted", "ModelRequestCompleted", "ToolCallStarted", "ToolCallCompleted"),
        *("ModelRequestStarted", "RunContent", "ModelRequestCompleted", "RunContentCompleted", "RunCompleted"),
    ]
    started, completed = events[3]["tool"], events[4]["tool"]
    assert started["tool_call_id"] == completed["tool_call_id"]
    assert (started["tool_name"], started["tool_args"], started["result"]) == ("add", {"a": 1, "b": 2}, None)
    assert (completed["result"], completed["tool_call_error"]) == ("3", False)
    assert completed["metrics"]["duration"] >= 0
    assert events[4]["content"].startswith("add(a=1, b=2) completed in ")
    answer = await run(client, "add")
    assert [tool["result"] for tool in answer["tools"]] == ["3"]
    assert [message["role"] for message in answer["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert answer["messages"][1]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a":1,"b":2}'}


async def test_a_raising_tool_is_told_to_the_model(client: httpx.AsyncClient):
    events = await stream(client, "fail")
    assert names(events)[3:7] == ["ToolCallStarted", "ToolCallCompleted", "ToolCallError", "ModelRequestStarted"]
    assert events[4]["tool"]["tool_call_error"] is True
    assert events[5]["error"] == "ValueError: kaboom"
    assert events[-1]["content"] == "The tool failed."
    answer = await run(client, "both")
    assert {tool["tool_name"]: tool["tool_call_error"] for tool in answer["tools"]} == {"add": False, "fail": True}
    assert answer["status"] == "COMPLETED"


async def test_a_raising_model_ends_the_run_in_error(client: httpx.AsyncClient):
    events = await stream(client, "explode")
    assert names(events) == ["RunStarted", "ModelRequestStarted", "RunContent", "RunError"]
    assert "model exploded" in events[-1]["content"]
    assert events[-1]["error_type"] == "model_provider_error"
    answer = await run(client, "explode")
    assert answer["status"] == "ERROR"
    assert "model exploded" in answer["content"]
    assert answer["metrics"]["total_tokens"] == 0


async def test_any_character_arrives_in_one_line_of_the_stream(client: httpx.AsyncClient):
    response = await client.post(RUNS, data={"message": "odd"})
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    events = [json.loads(line) for line in lines]
    assert [event["content"] for event in events if event["event"] == "RunContent"] == [ODD_TEXT, ODD_TEXT]
    assert events[-1]["content"] == ODD_TEXT * 2
    assert (await run(client, "odd"))["content"] == ODD_TEXT * 2


async def test_reasoning_arrives_beside_the_content(client: httpx.AsyncClient):
    events = await stream(client, "think")
    contents = [event for event in events if event["event"] == "RunContent"]
    assert "".join(event["reasoning_content"] for event in contents) == "hm hm"
    assert "".join(event["content"] for event in contents) == "answer"
    assert (await run(client, "think"))["reasoning_content"] == "hm hm"


async def test_structured_output_is_an_object_with_its_type(client: httpx.AsyncClient):
    answer = await run(client, "where", path="/agents/structured/runs")
    assert (answer["content"], answer["content_type"]) == ({"name": "Rome", "people": 3}, "City")


async def test_a_tool_knows_what_the_caller_sent(client: httpx.AsyncClient):
    fields = {"dependencies": '{"d":1}', "metadata": '{"m":2}', "knowledge_filters": '{"k":3}', "user_id": "ada"}
    answer = await run(client, "who", **fields)
    assert json.loads(answer["tools"][0]["result"]) == {
        "user_id": "ada",
        "dependencies": {"d": 1},
        "metadata": {"m": 2},
        "filters": {"k": 3},
        "has_key": True,
    }


async def test_session_state_is_merged_member_by_member(client: httpx.AsyncClient):
    first = await run(client, "remember", session_id="s", session_state='{"k":1,"word":"land"}')
    assert first["session_state"] == {"k": 1, "word": "sea"}
    second = await run(client, "hi", session_id="s", session_state='{"other":[2]}')
    assert second["session_state"] == {"k": 1, "word": "sea", "other": [2]}
    assert (await run(client, "hi", session_id="s"))["session_state"] == second["session_state"]


async def test_history_is_the_last_runs_of_the_session(client: httpx.AsyncClient):
    path = "/agents/counter/runs"
    seen = [(await run(client, "go", path=path, session_id="s"))["content"] for _ in range(4)]
    assert seen == ["position 0", "position 1", "position 2", "position 2"]
    assert (await run(client, "go", path=path, session_id="s", num_history_runs="3"))["content"] == "position 3"
    without = await run(client, "go", path=path, session_id="s", add_history_to_context="false")
    assert without["content"] == "position 0"


async def test_a_failed_run_is_no_part_of_the_history(client: httpx.AsyncClient):
    await run(client, "explode", session_id="s")
    answer = await run(client, "go", path="/agents/counter/runs", session_id="s")
    assert answer["content"] == "position 0"


async def test_stream_events_false_leaves_content_and_the_end(client: httpx.AsyncClient):
    assert names(await stream(client, "add", stream_events="false")) == ["RunContent", "RunCompleted"]


async def test_a_background_run_answers_202_and_is_read_later(client: httpx.AsyncClient):
    response = await client.post(RUNS, data={"message": "slow", "stream": "false", "background": "true"})
    assert response.status_code == 202
    accepted = response.json()
    assert accepted["status"] == "PENDING"
    early = (await client.get(f"{RUNS}/{accepted['run_id']}")).json()
    assert early["status"] in ("PENDING", "RUNNING")
    assert early["input"] == {"input_content": "slow"}
    followed = await client.get(f"{RUNS}/{accepted['run_id']}/events", params={"after": 1})
    assert followed.text.count("event: RunCompleted") == 1
    assert "event: RunStarted" not in followed.text
    late = (await client.get(f"{RUNS}/{accepted['run_id']}", params={"session_id": accepted["session_id"]})).json()
    assert (late["status"], late["content"]) == ("COMPLETED", "late")


async def test_a_repeated_idempotency_key_is_the_same_run(client: httpx.AsyncClient):
    headers = {"Idempotency-Key": "key-1"}
    form = {"message": "slow", "stream": "false"}
    answers = await asyncio.gather(*(client.post(RUNS, data=form, headers=headers) for _ in range(3)))
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert {answer.json()["content"] for answer in answers} == {"late"}
    other = await client.post(RUNS, data={"message": "hi", "stream": "false"}, headers=headers)
    assert other.status_code == 409
    assert "Idempotency-Key" in other.json()["detail"]


async def test_a_run_id_may_be_chosen_once(client: httpx.AsyncClient):
    assert (await run(client, "hi", run_id="mine"))["run_id"] == "mine"
    again = await client.post(RUNS, data={"message": "hi", "stream": "false", "run_id": "mine"})
    assert again.status_code == 409
    assert "mine" in again.json()["detail"]


@pytest.mark.parametrize(
    ("form", "status", "named"),
    [
        ({}, 422, "message"),
        ({"message": ""}, 422, "message"),
        ({"message": "x", "stream": "banana"}, 422, "stream"),
        ({"message": "x", "background": "2"}, 422, "background"),
        ({"message": "x", "stream_events": "maybe"}, 422, "stream_events"),
        ({"message": "x", "session_state": "{"}, 422, "session_state"),
        ({"message": "x", "session_state": "[1]"}, 422, "session_state"),
        ({"message": "x", "dependencies": "3"}, 422, "dependencies"),
        ({"message": "x", "metadata": "[]"}, 400, "metadata"),
        ({"message": "x", "num_history_runs": "many"}, 422, "num_history_runs"),
        ({"message": "x", "num_history_runs": "-1"}, 422, "num_history_runs"),
        ({"message": "x", "session_id": "a\x00b"}, 422, "session_id"),
        ({"message": "x", "user_id": "u" * 300}, 422, "user_id"),
        ({"message": "x", "run_id": "r" * 300}, 422, "run_id"),
        ({"message": "x", "images": '{"url":"http://x"}'}, 422, "images"),
        ({"message": "x", "output_schema": "{}"}, 422, "output_schema"),
        ({"message": "x", "version": "3"}, 400, "version"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_stored(
    client: httpx.AsyncClient, form: dict[str, str], status: int, named: str
):
    response = await client.post(RUNS, data=form)
    assert response.status_code == status
    detail = response.json()["detail"]
    if status == 422:
        assert detail[0]["loc"] == ["body", named]
        assert set(detail[0]) >= {"type", "loc", "msg", "input"}
    else:
        assert named in detail
    # The same connection serves the next request.
    assert (await run(client, "hi", session_id="s"))["content"] == "Hello there."


async def test_a_broken_boolean_has_the_published_shape(client: httpx.AsyncClient):
    response = await client.post(RUNS, data={"message": "x", "stream": "banana"})
    assert response.json()["detail"] == [
        {
            "type": "bool_parsing",
            "loc": ["body", "stream"],
            "msg": "Input should be a valid boolean, unable to interpret input",
            "input": "banana",
        }
    ]


async def test_unknown_things_are_404(client: httpx.AsyncClient):
    unknown = await client.post("/agents/nobody/runs", data={"message": "x"})
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Agent not found"})
    for path in (f"{RUNS}/nothing", f"{RUNS}/nothing/events", "/agents/nobody/runs/nothing"):
        assert (await client.get(path)).status_code == 404
    await run(client, "hi", run_id="mine", session_id="s")
    assert (await client.get(f"{RUNS}/mine", params={"session_id": "other"})).status_code == 404
    assert (await client.get("/agents/counter/runs/mine")).json() == {"detail": "Run not found"}


async def test_another_users_session_is_not_found(client: httpx.AsyncClient):
    await run(client, "hi", session_id="s", user_id="ada")
    response = await client.post(RUNS, data={"message": "hi", "session_id": "s", "user_id": "bob"})
    assert (response.status_code, response.json()) == (404, {"detail": "Session not found"})


async def test_a_message_of_two_mebibytes_is_taken(client: httpx.AsyncClient):
    message = "long " * (2 * 1024 * 1024 // 5)
    answer = await run(client, message)
    assert answer["input"]["input_content"] == message
    multipart = await client.post(RUNS, data={"message": message, "stream": "false"}, files={"empty": (None, "")})
    assert multipart.status_code == 200
    assert multipart.json()["input"]["input_content"] == message


async def test_a_body_over_the_limit_is_413(database_url: str):
    async with running(database_url, max_body_bytes=10_000) as client:
        response = await client.post(RUNS, data={"message": "x" * 20_000})
        assert response.status_code == 413
        assert (await run(client, "hi"))["content"] == "Hello there."


async def test_ignored_fields_are_named_in_a_header(client: httpx.AsyncClient):
    response = await client.post(RUNS, data={"message": "hi", "stream": "false", "monitor": "true", "zeal": "1"})
    assert response.headers["X-Serai-Ignored-Fields"] == "monitor, zeal"


async def test_an_ignored_fields_odd_name_does_not_spoil_the_answer(client: httpx.AsyncClient):
    response = await client.post(RUNS, data={"message": "hi", "stream": "false", "a\x01\r\n\x7fb": "1"})
    assert response.status_code == 200
    assert response.headers["X-Serai-Ignored-Fields"] == "a    b"


@pytest.mark.parametrize("after", ["x", "-2", "1.5", "99999999999", "9" * 5000])
async def test_a_wrong_place_to_resume_is_422(client: httpx.AsyncClient, after: str):
    await run(client, "hi", run_id="mine")
    response = await client.get(f"{RUNS}/mine/events", headers={"Last-Event-ID": after})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["header", "Last-Event-ID"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_a_body_that_is_no_form_is_400(client: httpx.AsyncClient, content_type: str):
    response = await client.post(RUNS, content=b'{"message":"x"}', headers={"Content-Type": content_type})
    assert response.status_code == 400
    assert "x-www-form-urlencoded" in response.json()["detail"]


async def test_following_an_ended_run_from_its_end_ends_at_once(client: httpx.AsyncClient):
    await run(client, "hi", run_id="mine")
    whole = await client.get(f"{RUNS}/mine/events")
    last = whole.text.count("event: ") - 1
    rest = await client.get(f"{RUNS}/mine/events", headers={"Last-Event-ID": str(last)})
    assert (rest.status_code, "event: " in rest.text) == (200, False)
    assert "event: " not in (await client.get(f"{RUNS}/mine/events", params={"after": "5000"})).text


async def test_an_agents_own_validator_is_heard(client: httpx.AsyncClient):
    answer = await client.post("/agents/validated/runs", data={"message": "hi", "stream": "false"})
    assert (answer.json()["status"], answer.json()["content"]) == ("COMPLETED", "shortlong enough")
