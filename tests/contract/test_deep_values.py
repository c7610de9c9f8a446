"""Values nested without end, from callers, models and tools: refused by name, and never a run that cannot be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pydantic_ai import Agent, RunContext, ToolOutput, ToolReturn
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel

import serai
from serai.components.deps import RunDeps
from serai.server.app import AgentOS
from serai.settings import Settings
from serai.testing import Asked, ScriptedModel, ToolCall, Turn
from tests.hosting import serving

RUNS = "/agents/helper/runs"
QUESTION = {"question": "Which?", "options": [{"label": "red"}, {"label": "blue"}]}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def text(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def _answer(asked: Asked) -> Turn:
    what, _, levels = asked.message.partition(" ")
    if asked.step or not levels:
        return Turn("Done.")
    if what == "ask":
        return Turn(tools=[ToolCall("ask_user", {"questions": [QUESTION]}, id="c")])
    if what == "delete":
        return Turn(tools=[ToolCall("delete", {"path": "/x"}, id="c")])
    if what in ("loose", "typed"):
        return Turn(tools=[ToolCall(what, f'{{"given":{text(int(levels))}}}', id="c")])
    return Turn(tools=[ToolCall("make", {"what": what, "levels": int(levels)}, id="c")])


def _helper(model: Model) -> Agent[RunDeps, Any]:
    agent = Agent(model, name="helper", deps_type=RunDeps, tools=[serai.ask_user])

    @agent.tool
    def make(ctx: RunContext[RunDeps], what: str, levels: int) -> Any:
        """Make a deep value."""
        match what:
            case "state":
                ctx.deps.session_state["deep"] = nested(levels)
            case "metadata":
                return ToolReturn("made", metadata=nested(levels))
            case "reason":
                raise ApprovalRequired(metadata={"reason": nested(levels)})
            case _:
                return nested(levels)
        return "made"

    @agent.tool_plain
    def loose(given: Any) -> str:
        """Take anything."""
        return "taken"

    @agent.tool_plain
    def typed(given: int) -> str:
        """Take a number."""
        return "taken"

    @agent.tool_plain(requires_approval=True)
    def delete(path: str) -> str:
        """Delete a file."""
        return "deleted"

    return agent


@asynccontextmanager
async def serving_helper(database_url: str, agent: Agent[RunDeps, Any]) -> AsyncIterator[httpx.AsyncClient]:
    os = AgentOS(agents=[agent], settings=Settings(database_url=SecretStr(database_url)))
    async with serving(os.app) as url, httpx.AsyncClient(base_url=url, timeout=20) as connected:
        yield connected


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving_helper(database_url, _helper(ScriptedModel(_answer))) as connected:
        yield connected


async def run(client: httpx.AsyncClient, message: str, **fields: str) -> dict[str, Any]:
    response = await client.post(
        RUNS, data={"message": message, "stream": "false", "session_id": "s", **fields}, timeout=20
    )
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def assert_all_can_be_read(client: httpx.AsyncClient, answer: dict[str, Any]) -> None:
    """The run by itself, in its session's list and as events; and the session goes on."""
    url = f"{RUNS}/{answer['run_id']}"
    reads = [
        await client.get(url),
        await client.get(RUNS, params={"session_id": "s"}),
        await client.get(f"{url}/events"),
        await client.post(f"{url}/resume", data={"last_event_index": "-1"}),
    ]
    assert [read.status_code for read in reads] == [200] * 4
    assert reads[0].json() == answer
    if answer["status"] != "PAUSED":
        assert (await run(client, "next"))["content"] == "Done."


@pytest.mark.parametrize("levels", [101, 970, 100_000])
async def test_a_field_nested_too_deeply_is_refused_by_name(client: httpx.AsyncClient, levels: int):
    for name in ("session_state", "dependencies", "metadata", "knowledge_filters", "output_schema"):
        response = await client.post(RUNS, data={"message": "hi", "stream": "false", name: text(levels)})
        assert response.status_code == 422, response.text
        (issue,) = response.json()["detail"]
        assert (issue["loc"], issue["type"]) == (["body", name], "json_depth")
        assert issue["msg"] == "Input should be nested at most 100 levels"


async def test_media_nested_too_deeply_are_refused_by_name(client: httpx.AsyncClient):
    upload = {"files": ("a.txt", b"hi", "text/plain")}
    for levels in (100, 974, 990):
        images = f'[{{"url":"https://example.org/a.png","metadata":{text(levels)}}}]'
        response = await client.post(RUNS, data={"message": "hi", "images": images, "stream": "false"})
        assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "images"])
        given = {"message": "hi", "files_metadata": f"[{text(levels)}]", "stream": "false"}
        response = await client.post(RUNS, data=given, files=upload)
        assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "files_metadata"])


async def test_a_field_nested_as_deeply_as_may_be_is_taken_and_read_back(client: httpx.AsyncClient):
    images = f'[{{"url":"https://example.org/a.png","metadata":{text(98)}}}]'
    answer = await run(client, "hello", metadata=text(100), session_state=text(100), images=images)
    assert (answer["status"], answer["metadata"], answer["session_state"]) == ("COMPLETED", nested(100), nested(100))
    await assert_all_can_be_read(client, answer)


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        ("delete 1", "tools", '[{"tool_call_id":%s}]'),
        ("delete 1", "tools", '[{"tool_call_id":"c","confirmed":%s}]'),
        ("delete 1", "requirements", '[{"id":%s}]'),
        (
            "ask 1",
            "tools",
            '[{"tool_call_id":"c","user_feedback_schema":[{"question":%s,"selected_options":["red"]}]}]',
        ),
        (
            "ask 1",
            "tools",
            '[{"tool_call_id":"c","user_feedback_schema":[{"question":"Which?","selected_options":%s}]}]',
        ),
    ],
)
async def test_an_answer_nested_too_deeply_is_refused_by_name(
    client: httpx.AsyncClient, message: str, field: str, value: str
):
    paused = await run(client, message)
    url = f"{RUNS}/{paused['run_id']}"
    for levels in (101, 964, 965, 966, 967, 968, 969, 985):
        response = await client.post(f"{url}/continue", data={field: value % text(levels), "stream": "false"})
        assert response.status_code == 400, response.text
        assert response.json()["detail"].startswith(f"Invalid JSON in {field} field")
        assert "nested at most 100 levels" in response.json()["detail"]
    assert (await client.get(url)).json() == paused


@pytest.mark.parametrize("what", ["result", "state", "metadata", "reason"])
async def test_a_tool_that_makes_something_too_deep_has_failed(client: httpx.AsyncClient, what: str):
    for levels in (101, 190, 300, 960, 2000):
        answer = await run(client, f"{what} {levels}", session_state='{"kept":1}')
        assert (answer["status"], answer["content"]) == ("COMPLETED", "Done.")
        (tool,) = answer["tools"]
        assert tool["tool_call_error"] is True
        assert "Error: " in tool["result"]
        assert answer["session_state"] == {"kept": 1}
        await assert_all_can_be_read(client, answer)


@pytest.mark.parametrize("what", ["result", "state", "metadata", "reason"])
async def test_a_tool_may_make_what_is_nested_90_levels(client: httpx.AsyncClient, what: str):
    answer = await run(client, f"{what} 90")
    assert answer["status"] == ("PAUSED" if what == "reason" else "COMPLETED")
    assert not answer["tools"][0]["tool_call_error"]
    await assert_all_can_be_read(client, answer)


@pytest.mark.parametrize("what", ["loose", "typed"])
async def test_arguments_nested_too_deeply_leave_a_run_that_can_be_read(client: httpx.AsyncClient, what: str):
    for levels in (99, 150, 195, 198, 230, 2000):
        answer = await run(client, f"{what} {levels}")
        assert (answer["status"], answer["content"]) == ("COMPLETED", "Done.")
        await assert_all_can_be_read(client, answer)


async def test_an_output_nested_too_deeply_ends_the_run_in_error(database_url: str):
    def finish(levels: int) -> Any:
        """Finish."""
        return nested(levels)

    def answer(asked: Asked) -> Turn:
        return Turn(tools=[ToolCall("finish", {"levels": int(asked.message)})])

    output = ToolOutput(finish, name="finish")
    agent = Agent(ScriptedModel(answer), name="helper", deps_type=RunDeps, output_type=output)
    async with serving_helper(database_url, agent) as client:
        for levels in (101, 230, 960, 2000):
            ended = await run(client, str(levels))
            assert ended["status"] == "ERROR"
            assert (await client.get(f"{RUNS}/{ended['run_id']}")).json() == ended
            assert (await client.get(RUNS, params={"session_id": "s"})).status_code == 200
        assert (await run(client, "1"))["content"] == {"a": 1}


async def test_an_answer_of_the_model_nested_too_deeply_ends_the_run_in_error(database_url: str):
    def answer(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        levels = getattr(messages[-1].parts[-1], "content", "")
        details = None if levels == "next" else nested(int(str(levels)))
        return ModelResponse([TextPart("Done.")], provider_details=details)

    async with serving_helper(database_url, _helper(FunctionModel(answer))) as client:
        for levels in (101, 190, 960):
            ended = await run(client, str(levels))
            assert ended["status"] == "ERROR"
            await assert_all_can_be_read(client, ended)
